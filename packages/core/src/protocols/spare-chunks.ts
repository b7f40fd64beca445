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
/** What somebody has: who gives it back twice gives it back once. */
const lent = new WeakSet<ArrayBufferLike>()

/** Lays the bytes of a list out in one piece, in memory that is the caller's until he gives it back; more than a chunk in its own. */
export function borrowChunk(bytes: Uint8ArrayList): Uint8Array {
  if (bytes.byteLength > CHUNK_SIZE_BYTES_MAX) return takeBytes(bytes)
  const chunk = lend().subarray(0, bytes.byteLength)
  moveBytes(bytes, chunk)
  return chunk
}

/** Memory for bytes that come piece by piece: of a whole chunk it can be given back. */
export function borrowMemory(sizeBytes: number): Uint8Array {
  return sizeBytes === CHUNK_SIZE_BYTES_MAX ? lend() : new Uint8Array(sizeBytes)
}

function lend(): Uint8Array {
  const buffer = spare.pop() ?? new ArrayBuffer(CHUNK_SIZE_BYTES_MAX)
  lent.add(buffer)
  return new Uint8Array(buffer)
}

/** The same for who may keep what he has for long: nothing that leaves memory unused. */
export function borrowWholeChunk(bytes: Uint8ArrayList): Uint8Array {
  return bytes.byteLength === CHUNK_SIZE_BYTES_MAX ? borrowChunk(bytes) : takeBytes(bytes)
}

/** Ends the use of a borrowed chunk, and of all that looks at its memory; one that is not given back is only collected. */
export function giveBack({ buffer }: Uint8Array): void {
  if (lent.delete(buffer) && buffer instanceof ArrayBuffer && spare.length < SPARE_CHUNKS_MAX) spare.push(buffer)
}
