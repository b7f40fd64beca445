/**
 * The sending end of a transfer, the same for a client that uploads and a server that is downloaded from.
 *
 * Sends while it has credit and listens at the same time, because the other side may refuse at any moment. Never more
 * than `chunksInFlightMax` chunks are on the way; the source is not asked for a chunk before it is needed, but for one
 * once the receiver has taken something.
 */
import { pipe } from 'it-pipe'
import { CoreError } from '../error.ts'
import { encodeBulkFrame, readBulkFrame } from './bulk-frames.ts'
import { type Conversation, isWireError } from './conversation.ts'
import { untilAborted } from './deadline.ts'
import { CHUNKS_IN_FLIGHT_MAX } from './limits.ts'
import type { BulkTerms } from './protocol.ts'
import { rechunk } from './rechunk.ts'

/**
 * What may go with the first chunk before anything is taken, if it is all that follows: the nodes above a leaf that fills
 * a chunk. A reader of a range loses a round trip otherwise, and who takes nothing holds little more.
 */
const TAIL_SIZE_BYTES_MAX = 128 * 1024

/** Whose memory a source of chunks leaves alone: those that are not acknowledged, and the one that waits for a credit. */
export const SENT_CHUNKS_KEPT = CHUNKS_IN_FLIGHT_MAX + 1

export interface Sending {
  readonly terms: BulkTerms
  readonly chunks: AsyncIterable<Uint8Array>
  /** where in the whole the first chunk lies */
  readonly offset: number
  /** of all chunks, where it is known before they are read */
  readonly sizeBytes?: number | undefined
  /** of an answer the receiver may give, 0 when it has none to give */
  readonly answerSizeBytesMax: number
  /** called with the size that the receiver has taken so far, `offset` included */
  readonly onAcknowledged?: (sizeBytes: number) => void
}

/**
 * Sends all chunks and the end, and waits for the receiver's last word.
 *
 * @returns the answer's envelope, which may come before all is sent, or `undefined` when the receiver has taken
 * everything and ended its half; one that has no answer to give may take the end with a credit instead
 * @throws what the source throws; {CoreError} of the wire
 */
export async function sendChunks(conversation: Conversation, sending: Sending): Promise<Uint8Array | undefined> {
  const { frames, deadline } = conversation
  const { terms, onAcknowledged } = sending
  const isShort = sending.sizeBytes !== undefined && sending.sizeBytes <= terms.chunkSizeBytesMax + TAIL_SIZE_BYTES_MAX
  const credit = openCredit(terms.chunksInFlightMax, isShort ? 2 : 1)
  const over = new AbortController()
  let sentBytes = sending.offset
  let acknowledgedBytes = sending.offset
  let complete = false

  /** The receiver has time only while it owes something: a credit, or its last word. */
  const keepTime = () => {
    if (credit.inFlight > 0) deadline.restart(terms.idleTimeoutMs)
    else if (complete) deadline.restart(terms.timeoutMs)
    else deadline.rest()
  }

  async function listen(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = await readBulkFrame(frames, sending.answerSizeBytesMax, over.signal)
      if (frame?.kind === 'answer') return frame.bytes
      if (frame === undefined) {
        if (complete) return undefined
        throw new CoreError('STREAM_CUT', `the receiver ended after taking ${acknowledgedBytes} bytes`)
      }
      // It has taken the end as well, and what follows is another request.
      if (frame.kind === 'credit' && complete && credit.inFlight === 0 && sending.answerSizeBytesMax === 0)
        return undefined
      if (frame.kind !== 'credit' || credit.inFlight === 0) {
        throw new CoreError('FRAME_INVALID', `the receiver sent a ${frame.kind} that nothing asked for`)
      }
      credit.give()
      acknowledgedBytes = Math.min(acknowledgedBytes + terms.chunkSizeBytesMax, sentBytes)
      keepTime()
      onAcknowledged?.(acknowledgedBytes)
    }
  }

  async function finish(signal: AbortSignal): Promise<void> {
    complete = true
    keepTime()
    await frames.write(encodeBulkFrame({ kind: 'end', totalBytes: sentBytes }), signal)
  }

  async function send(signal: AbortSignal): Promise<void> {
    const chunks = pipe(sending.chunks, rechunk(terms.chunkSizeBytesMax, sending.sizeBytes))
    for await (const bytes of interruptible(chunks, signal)) {
      await untilAborted(credit.take(), signal)
      sentBytes += bytes.length
      keepTime()
      await frames.write(encodeBulkFrame({ kind: 'chunk', bytes }), signal)
      // The receiver need not wait until the source has closed what it has opened.
      if (sentBytes - sending.offset === sending.sizeBytes) return await finish(signal)
      // A short chunk is the last, and the end need not wait.
      if (bytes.length === terms.chunkSizeBytesMax && !isShort) await untilAborted(credit.begun, signal)
    }
    signal.throwIfAborted()
    await finish(signal)
  }

  deadline.rest()
  const listening = listen()
  const stop = () => over.abort()
  listening.then(stop, stop)
  try {
    await send(over.signal)
  } catch (error) {
    // When the receiver has spoken or the wire fails, the listener knows more: a last word may lie unread.
    if (!over.signal.aborted && !isWireError(error)) {
      over.abort()
      await listening.catch(() => {})
      throw error
    }
  }
  try {
    return await listening
  } catch (error) {
    deadline.signal.throwIfAborted()
    throw error
  }
}

/**
 * Counts the chunks that may still be sent. One taker at a time.
 *
 * Begins with one (of a short transfer, with both) and has one more for each that is taken: who opens many transfers and takes nothing holds one chunk of
 * each, and an honest transfer loses a round trip.
 */
function openCredit(chunksInFlightMax: number, allowedFirst: number) {
  let allowed = allowedFirst
  let inFlight = 0
  let wake = () => {}
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  return {
    /** Resolves with the first credit: nothing is read ahead for who has taken nothing yet. */
    begun,
    get inFlight() {
      return inFlight
    },
    async take(): Promise<void> {
      if (inFlight >= allowed) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      inFlight++
    },
    give(): void {
      inFlight--
      allowed = Math.min(allowed + 1, chunksInFlightMax)
      begin()
      wake()
    }
  }
}

/**
 * Iterates until the signal aborts, also while the source is slow to yield.
 *
 * The source is always returned; waiting for that is only possible when it is not itself waiting for something.
 */
async function* interruptible(source: AsyncGenerator<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let pulling = false
  try {
    for (;;) {
      signal.throwIfAborted()
      pulling = true
      const next = await untilAborted(source.next(), signal)
      pulling = false
      if (next.done) return
      yield next.value
    }
  } finally {
    const returned = source.return(undefined)
    if (pulling) returned.catch(() => {})
    else await returned
  }
}
