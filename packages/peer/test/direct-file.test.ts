import { constants } from 'node:fs'
import { type FileHandle, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openDirectFile, pageAlignedBytes } from '../src/direct-file.ts'
import { type FileSystem, machineFileSystem } from '../src/storage/file-system.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const temporary = await temporaryDirectory()
afterAll(() => temporary[Symbol.asyncDispose]())
const direct: number | undefined = constants.O_DIRECT
let lastFile = 0

function newPath(): string {
  lastFile += 1
  return join(temporary.path, `${lastFile}`)
}

/** A disk that counts what goes past its cache, and may refuse it. */
function watchedDisk(refusal?: { readonly code: string; readonly at: 'open' | 'move' }) {
  const seen = { direct: 0, cached: 0, openHandles: 0 }
  const files: Pick<FileSystem, 'open'> = {
    async open(path, flags, mode) {
      const isDirect = typeof flags === 'number' && direct !== undefined && (flags & direct) !== 0
      if (isDirect && refusal?.at === 'open') throw Object.assign(new Error('no'), { code: refusal.code })
      const handle = await machineFileSystem.open(path, flags, mode)
      seen.openHandles += 1
      const refuse = () => {
        if (isDirect && refusal?.at === 'move') throw Object.assign(new Error('no'), { code: refusal.code })
      }
      return new Proxy(handle, {
        get(target, name) {
          if (name === 'close') {
            return async () => {
              seen.openHandles -= 1
              await target.close()
            }
          }
          if (name !== 'write' && name !== 'read') return Reflect.get(target, name)
          return async (bytes: Uint8Array, offset: number, length: number, position: number) => {
            refuse()
            seen[isDirect ? 'direct' : 'cached'] += length
            return target[name as 'write'](bytes, offset, length, position)
          }
        }
      }) as FileHandle
    }
  }
  return { files, seen }
}

const MIB = 1024 * 1024
const whole = pageAlignedBytes(MIB).map((_, i) => (i * 31) % 251)

/** Page-aligned memory with the first bytes of `whole`. */
function aligned(sizeBytes: number): Uint8Array {
  const bytes = pageAlignedBytes(Math.max(sizeBytes, 1)).subarray(0, sizeBytes)
  bytes.set(whole.subarray(0, sizeBytes))
  return bytes
}

describe.each([
  ['as the machine does', undefined],
  ['where opening past the cache is refused', { code: 'EINVAL', at: 'open' }],
  ['where the buffer is refused', { code: 'EINVAL', at: 'move' }]
] as const)('a file past the page cache, %s', (_, refusal) => {
  it('holds what was written in steps of any size, and reads it from any place', async () => {
    const steps = fc.array(fc.oneof(fc.constant(4096), fc.constant(65_536), fc.integer({ min: 1, max: 20_000 })), {
      minLength: 1,
      maxLength: 8
    })
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(70_000), async (sizes, from) => {
        const { files, seen } = watchedDisk(refusal)
        const path = newPath()
        let position = 0
        {
          await using file = await openDirectFile(files, path, 'wx', 0o600)
          for (const size of sizes) {
            await file.write(aligned(size), position)
            position += size
          }
        }
        const expected = Buffer.concat(sizes.map(size => whole.subarray(0, size)))
        expect((await readFile(path)).equals(expected)).toBe(true)
        await using file = await openDirectFile(files, path, 'r')
        const into = pageAlignedBytes(2 * MIB)
        const sizeBytes = await file.read(into, from)
        expect(Buffer.from(into.subarray(0, sizeBytes)).equals(expected.subarray(from))).toBe(true)
        await file.close()
        expect(seen.openHandles).toBe(0)
      }),
      { numRuns: 40 }
    )
  })
})

it.runIf(direct !== undefined)('leaves the cache alone but for what is no whole block', async () => {
  const { files, seen } = watchedDisk()
  await using file = await openDirectFile(files, newPath(), 'wx')
  await file.write(aligned(MIB), 0)
  await file.write(aligned(8192 + 5), MIB)
  expect(seen).toMatchObject({ direct: MIB + 8192, cached: 5 })
})

it('takes memory that lies anywhere', async () => {
  const path = newPath()
  await using file = await openDirectFile(machineFileSystem, path, 'wx')
  await file.write(aligned(20_001).subarray(1), 0)
  expect((await readFile(path)).equals(Buffer.from(whole.subarray(1, 20_001)))).toBe(true)
})

it.runIf(direct !== undefined)('says of any other failure what the disk said', async () => {
  const { files } = watchedDisk({ code: 'ENOSPC', at: 'move' })
  await using file = await openDirectFile(files, newPath(), 'wx')
  await expect(file.write(aligned(4096), 0)).rejects.toMatchObject({ code: 'ENOSPC' })
})

it('reads what others write to the same file meanwhile', async () => {
  const path = newPath()
  await writeFile(path, whole)
  await using file = await openDirectFile(machineFileSystem, path, 'r')
  const into = pageAlignedBytes(MIB)
  await file.read(into, 0)
  const other = Buffer.from(whole)
  other[500_000]! ^= 1
  await writeFile(path, other)
  await file.read(into, 0)
  expect(Buffer.compare(into, other)).toBe(0)
})
