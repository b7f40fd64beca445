/**
 * Bytes from the answering side to the asking side, at the pace of the consumer.
 *
 *     client  request  →
 *             ←  reply header                         or a refusal, and that was it
 *             ←  chunk, chunk, chunk                  at most `chunksInFlightMax` that are not acknowledged
 *             credit   →                              when the consumer asks for the next chunk
 *             ←  end { total }                        or an answer with a refusal, when the source fails midway
 *             credit   →                              for the end: the next request may follow on this stream
 */
import type { Libp2p } from '@libp2p/interface'
import { z } from 'zod'
import { CoreError } from '../error.ts'
import { chunksSizeBytesMax, creditsSizeBytesMax, encodeBulkFrame } from './bulk-frames.ts'
import { closeConversation, isWireError, noAnswerFrom } from './conversation.ts'
import { type Deadline, openDeadline } from './deadline.ts'
import { type OpenStream, openStream, type PeerTarget } from './dial-peer.ts'
import { type OpenedConversation, openConversation, type RequestOptions } from './engine.ts'
import type { EnvelopeTerms } from './envelope.ts'
import { answerFrameSizeBytesMax, decodeAnswer, noAnswer, requestFrameSizeBytesMax } from './envelope.ts'
import { keepStream, takeKept } from './kept-streams.ts'
import { LASTING_STREAM_IDLE_MS } from './limits.ts'
import type { Answer, BulkProtocol, BulkTerms, Reply } from './protocol.ts'
import { refusalInside, refuseMidway } from './protocol.ts'
import { openReceiver } from './receive-chunks.ts'
import { takeBytes } from './received-bytes.ts'
import { sendChunks } from './send-chunks.ts'
import {
  answerRequest,
  attempt,
  encodeReplySafely,
  type HandlerContext,
  INTERNAL,
  type ServedConversation,
  type ServeOptions,
  serveStreams
} from './serve-streams.ts'
import { borrowChunk, borrowWholeChunk, giveBack } from './spare-chunks.ts'

export interface Download<Header> {
  readonly header: Header
  /**
   * The bytes, once. Iterate to the end, or leave the loop, which resets the stream; a consumer slower than one chunk in
   * `idleTimeoutMs` is cut off by the server.
   *
   * Throws a `CoreError`: `TRANSFER_CUT` when the bytes stop before their end, `TRANSFER_REFUSED` when the server says
   * so. Does not check that they are the bytes one wanted: hash them.
   */
  readonly chunks: AsyncIterableIterator<Uint8Array>
}

export interface DownloadOptions<Header> extends RequestOptions {
  /**
   * Fills a chunk's memory again, because a GiB is otherwise left behind for each GiB: when the next one is asked for, or that of
   * whole chunks when the consumer has given it back (`giveBack`).
   */
  readonly reusesChunks?: 'with-the-next' | 'when-given-back'
  /**
   * Leaves the stream open for the next download of this kind from this peer, once so many bytes have come: also when their
   * consumer has left by then and does not wait for the end.
   */
  readonly keepsStreamAfter?: (header: Header) => number
}

/** Asks for bytes. The options' signal also ends the transfer that follows the answer. */
export async function download<Request, Response>(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocol: BulkProtocol<Request, Response>,
  message: Request,
  options: DownloadOptions<Response>
): Promise<Answer<Download<Response>>> {
  const unreadSizeBytesMax = 2 * answerFrameSizeBytesMax(protocol) + chunksSizeBytesMax(protocol)
  const keep = (stream: OpenStream) => keepStream(node, peer, protocol.id, stream, options)
  for (;;) {
    const kept = options.keepsStreamAfter !== undefined ? takeKept(node, peer, protocol.id) : undefined
    const open = async (deadline: Deadline) =>
      kept ?? (await openStream(node, peer, protocol.id, unreadSizeBytesMax, deadline))
    const conversation = await openConversation(open, protocol, message, options)
    const answer = 'kind' in conversation ? conversation : await receiveHeader(conversation, protocol, options, keep)
    // The other side may have tired of a stream while the request was on its way.
    const isTired = kept !== undefined && answer.kind === 'no-answer' && answer.code === 'CUT'
    if (!isTired) return answer
  }
}

async function receiveHeader<Request, Response>(
  conversation: OpenedConversation,
  protocol: BulkProtocol<Request, Response>,
  options: DownloadOptions<Response>,
  keep: (stream: OpenStream) => void
): Promise<Answer<Download<Response>>> {
  const { frames, deadline } = conversation
  try {
    const bytes = await frames.read(answerFrameSizeBytesMax(protocol), deadline.signal)
    const answer: Answer<Response> =
      bytes === undefined
        ? noAnswer('CUT', 'the stream ended without an answer')
        : decodeAnswer(protocol.response, options, bytes.subarray())
    if (answer.kind === 'answer') {
      deadline.rest()
      const header = answer.value
      const { keepsStreamAfter, ...rest } = options
      const keeping = keepsStreamAfter && { keep, sizeBytes: keepsStreamAfter(header) }
      return { kind: 'answer', value: { header, chunks: chunksOf(conversation, protocol, rest, keeping) } }
    }
    await closeConversation(conversation)
    deadline.release()
    return answer
  } catch (error) {
    frames.abort(error)
    deadline.release()
    options.signal?.throwIfAborted()
    return noAnswerFrom(error)
  }
}

/** An iterator by hand: a generator that is left before its first step would not run its `finally`. */
function chunksOf(
  conversation: OpenedConversation,
  terms: BulkTerms,
  options: Omit<DownloadOptions<never>, 'keepsStreamAfter'>,
  keeping?: { readonly keep: (stream: OpenStream) => void; readonly sizeBytes: number }
): AsyncIterableIterator<Uint8Array> {
  const { stream, frames, deadline } = conversation
  const isOverwritten = options.reusesChunks === 'with-the-next'
  const receiving = { offset: 0, answerSizeBytesMax: answerFrameSizeBytesMax(terms) }
  const gather = isOverwritten ? borrowChunk : options.reusesChunks === 'when-given-back' ? borrowWholeChunk : takeBytes
  const receiver = openReceiver(conversation, terms, { ...receiving, gather })
  /** The one that the consumer has, for which a credit is owed. */
  let taken: Uint8Array | undefined
  let over = false

  const leave = (reason: unknown) => {
    over = true
    frames.abort(reason)
    deadline.release()
  }

  /** @returns undefined when there is no more, and the stream is closed or somebody else's */
  async function take(): Promise<Uint8Array | undefined> {
    if (taken !== undefined) await receiver.acknowledge()
    const frame = await receiver.next()
    if (frame.kind === 'answer') throw refusedMidway(frame.bytes, options)
    if (frame.kind === 'chunk') {
      taken = frame.bytes
      return taken
    }
    over = true
    if (keeping === undefined) {
      deadline.restart(terms.timeoutMs)
      await closeConversation(conversation)
    } else await receiver.acknowledge()
    deadline.release()
    stream.removeEventListener('close', deadline.release)
    keeping?.keep(conversation)
    return undefined
  }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (over) return { done: true, value: undefined }
      try {
        if (taken !== undefined && isOverwritten) giveBack(taken)
        const value = await take()
        return value === undefined ? { done: true, value } : { done: false, value }
      } catch (error) {
        leave(error)
        options.signal?.throwIfAborted()
        throw isWireError(error)
          ? new CoreError(
              'TRANSFER_CUT',
              `cut after ${receiver.totalBytes} bytes: ${error.message}`,
              {},
              { cause: error }
            )
          : error
      }
    },
    async return() {
      const isWhole = !over && receiver.totalBytes === keeping?.sizeBytes
      // The consumer may still look at his last chunk.
      if (isWhole) {
        over = true
        take().then(more => more && leave(new CoreError('FRAME_INVALID', 'more than was announced')), leave)
      } else if (!over) leave(new CoreError('ABORTED', 'the consumer has left'))
      return { done: true, value: undefined }
    }
  }
}

function refusedMidway(bytes: Uint8Array, terms: EnvelopeTerms): CoreError {
  const answer = decodeAnswer(z.never(), terms, bytes)
  if (answer.kind !== 'refused') return new CoreError('FRAME_INVALID', 'the sender gave an answer that is no refusal')
  return refuseMidway({ ok: false, code: answer.code, message: answer.message, details: answer.details })
}

export interface DownloadSource<Header> {
  readonly header: Header
  /** in chunks of any size; should open what it needs in its first step, because it may never be iterated */
  readonly chunks: AsyncIterable<Uint8Array>
  /** of all chunks, where it is known */
  readonly sizeBytes?: number
  /** told when nothing of the chunks is read any more, however the transfer ended, also when it never began */
  readonly release?: () => void
}

export type OpenDownload<Request, Header> = (
  message: Request,
  context: HandlerContext
) => Promise<Reply<DownloadSource<Header>>>

/** Answers a download protocol until the returned service is disposed, which waits for running downloads to end. */
export async function serveDownload<Request, Response>(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  protocol: BulkProtocol<Request, Response>,
  open: OpenDownload<Request, Response>,
  options: ServeOptions
): Promise<AsyncDisposable> {
  const unreadSizeBytesMax = requestFrameSizeBytesMax(protocol) + creditsSizeBytesMax()

  /** @returns whether the stream can carry another one */
  async function answer(served: ServedConversation, message: Reply<Request>): Promise<boolean> {
    const { frames, deadline, context, failed } = served
    // A stream that lasts must not gather what listens to its signal.
    const own = openDeadline({ signal: deadline.signal })
    const opened = message.ok
      ? await attempt(() => open(message.value, { ...context, signal: own.signal }), deadline, failed)
      : message
    const reply: Reply<Response> = opened.ok ? { ok: true, value: opened.value.header } : opened
    try {
      await frames.write([encodeReplySafely(protocol, protocol.response, options, reply, failed)], deadline.signal)
      return !opened.ok || (await drainSource(served, protocol, opened.value, options))
    } finally {
      if (opened.ok) opened.value.release?.()
      own.release()
    }
  }

  return await serveStreams(node, protocol, unreadSizeBytesMax, options, async served => {
    const { frames, deadline } = served
    for (;;) {
      const bytes = await frames.read(requestFrameSizeBytesMax(protocol), deadline.signal)
      if (bytes === undefined) return
      deadline.restart(protocol.timeoutMs)
      const goesOn = await answerRequest(served, protocol, options, bytes.subarray(), message =>
        answer(served, message)
      )
      if (!goesOn) return
      deadline.restart(LASTING_STREAM_IDLE_MS)
    }
  })
}

/**
 * Sends a source to its end, and says whether that was reached. One that throws `refuseMidway` ends the transfer with that refusal; anything else that it
 * throws is our bug or our disk, and the client hears `INTERNAL`.
 */
async function drainSource(
  served: ServedConversation,
  terms: BulkTerms,
  { chunks, sizeBytes }: Pick<DownloadSource<unknown>, 'chunks' | 'sizeBytes'>,
  options: ServeOptions
): Promise<boolean> {
  const { frames, deadline, failed } = served
  try {
    await sendChunks(served, { terms, chunks, sizeBytes, offset: 0, answerSizeBytesMax: 0 })
    return true
  } catch (error) {
    if (deadline.signal.aborted || isWireError(error)) throw error
    const refusal = refusalInside(error)
    if (refusal === undefined) failed(error)
    deadline.restart(terms.timeoutMs)
    const bytes = encodeReplySafely(terms, z.never(), options, refusal ?? INTERNAL, failed)
    await frames.write(encodeBulkFrame({ kind: 'answer', bytes }), deadline.signal)
    return false
  }
}
