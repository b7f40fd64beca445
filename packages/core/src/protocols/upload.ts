/**
 * Bytes from the asking side to the answering side, under the receiver's credit.
 *
 *     client  request              →
 *             ←  reply { offset }                     or a refusal, and that was it
 *             chunk, chunk, chunk  →                  at most `chunksInFlightMax` that are not acknowledged
 *             ←  credit                               after the server's write has been accepted by its disk
 *             end { total }        →
 *             ←  answer                               or earlier, when the server refuses midway
 */
import type { Libp2p } from '@libp2p/interface'
import { z } from 'zod'
import { CoreError } from '../error.ts'
import { naturalSchema } from '../schema.ts'
import { chunksSizeBytesMax, creditsSizeBytesMax, encodeBulkFrame } from './bulk-frames.ts'
import { isWireError } from './conversation.ts'
import type { PeerTarget } from './dial-peer.ts'
import type { RequestOptions } from './engine.ts'
import { converse } from './engine.ts'
import { answerFrameSizeBytesMax, decodeAnswer, noAnswer, requestFrameSizeBytesMax } from './envelope.ts'
import type { Answer, BulkProtocol, BulkTerms, Refusal, Reply } from './protocol.ts'
import { openReceiver } from './receive-chunks.ts'
import { sendChunks } from './send-chunks.ts'
import type { HandlerContext, ServedConversation, ServeOptions } from './serve-streams.ts'
import { attempt, encodeReplySafely, INTERNAL, receiveRequest, serveStreams } from './serve-streams.ts'
import { borrowChunk, giveBack } from './spare-chunks.ts'

const beginSchema = z.object({ offset: naturalSchema })

export interface UploadOptions extends RequestOptions {
  /** told how many bytes the server has acknowledged, those of an earlier attempt included */
  readonly onProgress?: (acknowledgedBytes: number) => void
}

/**
 * Sends bytes, from where the server says it stands, and waits for its answer.
 *
 * @param source - the bytes from `offset` to the end, in chunks of any size; closed early when the server refuses
 * @returns as `request`; a server that stops midway is `no-answer`, and the upload can be tried again
 * @throws what the source throws, and the signal's reason
 */
export async function upload<Request, Response>(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocol: BulkProtocol<Request, Response>,
  message: Request,
  source: (offset: number) => AsyncIterable<Uint8Array>,
  options: UploadOptions
): Promise<Answer<Response>> {
  const { onProgress } = options
  const answerSizeBytesMax = answerFrameSizeBytesMax(protocol)
  const unreadSizeBytesMax = answerSizeBytesMax + creditsSizeBytesMax()
  return await converse(node, peer, protocol, message, unreadSizeBytesMax, options, async conversation => {
    const { frames, deadline } = conversation
    const first = await frames.read(answerSizeBytesMax, deadline.signal)
    if (first === undefined) return noAnswer('CUT', 'the stream ended without an answer')
    const begin = decodeAnswer(beginSchema, options, first.subarray())
    if (begin.kind !== 'answer') return begin
    const { offset } = begin.value
    onProgress?.(offset)
    const last = await sendChunks(conversation, {
      terms: protocol,
      chunks: source(offset),
      offset,
      answerSizeBytesMax,
      onAcknowledged: onProgress
    })
    if (last === undefined) return noAnswer('CUT', 'everything was sent, but the stream ended without an answer')
    return decodeAnswer(protocol.response, options, last)
  })
}

/**
 * Where an upload goes. Calls never overlap. Its life ends with `finish` or with `abort`, whichever comes first, and
 * `abort` comes at most once: also after a `write` or `finish` that threw.
 */
export interface UploadSink<Response> {
  /** bytes already held; the client goes on from here */
  readonly offset: number
  /**
   * Resolves when the bytes are taken, which is what lets the client send more; a refusal ends the upload. The chunk's
   * memory is filled again afterwards.
   */
  write(chunk: Uint8Array): Promise<Refusal | undefined> | Promise<void>
  /** @param totalBytes - size of the whole, `offset` included */
  finish(totalBytes: number): Promise<Reply<Response>>
  /** @param reason - the refusal that `write` returned, or what was thrown, or why the client is gone */
  abort(reason: unknown): Promise<void>
}

export type AcceptUpload<Request, Response> = (
  message: Request,
  context: HandlerContext
) => Promise<Reply<UploadSink<Response>>>

/** Answers an upload protocol until the returned service is disposed, which waits for running uploads to end. */
export async function serveUpload<Request, Response>(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  protocol: BulkProtocol<Request, Response>,
  accept: AcceptUpload<Request, Response>,
  options: ServeOptions
): Promise<AsyncDisposable> {
  const unreadSizeBytesMax = Math.max(requestFrameSizeBytesMax(protocol), chunksSizeBytesMax(protocol))
  return await serveStreams(node, protocol, unreadSizeBytesMax, options, async served => {
    const { frames, deadline, context, failed } = served
    const message = await receiveRequest(served, protocol, options)
    if (message === undefined) return
    const accepted = message.ok ? await attempt(() => accept(message.value, context), deadline, failed) : message
    if (!accepted.ok) {
      const refusal = encodeReplySafely(protocol, beginSchema, options, accepted, failed)
      await frames.write([refusal], deadline.signal)
      return
    }
    const reply = await fillSink(served, protocol, accepted.value, options)
    deadline.restart(protocol.timeoutMs)
    const bytes = encodeReplySafely(protocol, protocol.response, options, reply, failed)
    await frames.write(encodeBulkFrame({ kind: 'answer', bytes }), deadline.signal)
  })
}

/** Runs one sink to its end. Throws only when the client is gone, after the sink has been told. */
async function fillSink<Response>(
  served: ServedConversation,
  terms: BulkTerms,
  sink: UploadSink<Response>,
  options: ServeOptions
): Promise<Reply<Response>> {
  const { frames, deadline, failed } = served
  try {
    const begin = encodeReplySafely(terms, beginSchema, options, { ok: true, value: { offset: sink.offset } }, failed)
    await frames.write([begin], deadline.signal)
    const received = await receiveInto(served, terms, sink)
    if (received.ok) return await sink.finish(received.value)
    await sink.abort(received).catch(failed)
    return received
  } catch (error) {
    await sink.abort(error).catch(failed)
    if (deadline.signal.aborted || isWireError(error)) throw error
    failed(error)
    return INTERNAL
  }
}

/** @returns the size of the whole, or the sink's refusal */
async function receiveInto(
  served: ServedConversation,
  terms: BulkTerms,
  sink: UploadSink<unknown>
): Promise<Reply<number>> {
  const receiver = openReceiver(served, terms, { offset: sink.offset, answerSizeBytesMax: 0, gather: borrowChunk })
  for (;;) {
    const frame = await receiver.next()
    if (frame.kind === 'end') return { ok: true, value: frame.totalBytes }
    if (frame.kind === 'answer') throw new CoreError('FRAME_INVALID', 'an uploading client has no answers to give')
    const refusal = await sink.write(frame.bytes)
    giveBack(frame.bytes)
    if (typeof refusal === 'object') return refusal
    await receiver.acknowledge()
  }
}
