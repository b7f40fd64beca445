/**
 * Bytes from the answering side to the asking side, at the pace of the consumer.
 *
 *     client  request  →
 *             ←  reply header                         or a refusal, and that was it
 *             ←  chunk, chunk, chunk                  at most `chunksInFlightMax` that are not acknowledged
 *             credit   →                              when the consumer asks for the next chunk
 *             ←  end { total }                        or an answer with a refusal, when the source fails midway
 */
import type { Libp2p } from '@libp2p/interface'
import { z } from 'zod'
import { CoreError } from '../error.ts'
import { chunksSizeBytesMax, creditsSizeBytesMax, encodeBulkFrame } from './bulk-frames.ts'
import type {
  Conversation,
  HandlerContext,
  PeerTarget,
  RequestOptions,
  ServedConversation,
  ServeOptions
} from './engine.ts'
import {
  attempt,
  closeConversation,
  encodeReplySafely,
  INTERNAL,
  isWireError,
  noAnswerFrom,
  openConversation,
  receiveRequest,
  serveStreams
} from './engine.ts'
import type { EnvelopeTerms } from './envelope.ts'
import { answerFrameSizeBytesMax, decodeAnswer, noAnswer, requestFrameSizeBytesMax } from './envelope.ts'
import type { Answer, BulkProtocol, BulkTerms, Reply } from './protocol.ts'
import { refusalInside, refuseMidway } from './protocol.ts'
import { openReceiver } from './receive-chunks.ts'
import { sendChunks } from './send-chunks.ts'
import { borrowChunks } from './spare-chunks.ts'

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

export interface DownloadOptions extends RequestOptions {
  /** Fills a chunk's memory again when the next one is asked for; a GiB is otherwise left behind for each GiB. */
  readonly reusesChunks?: boolean
}

/** Asks for bytes. The options' signal also ends the transfer that follows the answer. */
export async function download<Request, Response>(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocol: BulkProtocol<Request, Response>,
  message: Request,
  options: DownloadOptions
): Promise<Answer<Download<Response>>> {
  const answerSizeBytesMax = answerFrameSizeBytesMax(protocol)
  const unreadSizeBytesMax = 2 * answerSizeBytesMax + chunksSizeBytesMax(protocol)
  const conversation = await openConversation(node, peer, protocol, message, unreadSizeBytesMax, options)
  if ('kind' in conversation) return conversation
  const { frames, deadline } = conversation
  try {
    const bytes = await frames.read(answerSizeBytesMax, deadline.signal)
    const answer: Answer<Response> =
      bytes === undefined
        ? noAnswer('CUT', 'the stream ended without an answer')
        : decodeAnswer(protocol.response, options, bytes.subarray())
    if (answer.kind === 'answer') {
      deadline.rest()
      return { kind: 'answer', value: { header: answer.value, chunks: chunksOf(conversation, protocol, options) } }
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
  conversation: Conversation,
  terms: BulkTerms,
  options: DownloadOptions
): AsyncIterableIterator<Uint8Array> {
  const { frames, deadline } = conversation
  const memory = options.reusesChunks === true ? borrowChunks(terms.chunkSizeBytesMax) : undefined
  const receiving = { offset: 0, answerSizeBytesMax: answerFrameSizeBytesMax(terms) }
  const receiver = openReceiver(conversation, terms, { ...receiving, ...(memory && { gather: memory.gather }) })
  /** The one that the consumer has, for which a credit is owed. */
  let taken: Uint8Array | undefined
  let over = false

  const leave = (reason: unknown) => {
    over = true
    frames.abort(reason)
    deadline.release()
  }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (over) return { done: true, value: undefined }
      try {
        if (taken !== undefined) {
          memory?.giveBack(taken)
          await receiver.acknowledge()
        }
        const frame = await receiver.next()
        if (frame.kind === 'chunk') {
          taken = frame.bytes
          return { done: false, value: frame.bytes }
        }
        if (frame.kind === 'answer') throw refusedMidway(frame.bytes, options)
        over = true
        deadline.restart(terms.timeoutMs)
        await closeConversation(conversation)
        deadline.release()
        return { done: true, value: undefined }
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
      if (!over) leave(new CoreError('ABORTED', 'the consumer has left'))
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
  return await serveStreams(node, protocol, unreadSizeBytesMax, options, async served => {
    const { frames, deadline, context, failed } = served
    const message = await receiveRequest(served, protocol, options)
    if (message === undefined) return
    const opened = message.ok ? await attempt(() => open(message.value, context), deadline, failed) : message
    const reply: Reply<Response> = opened.ok ? { ok: true, value: opened.value.header } : opened
    try {
      await frames.write([encodeReplySafely(protocol, protocol.response, options, reply, failed)], deadline.signal)
      if (opened.ok) await drainSource(served, protocol, opened.value, options)
    } finally {
      if (opened.ok) opened.value.release?.()
    }
  })
}

/**
 * Sends a source to its end. One that throws `refuseMidway` ends the transfer with that refusal; anything else that it
 * throws is our bug or our disk, and the client hears `INTERNAL`.
 */
async function drainSource(
  served: ServedConversation,
  terms: BulkTerms,
  { chunks, sizeBytes }: Pick<DownloadSource<unknown>, 'chunks' | 'sizeBytes'>,
  options: ServeOptions
): Promise<void> {
  const { frames, deadline, failed } = served
  try {
    await sendChunks(served, { terms, chunks, sizeBytes, offset: 0, answerSizeBytesMax: 0 })
  } catch (error) {
    if (deadline.signal.aborted || isWireError(error)) throw error
    const refusal = refusalInside(error)
    if (refusal === undefined) failed(error)
    deadline.restart(terms.timeoutMs)
    const bytes = encodeReplySafely(terms, z.never(), options, refusal ?? INTERNAL, failed)
    await frames.write(encodeBulkFrame({ kind: 'answer', bytes }), deadline.signal)
  }
}
