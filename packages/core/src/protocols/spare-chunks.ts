/**
 * Memory for chunks that are gathered, taken and done with, over and over: a new array for each would be collected as
 * often, which takes a busy receiver as long as its decryption.
 *
 * All transfers of a process share what is spare. One that waits for its next chunk holds none of it.
 */
import type { GatherChunk } from './bulk-frames.ts'
import { CHUNK_SIZE_BYTES_MAX } from './limits.ts'
import { moveBytes, takeBytes } from './received-bytes.ts'

/** As many as are under way at once on a machine at home; more are made and let go. */
const SPARE_CHUNKS_MAX = 4

const spare: ArrayBuffer[] = []
/** What somebody has: who gives it back twice gives it back once. */
const lent = new WeakSet<ArrayBufferLike>()

/** Memory for a chunk that is the caller's until he gives it back. */
function borrow(sizeBytes: number): Uint8Array {
  const buffer = spare.pop() ?? new ArrayBuffer(CHUNK_SIZE_BYTES_MAX)
  lent.add(buffer)
  return new Uint8Array(buffer, 0, sizeBytes)
}

/** Ends the use of a chunk that was gathered here, and of all that looks at its memory; one that is not given back is collected. */
export function giveBack({ buffer }: Uint8Array): void {
  if (lent.delete(buffer) && buffer instanceof ArrayBuffer && spare.length < SPARE_CHUNKS_MAX) spare.push(buffer)
}

/** Lays chunks out in borrowed memory. @param sizeBytesMax - of a chunk; those of protocols with other sizes get memory of their own */
export function gatherBorrowed(sizeBytesMax: number): GatherChunk {
  const canBorrow = sizeBytesMax === CHUNK_SIZE_BYTES_MAX
  return async chunk => {
    // Held from here on: what has only been promised takes no memory.
    const bytes = await chunk.rest()
    if (!canBorrow || bytes.byteLength > CHUNK_SIZE_BYTES_MAX) return takeBytes(bytes)
    const gathered = borrow(bytes.byteLength)
    moveBytes(bytes, gathered)
    return gathered
  }
}

/**
 * Lays chunks out while they come, whole ones in borrowed memory, for who has asked for them and knows how many there are.
 *
 * @param onBytes - told of each part of a chunk as soon as it is laid out, in their order
 */
export function gatherAsItComes(onBytes: (bytes: Uint8Array) => void): GatherChunk {
  return async chunk => {
    const { leftBytes: sizeBytes } = chunk
    const gathered = sizeBytes === CHUNK_SIZE_BYTES_MAX ? borrow(sizeBytes) : new Uint8Array(sizeBytes)
    for (let offset = 0; offset < sizeBytes; ) {
      const bytes = await chunk.some()
      const part = gathered.subarray(offset, offset + bytes.byteLength)
      moveBytes(bytes, part)
      onBytes(part)
      offset += part.length
    }
    return gathered
  }
}
