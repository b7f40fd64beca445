import { mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** A directory of its own for each test of the file; `path()` is only valid inside a test. */
export function temporaryDirectory(): (...names: string[]) => string {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
  return (...names) => join(directory, ...names)
}

/** Paths below `directory`, links with their targets, sorted. */
export async function listTree(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const lines = entries.map(async entry => {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(directory.length + 1)
    if (entry.isSymbolicLink()) return `${name} -> ${await readlink(path)}`
    return entry.isDirectory() ? `${name}/` : `${name} ${(await stat(path)).size}`
  })
  return (await Promise.all(lines)).sort()
}

export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
