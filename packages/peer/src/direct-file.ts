/**
 * Files past the page cache: bytes that are written once and go out once, to a disk or over a network.
 *
 * The kernel's copy of a GiB, and the memory it must find for it, take as long as everything that is done with the bytes
 * here; and it would push out of memory what the rest of a donor's machine works with. The disk's own controller reads
 * and writes `pageAlignedBytes` instead. Where a platform, a file system or a buffer does not allow that, and for what is
 * no whole number of blocks, the same calls go through the page cache; both see the same file.
 */
import { constants } from 'node:fs'
import { systemCodeOf } from './error.ts'
import type { FileSystem } from './storage/file-system.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/** What places, lengths and addresses are multiples of: the largest block that a disk of today asks for. */
const BLOCK_SIZE_BYTES = 4096

const PAGE_OF_WEBASSEMBLY_SIZE_BYTES = 65_536

/** Calls do not overlap for one place of the file; `write` and `read` may for different ones. */
export interface DirectFile extends AsyncDisposable {
  /** For all else: syncs, truncation. */
  readonly handle: FileHandle
  /** Writes all of `bytes` at a place of the file; not durable before a sync. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Fills `bytes` from a place of the file. @returns how many it had; fewer only at its end */
  read(bytes: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

/**
 * Opens a file, as `open` does.
 *
 * @throws what `files.open` throws
 */
export async function openDirectFile(
  files: Pick<FileSystem, 'open'>,
  path: string,
  flags: 'r' | 'r+' | 'wx',
  mode?: number
): Promise<DirectFile> {
  const handle = await files.open(path, flags, mode)
  let direct = await openPastCache(files, path, flags)

  /** What a call may do past the cache; the rest goes through it. */
  function directSizeOf(bytes: Uint8Array, position: number): number {
    if (direct === undefined || position % BLOCK_SIZE_BYTES !== 0) return 0
    return bytes.length - (bytes.length % BLOCK_SIZE_BYTES)
  }

  /** @returns bytes moved; 0 where the kernel does not take this buffer, which ends the attempts */
  async function pastCache(move: (file: FileHandle) => Promise<number>): Promise<number> {
    try {
      return await move(direct!)
    } catch (error) {
      if (systemCodeOf(error) !== 'EINVAL') throw error
      const refused = direct
      direct = undefined
      await refused?.close()
      return 0
    }
  }

  async function close(): Promise<void> {
    const open = direct
    direct = undefined
    await Promise.all([open?.close(), handle.close()])
  }

  return {
    handle,
    async write(bytes, position) {
      for (let done = 0; done < bytes.length; ) {
        const size = directSizeOf(bytes.subarray(done), position + done)
        const write = async (file: FileHandle, length: number) =>
          (await file.write(bytes, done, length, position + done)).bytesWritten
        if (size > 0) done += await pastCache(file => write(file, size))
        else done += await write(handle, bytes.length - done)
      }
    },
    async read(bytes, position) {
      for (let done = 0; done < bytes.length; ) {
        const size = directSizeOf(bytes.subarray(done), position + done)
        const read = async (file: FileHandle, length: number) =>
          (await file.read(bytes, done, length, position + done)).bytesRead
        const came = size > 0 ? await pastCache(file => read(file, size)) : await read(handle, bytes.length - done)
        if (came === 0 && (size === 0 || direct !== undefined)) return done
        done += came
      }
      return bytes.length
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** A second handle of a file that is open; undefined where there is no such thing. */
async function openPastCache(
  files: Pick<FileSystem, 'open'>,
  path: string,
  flags: 'r' | 'r+' | 'wx'
): Promise<FileHandle | undefined> {
  // Node names the flag on the systems that have it.
  const direct: number | undefined = constants.O_DIRECT
  if (direct === undefined) return undefined
  try {
    return await files.open(path, (flags === 'r' ? constants.O_RDONLY : constants.O_RDWR) | direct)
  } catch {
    return undefined // what else is wrong with the file shows at the first handle
  }
}

/**
 * Memory that a disk may read and write by itself, because it begins at a page: a WebAssembly memory always does, and
 * nothing else of JavaScript says where it lies. Shared between threads where `isShared`. Where there is none to be had,
 * ordinary memory.
 */
export function pageAlignedBytes(sizeBytes: number, isShared: true): Uint8Array<SharedArrayBuffer>
export function pageAlignedBytes(sizeBytes: number): Uint8Array<ArrayBuffer>
export function pageAlignedBytes(sizeBytes: number, isShared = false): Uint8Array<ArrayBufferLike> {
  const pages = Math.ceil(sizeBytes / PAGE_OF_WEBASSEMBLY_SIZE_BYTES)
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: isShared })
    return new Uint8Array(memory.buffer, 0, sizeBytes)
  } catch {
    return new Uint8Array(isShared ? new SharedArrayBuffer(sizeBytes) : new ArrayBuffer(sizeBytes))
  }
}
