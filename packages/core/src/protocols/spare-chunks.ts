/**
 * Memory for chunks that are gathered, taken and done with, over and over: a new array for each would be collected as
 * often, which takes a busy receiver as long as its decryption.
 *
 * All transfers of a process share what is spare. One that waits for its next chunk holds none of it.
 */
import type { Uint8ArrayList } from 'uint8arraylist'
import { CHUNK_SIZE_BYTES_MAX } from './limits.ts'
import { moveBytes, takeBytes } from './received-bytes.ts'

/** As many as are under way at once on a machine at home; more are made and let go. */
const SPARE_CHUNKS_MAX = 4

const spare: ArrayBuffer[] = []

export interface BorrowedChunks {
  /** The bytes of a list in one piece, in memory that is the caller's until he gives it back. */
  gather(bytes: Uint8ArrayList): Uint8Array
  /** Ends the use of a chunk that was gathered here; one that is not given back is only collected. */
  giveBack(chunk: Uint8Array): void
}

/** @param sizeBytesMax - of a chunk; larger ones, and those of protocols with other sizes, get memory of their own */
export function borrowChunks(sizeBytesMax: number): BorrowedChunks {
  const canBorrow = sizeBytesMax === CHUNK_SIZE_BYTES_MAX
  return {
    gather(bytes) {
      if (!canBorrow || bytes.byteLength > CHUNK_SIZE_BYTES_MAX) return takeBytes(bytes)
      const chunk = new Uint8Array(spare.pop() ?? new ArrayBuffer(CHUNK_SIZE_BYTES_MAX), 0, bytes.byteLength)
      moveBytes(bytes, chunk)
      return chunk
    },
    giveBack({ buffer }) {
      if (
        buffer instanceof ArrayBuffer &&
        buffer.byteLength === CHUNK_SIZE_BYTES_MAX &&
        spare.length < SPARE_CHUNKS_MAX
      )
        spare.push(buffer)
    }
  }
}
