/**
 * The frames of a transfer, after its opening request and reply: one byte that says what follows, then that.
 *
 *     0 chunk   bytes                       sender → receiver
 *     1 credit  (nothing)                   receiver → sender: one chunk is taken, one more may come
 *     2 end     total size, uint64 BE       sender → receiver: there is no more, and this is what you must have
 *     3 answer  envelope                    the server's last word: the answer to an upload, or a refusal midway
 */
import type { Uint8ArrayList } from 'uint8arraylist'
import { CoreError } from '../error.ts'
import type { Frames } from './frames.ts'
import type { BulkTerms } from './protocol.ts'
import { takeBytes } from './received-bytes.ts'

export type BulkFrame =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'credit' }
  | { readonly kind: 'end'; readonly totalBytes: number }
  | { readonly kind: 'answer'; readonly bytes: Uint8Array }

const CHUNK = 0
const CREDIT = 1
const END = 2
const ANSWER = 3

const END_SIZE_BYTES = 9

/** Room for prefixes, tags, credits and the end of a transfer beside its chunks. */
const CONTROL_SIZE_BYTES_MAX = 256

/** What can wait unread on the side that receives chunks, opening message not included. */
export function chunksSizeBytesMax(terms: BulkTerms): number {
  return terms.chunkSizeBytesMax * terms.chunksInFlightMax + CONTROL_SIZE_BYTES_MAX
}

/** What can wait unread on the side that sends them, messages not included. */
export function creditsSizeBytesMax(): number {
  return CONTROL_SIZE_BYTES_MAX
}

export function encodeBulkFrame(frame: BulkFrame): Uint8Array[] {
  if (frame.kind === 'credit') return [Uint8Array.of(CREDIT)]
  if (frame.kind === 'chunk') return [Uint8Array.of(CHUNK), frame.bytes]
  if (frame.kind === 'answer') return [Uint8Array.of(ANSWER), frame.bytes]
  const bytes = new Uint8Array(END_SIZE_BYTES)
  bytes[0] = END
  new DataView(bytes.buffer).setBigUint64(1, BigInt(frame.totalBytes))
  return [bytes]
}

/**
 * Reads one frame of a transfer.
 *
 * @param payloadSizeBytesMax - the larger of what chunks and answers may have
 * @param gather - lays out a chunk's bytes in one piece
 * @returns the frame, its bytes in one piece, or `undefined` when the other side has ended its half
 * @throws {CoreError} `FRAME_INVALID` when it is none
 */
export async function readBulkFrame(
  frames: Frames,
  payloadSizeBytesMax: number,
  signal: AbortSignal,
  gather: (bytes: Uint8ArrayList) => Uint8Array = takeBytes
): Promise<BulkFrame | undefined> {
  const frame = await frames.read(Math.max(payloadSizeBytesMax + 1, END_SIZE_BYTES), signal)
  if (frame === undefined) return undefined
  const tag = frame.byteLength > 0 ? frame.get(0) : undefined
  if (tag === CHUNK) return { kind: 'chunk', bytes: gather(frame.sublist(1)) }
  if (tag === ANSWER) return { kind: 'answer', bytes: frame.subarray(1) }
  if (tag === CREDIT && frame.byteLength === 1) return { kind: 'credit' }
  if (tag === END && frame.byteLength === END_SIZE_BYTES) {
    const totalBytes = frame.getBigUint64(1)
    if (totalBytes <= BigInt(Number.MAX_SAFE_INTEGER)) return { kind: 'end', totalBytes: Number(totalBytes) }
  }
  throw new CoreError('FRAME_INVALID', `no frame of a transfer: tag ${tag}, ${frame.byteLength} bytes`)
}
