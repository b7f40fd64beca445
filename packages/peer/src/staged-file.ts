/** A file in which one piece waits until every replica of it stands. */
import { rm } from 'node:fs/promises'
import { type PieceSink, SENT_CHUNKS_KEPT } from '@holdfast/core'
import { openDirectFile, pageAlignedBytes } from './direct-file.ts'
import { PeerError, systemCodeOf } from './error.ts'
import { machineFileSystem } from './storage/file-system.ts'

/** Pieces are written in such chunks, and read again: one of the wire. */
const CHUNK_SIZE_BYTES = 1024 * 1024

/** Writes on their way to the disk, so that reading, hashing and encrypting go on beside it. */
const WRITES_IN_FLIGHT_MAX = 3

/** Chunks that pieces were written from, for those that follow: an object of many pieces would leave as many behind. */
const spare: ArrayBuffer[] = []
const lent = new WeakSet<ArrayBufferLike>()
const SPARE_CHUNKS_MAX = WRITES_IN_FLIGHT_MAX + 1

function lendChunk(sizeBytes: number): Uint8Array {
  const chunk = sizeBytes === CHUNK_SIZE_BYTES ? spare.pop() : undefined
  const bytes = chunk === undefined ? pageAlignedBytes(sizeBytes) : new Uint8Array(chunk)
  lent.add(bytes.buffer)
  return bytes
}

function takeBack({ buffer }: Uint8Array): void {
  const isOurs = buffer instanceof ArrayBuffer && lent.delete(buffer)
  if (isOurs && buffer.byteLength === CHUNK_SIZE_BYTES && spare.length < SPARE_CHUNKS_MAX) spare.push(buffer)
}

/**
 * Creates the file and takes the piece's bytes. What the disk refuses is thrown by the next `write` or by `close`.
 *
 * @throws {PeerError} `STAGING_FAILED`
 */
export async function openStagedFile(path: string): Promise<PieceSink> {
  const file = await openDirectFile(machineFileSystem, path, 'wx', 0o600).catch((cause: unknown) => {
    throw stagingFailed(path, cause)
  })
  const writing = new Set<Promise<void>>()
  let failure: PeerError | undefined
  let position = 0

  async function end(): Promise<void> {
    await Promise.all(writing)
    await file.close()
  }

  return {
    async write(bytes) {
      while (writing.size >= WRITES_IN_FLIGHT_MAX) await Promise.race(writing)
      if (failure !== undefined) throw failure
      const write = file
        .write(bytes, position)
        .catch((cause: unknown) => {
          failure ??= stagingFailed(path, cause)
        })
        .finally(() => {
          writing.delete(write)
          takeBack(bytes)
        })
      writing.add(write)
      position += bytes.length
    },
    async close() {
      await end()
      if (failure !== undefined) throw failure
    },
    async discard() {
      await end()
      await rm(path, { force: true })
    },
    lend: lendChunk
  }
}

/**
 * The bytes of a staged piece from an offset on, in chunks of at most 1 MiB that are the caller's for as long as `Staging`
 * says: to collect a GiB of chunks took more time than to send them. One is read ahead.
 */
export async function* readStagedFile(path: string, offset: number): AsyncGenerator<Uint8Array> {
  await using file = await openDirectFile(machineFileSystem, path, 'r')
  const yielded: Uint8Array[] = []
  const read = async (position: number) => {
    const chunk = yielded.length === SENT_CHUNKS_KEPT ? yielded.shift()! : pageAlignedBytes(CHUNK_SIZE_BYTES)
    return { chunk, sizeBytes: await file.read(chunk, position) }
  }
  let position = offset - (offset % CHUNK_SIZE_BYTES)
  for (let next = read(position); ; ) {
    next.catch(() => undefined) // who comes for it hears of it; who has left does not want to
    const { chunk, sizeBytes } = await next
    const skipped = Math.max(0, offset - position)
    position += sizeBytes
    const isLast = sizeBytes < CHUNK_SIZE_BYTES
    if (!isLast) next = read(position)
    yielded.push(chunk)
    if (sizeBytes > skipped) yield chunk.subarray(skipped, sizeBytes)
    if (isLast) return
  }
}

/** Says what to do when the place where pieces wait is full or not writable. */
export function stagingFailed(path: string, cause: unknown): PeerError {
  const code = systemCodeOf(cause)
  const what = code === 'ENOSPC' ? `The disk of ${path} is full` : `${path} cannot be written (${code})`
  return new PeerError(
    'STAGING_FAILED',
    `${what}: pieces wait there while they are stored; name a state directory (--state) on a disk with room for the whole object.`,
    { path },
    { cause }
  )
}
