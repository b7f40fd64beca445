import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { machineFileSystem } from '../../src/storage/file-system.ts'
import { KeptFiles } from '../../src/storage/kept-files.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

afterEach(() => void vi.useRealTimers())

/** Counts what is open. */
function openCounted() {
  const count = { opened: 0, open: 0 }
  const kept = new KeptFiles({
    async open(...terms: Parameters<typeof machineFileSystem.open>) {
      const handle = await machineFileSystem.open(...terms)
      count.opened += 1
      count.open += 1
      const close = handle.close.bind(handle)
      handle.close = () => {
        count.open -= 1
        return close()
      }
      return handle
    }
  } as typeof machineFileSystem)
  return { kept, count }
}

async function read(kept: KeptFiles, path: string): Promise<string> {
  using file = await kept.open(path)
  const { buffer, bytesRead } = await file.handle.read(Buffer.alloc(100), 0, 100, 0)
  return buffer.toString('utf8', 0, bytesRead)
}

it('opens a file once for those who read it at once or soon after, and closes it when nobody does', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'file')
  await writeFile(path, 'bytes')
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const { kept, count } = openCounted()
  expect(await Promise.all([read(kept, path), read(kept, path)])).toEqual(['bytes', 'bytes'])
  expect(await read(kept, path)).toBe('bytes')
  expect(count).toEqual({ opened: 1, open: 1 })
  const used = await kept.open(path)
  for (let turn = 0; turn < 5; turn++) await vi.advanceTimersByTimeAsync(500)
  expect(count).toEqual({ opened: 1, open: 1 })
  used[Symbol.dispose]()
  used[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(1000)
  expect(count).toEqual({ opened: 1, open: 0 })
  expect(vi.getTimerCount()).toBe(0)
  expect(await read(kept, path)).toBe('bytes')
  expect(count).toEqual({ opened: 2, open: 1 })
})

it('gives whoever opens a forgotten name what stands there now, and leaves those alone who read the old file', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'file')
  await writeFile(path, 'old')
  const { kept, count } = openCounted()
  const reading = await kept.open(path)
  await writeFile(`${path}.new`, 'new')
  await rename(`${path}.new`, path)
  kept.forget(path)
  expect(await read(kept, path)).toBe('new')
  expect((await reading.handle.read(Buffer.alloc(3), 0, 3, 0)).buffer.toString()).toBe('old')
  reading[Symbol.dispose]()
  await expect.poll(() => count).toEqual({ opened: 2, open: 1 })
  await rm(path)
  kept.forget(path)
  await expect(read(kept, path)).rejects.toMatchObject({ code: 'ENOENT' })
  await expect.poll(() => count.open).toBe(0)
  await writeFile(path, 'again')
  expect(await read(kept, path)).toBe('again')
  kept.forgetAll()
  await expect.poll(() => count.open).toBe(0)
})

it('keeps sixteen open that nobody reads, and any number that somebody does', async () => {
  await using directory = await temporaryDirectory()
  const { kept, count } = openCounted()
  const paths = Array.from({ length: 40 }, (_, index) => join(directory.path, String(index)))
  await Promise.all(paths.map(path => writeFile(path, path)))
  const files = await Promise.all(paths.map(path => kept.open(path)))
  expect(count).toEqual({ opened: 40, open: 40 })
  for (const file of files) file[Symbol.dispose]()
  await expect.poll(() => count.open).toBe(16)
  expect(await read(kept, paths[39]!)).toBe(paths[39])
  expect(count.opened).toBe(40)
  kept.forgetAll()
  await expect.poll(() => count.open).toBe(0)
})
