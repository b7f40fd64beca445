/**
 * One `request` and one `serve` for every protocol.
 *
 * A request is one stream: the message in an envelope, our half ended, the answer in an envelope, their half ended.
 * Nothing of a request outlives it: its stream is closed or reset, its timer stopped, its listeners removed. `upload`
 * and `download` stand on the same two halves: `converse` here, `serveStreams` of serve-streams.ts.
 */
import type { Libp2p } from '@libp2p/interface'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Conversation, closeConversation, noAnswerFrom, resetOnAbort } from './conversation.ts'
import { type Deadline, openDeadline } from './deadline.ts'
import { type OpenStream, openStream, type PeerTarget } from './dial-peer.ts'
import {
  answerFrameSizeBytesMax,
  decodeAnswer,
  type EnvelopeTerms,
  encodeReply,
  encodeRequest,
  noAnswer,
  requestFrameSizeBytesMax
} from './envelope.ts'
import type { Answer, NoAnswer, Protocol, ProtocolTerms, Reply } from './protocol.ts'
import {
  attempt,
  encodeReplySafely,
  type HandlerContext,
  NO_ROOM,
  type Requests,
  receiveRequest,
  type ServedConversation,
  type ServeOptions,
  serveStreams
} from './serve-streams.ts'

export interface RequestOptions extends EnvelopeTerms {
  readonly signal?: AbortSignal
  /** the machine's when not given */
  readonly clock?: Pick<Clock, 'sleep'>
}

export type Handler<Request, Response> = (message: Request, context: HandlerContext) => Promise<Reply<Response>>

/**
 * Asks one peer and waits for its answer until the protocol's deadline.
 *
 * Does not retry, and opens a connection only if the node has none.
 *
 * @throws {TypeError | RangeError} when our own message does not fit the protocol
 * @throws the signal's reason, untouched, when the caller cancels
 */
export async function request<Request, Response>(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocol: Protocol<Request, Response>,
  message: Request,
  options: RequestOptions
): Promise<Answer<Response>> {
  const sizeBytesMax = answerFrameSizeBytesMax(protocol)
  return await converse(node, peer, protocol, message, sizeBytesMax, options, async ({ frames, deadline }) => {
    await frames.end(deadline.signal)
    const bytes = await frames.read(sizeBytesMax, deadline.signal)
    if (bytes === undefined) return noAnswer('CUT', 'the stream ended without an answer')
    return decodeAnswer(protocol.response, options, bytes.subarray())
  })
}

/**
 * Answers a protocol until the returned service is disposed, which waits for the running handlers to end.
 *
 * A handler that throws is answered with `INTERNAL` and nothing of the error; tell the asker something with a refusal.
 */
export async function serve<Request, Response>(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  protocol: Protocol<Request, Response>,
  handler: Handler<Request, Response>,
  options: ServeOptions
): Promise<AsyncDisposable> {
  const unreadSizeBytesMax = requestFrameSizeBytesMax(protocol)
  return await serveStreams(node, protocol, unreadSizeBytesMax, options, async served => {
    const { frames, deadline, context, failed } = served
    const message = await receiveRequest(served, protocol, options)
    if (message === undefined) return
    const reply = message.ok ? await attempt(() => handler(message.value, context), deadline, failed) : message
    deadline.signal.throwIfAborted()
    const bytes = encodeReplySafely(protocol, protocol.response, options, reply, failed)
    await frames.write([payForAnswer(served, protocol, options, bytes)], deadline.signal)
  })
}

export interface OpenedConversation extends Conversation, OpenStream {}

/**
 * The asking half: sends the message, lets `talk` do the rest, and turns what the other side can do wrong into
 * `no-answer`. The stream is closed when `talk` returns and reset when it throws.
 */
export async function converse<Request, T>(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocol: Requests<Request>,
  message: Request,
  unreadSizeBytesMax: number,
  options: RequestOptions,
  talk: (conversation: Conversation) => Promise<Answer<T>>
): Promise<Answer<T>> {
  const open = (deadline: Deadline) => openStream(node, peer, protocol.id, unreadSizeBytesMax, deadline)
  const conversation = await openConversation(open, protocol, message, options)
  if ('kind' in conversation) return conversation
  try {
    const answer = await talk(conversation)
    await closeConversation(conversation)
    return answer
  } catch (error) {
    conversation.frames.abort(error)
    options.signal?.throwIfAborted()
    return noAnswerFrom(error)
  } finally {
    conversation.deadline.release()
  }
}

/** Opens a stream and sends the message. The caller ends the conversation and releases its deadline. */
export async function openConversation<Request>(
  open: (deadline: Deadline) => Promise<OpenStream>,
  protocol: Requests<Request>,
  message: Request,
  options: RequestOptions
): Promise<OpenedConversation | NoAnswer> {
  const opening = encodeRequest(protocol, options, message)
  options.signal?.throwIfAborted()
  const deadline = openDeadline(options)
  deadline.restart(protocol.timeoutMs)
  try {
    const { stream, frames } = await open(deadline)
    resetOnAbort(frames, deadline)
    // A download lives on after its answer; the caller's signal must not hold it for longer than its stream.
    stream.addEventListener('close', deadline.release)
    await frames.write([opening], deadline.signal)
    return { stream, frames, deadline }
  } catch (error) {
    deadline.abort(error)
    deadline.release()
    options.signal?.throwIfAborted()
    return noAnswerFrom(error)
  }
}

/** An answer waits in memory for as long as its reader takes, and counts as traffic of who asked for it. */
function payForAnswer(
  { allowance }: ServedConversation,
  protocol: ProtocolTerms,
  terms: EnvelopeTerms,
  bytes: Uint8Array
): Uint8Array {
  if (!allowance.hold(bytes.length)) return encodeReply(protocol, z.never(), terms, NO_ROOM)
  allowance.charge(bytes.length)
  return bytes
}
