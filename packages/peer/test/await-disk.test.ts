import { readdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { awaitDisk, DISK_RETRY_MS } from '../src/await-disk.ts'
import { failingFileSystem, systemError } from './failing-file-system.ts'
import { temporaryDirectory } from './temporary-directory.ts'

it('a disk is waited for until it takes and syncs bytes again, and nothing is left on it', async () => {
  await using directory = await temporaryDirectory()
  // The close that fails is that of the try whose sync fails.
  const failures = ['open', 'writeFile', 'datasync', 'close']
  const files = failingFileSystem(({ operation }) => {
    if (operation !== failures[0]) return undefined
    failures.shift()
    return systemError('ENOSPC')
  })
  const slept: number[] = []
  const clock = { sleep: async (ms: number) => void slept.push(ms) }
  await awaitDisk(directory.path, new AbortController().signal, clock, files)
  expect(slept).toEqual(Array(4).fill(DISK_RETRY_MS))
  expect(await readdir(directory.path)).toEqual([])
})

it('a disk is not waited for by who stops', async () => {
  await expect(awaitDisk('/nonexistent', AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})
