/**
 * The receiving end of a transfer, the same for a server that is uploaded to and a client that downloads.
 *
 * Checks what only the receiver can: chunks no larger than agreed and full but for the last, so that nobody holds a
 * stream with drops, and an explicit end with the right total, because a killed sender looks like a clean end.
 */
import type { Uint8ArrayList } from 'uint8arraylist'
import { CoreError } from '../error.ts'
import type { BulkFrame } from './bulk-frames.ts'
import { encodeBulkFrame, readBulkFrame } from './bulk-frames.ts'
import type { Conversation } from './conversation.ts'
import type { BulkTerms } from './protocol.ts'

export interface Receiver {
  /** received so far, the offset included */
  readonly totalBytes: number
  /** The next chunk, the checked end, or the sender's last word. The sender has `idleTimeoutMs` for it. */
  next(): Promise<Exclude<BulkFrame, { kind: 'credit' }>>
  /** Says that the last chunk is taken and one more may come. */
  acknowledge(): Promise<void>
}

export interface Receiving {
  /** Where in the whole the first chunk lies. */
  readonly offset: number
  /** Of an answer the sender may give midway, 0 when it has none to give. */
  readonly answerSizeBytesMax: number
  /** Lays out a chunk in one piece; default in memory of its own. */
  readonly gather?: (bytes: Uint8ArrayList) => Uint8Array
}

export function openReceiver(
  { frames, deadline }: Conversation,
  terms: BulkTerms,
  { offset, answerSizeBytesMax, gather }: Receiving
): Receiver {
  const payloadSizeBytesMax = Math.max(terms.chunkSizeBytesMax, answerSizeBytesMax)
  let totalBytes = offset
  let lastSeen = false

  function check(frame: BulkFrame | undefined): asserts frame is Exclude<BulkFrame, { kind: 'credit' }> {
    if (frame === undefined)
      throw new CoreError('STREAM_CUT', `the sender ended without saying so at ${totalBytes} bytes`)
    if (frame.kind === 'credit') throw invalid('credit from a sender')
    if (frame.kind === 'end' && frame.totalBytes !== totalBytes) {
      throw invalid(`an end at ${frame.totalBytes} bytes, received ${totalBytes}`)
    }
    if (frame.kind !== 'chunk') return
    const sizeBytes = frame.bytes.length
    if (sizeBytes === 0 || sizeBytes > terms.chunkSizeBytesMax) throw invalid(`a chunk of ${sizeBytes} bytes`)
    if (lastSeen) throw invalid('a chunk after a short one')
    lastSeen = sizeBytes < terms.chunkSizeBytesMax
    totalBytes += sizeBytes
  }

  return {
    get totalBytes() {
      return totalBytes
    },
    async next() {
      deadline.restart(terms.idleTimeoutMs)
      const frame = await readBulkFrame(frames, payloadSizeBytesMax, deadline.signal, gather)
      deadline.rest()
      check(frame)
      return frame
    },
    async acknowledge() {
      deadline.restart(terms.idleTimeoutMs)
      await frames.write(encodeBulkFrame({ kind: 'credit' }), deadline.signal)
      deadline.rest()
    }
  }
}

function invalid(what: string): CoreError {
  return new CoreError('FRAME_INVALID', `${what} is no part of a transfer`)
}
