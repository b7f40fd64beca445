/**
 * The frames of a transfer, after its opening request and reply: one byte that says what follows, then that.
 *
 *     0 chunk   bytes                       sender → receiver
 *     1 credit  (nothing)                   receiver → sender: one chunk is taken, one more may come
 *     2 end     total size, uint64 BE       sender → receiver: there is no more, and this is what you must have
 *     3 answer  envelope                    the server's last word: the answer to an upload, or a refusal midway
 */
import { CoreError } from '../error.ts'
import type { Frames, IncomingFrame } from './frames.ts'
import type { BulkTerms } from './protocol.ts'
import { takeBytes } from './received-bytes.ts'

/** Lays out in one piece what is left of a frame. */
export type GatherChunk = (chunk: IncomingFrame) => Promise<Uint8Array>

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
 * @returns the frame, its bytes in one piece, or `undefined` when the other side has ended its half
 * @throws {CoreError} `FRAME_INVALID` when it is none
 */
export async function readBulkFrame(
  frames: Frames,
  payloadSizeBytesMax: number,
  signal: AbortSignal,
  gather: GatherChunk = async chunk => takeBytes(await chunk.rest())
): Promise<BulkFrame | undefined> {
  const frame = await frames.open(Math.max(payloadSizeBytesMax + 1, END_SIZE_BYTES), signal)
  if (frame === undefined) return undefined
  const [tag] = (await frame.some(1)).subarray()
  const sizeBytes = frame.leftBytes
  if (tag === CHUNK) return { kind: 'chunk', bytes: await gather(frame) }
  const payload = await frame.rest()
  if (tag === ANSWER) return { kind: 'answer', bytes: payload.subarray() }
  if (tag === CREDIT && sizeBytes === 0) return { kind: 'credit' }
  if (tag === END && sizeBytes === 8) {
    const totalBytes = payload.getBigUint64(0)
    if (totalBytes <= BigInt(Number.MAX_SAFE_INTEGER)) return { kind: 'end', totalBytes: Number(totalBytes) }
  }
  throw new CoreError('FRAME_INVALID', `no frame of a transfer: tag ${tag} and ${sizeBytes} bytes`)
}
