import { createHash } from 'node:crypto'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackObjectOptions } from '@holdfast/core'

/**
 * Names a tree on disk as it is now, and how it is packed: path, kind, size, times and inode of everything in it. Whoever
 * changes a file changes this, unless he takes pains not to; what was staged is never mixed with what changed.
 *
 * @returns 64 hex digits, or undefined for what cannot be looked at: packing says why
 */
export async function fingerprintOf(
  path: string,
  ignore: (relativePath: string) => boolean,
  { layout, profile, pieceSizeBytesMax }: PackObjectOptions
): Promise<string | undefined> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify({ version: 1, layout, profile, pieceSizeBytesMax }))
  try {
    const root = await realpath(path)
    hash.update(root)
    const pending = ['']
    for (let relative = pending.pop(); relative !== undefined; relative = pending.pop()) {
      const absolute = relative === '' ? root : join(root, relative)
      const { dev, ino, mode, size, mtimeNs, ctimeNs } = await lstat(absolute, { bigint: true })
      hash.update(`\0${relative}\0${[dev, ino, mode, size, mtimeNs, ctimeNs].join(' ')}`)
      if ((mode & 0o170000n) !== 0o040000n) continue
      for (const name of (await readdir(absolute)).sort()) {
        const below = relative === '' ? name : `${relative}/${name}`
        if (!ignore(below)) pending.push(below)
      }
    }
  } catch {
    return undefined
  }
  return hash.digest('hex')
}
