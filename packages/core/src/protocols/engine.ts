/**
 * One `request` and one `serve` for every protocol.
 *
 * A request is one stream: the message in an envelope, our half ended, the answer in an envelope, their half ended.
 * Nothing of a request outlives it: its stream is closed or reset, its timer stopped, its listeners removed. `upload`
 * and `download` (bulk.ts) stand on the same two halves, `converse` and `serveStreams`.
 */
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { isMultiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { Deadline } from './deadline.ts'
import { openDeadline } from './deadline.ts'
import type { EnvelopeTerms } from './envelope.ts'
import {
  answerFrameSizeBytesMax,
  decodeAnswer,
  decodeRequest,
  encodeReply,
  encodeRequest,
  noAnswer,
  requestFrameSizeBytesMax
} from './envelope.ts'
import type { Frames } from './frames.ts'
import { openFrames } from './frames.ts'
import type { Answer, NoAnswer, NoAnswerCode, Protocol, ProtocolTerms, Reply } from './protocol.ts'
import { refuse } from './protocol.ts'
import { type StreamAllowance, type TrafficLimiter, UNLIMITED } from './traffic-limiter.ts'

/** A peer by its id, when its addresses are known to the node, or by its addresses. */
export type PeerTarget = PeerId | Multiaddr | Multiaddr[]

export interface RequestOptions extends EnvelopeTerms {
  readonly signal?: AbortSignal
  /** the machine's when not given */
  readonly clock?: Pick<Clock, 'sleep'>
}

export interface ServeOptions extends EnvelopeTerms {
  /** told of our own bugs: a handler that throws, an answer that does not fit its protocol */
  readonly onError?: (error: unknown, context: { readonly protocolId: string; readonly remotePeer: PeerId }) => void
  /** the machine's when not given */
  readonly clock?: Pick<Clock, 'sleep'>
  /** what each peer may cost; without one, as much as it likes */
  readonly limiter?: TrafficLimiter
}

export interface HandlerContext {
  /** proved by the connection's handshake */
  readonly remotePeer: PeerId
  /** aborts when the time is up, when the stream is gone and when the service stops */
  readonly signal: AbortSignal
  /** Ends the conversation from here, as if the line were cut: for those who keep others waiting. */
  readonly cut: (reason: string) => void
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

type Requests<Request> = ProtocolTerms & Pick<Protocol<Request, unknown>, 'request'>

/** One side of one open stream. */
export interface Conversation {
  readonly frames: Frames
  /** runs from the start with the protocol's `timeoutMs`; when it aborts, the stream is reset */
  readonly deadline: Deadline
}

/** A stream with what reads and writes it. */
export interface OpenStream {
  readonly stream: Stream
  readonly frames: Frames
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

export async function openStream(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocolId: string,
  unreadSizeBytesMax: number,
  deadline: Deadline
): Promise<OpenStream> {
  const stream = await dial(node, peer, protocolId, deadline)
  return { stream, frames: openFrames(stream, unreadSizeBytesMax) }
}

export async function dial(
  node: Pick<Libp2p, 'dialProtocol'> & Partial<Pick<Libp2p, 'getConnections'>>,
  peer: PeerTarget,
  protocolId: string,
  { signal }: Deadline
): Promise<Stream> {
  try {
    return await node.dialProtocol(connectedPeer(node, peer) ?? peer, protocolId, { signal })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
      throw new CoreError('UNSUPPORTED', `the peer does not speak ${protocolId}`, {}, { cause: error })
    }
    // What libp2p rejects with is not always an error.
    const reason = error instanceof Error ? error.message : 'the connection closed while a stream was opened'
    throw new CoreError('UNREACHABLE', reason, {}, { cause: error })
  }
}

/**
 * The id of a peer that there is a connection to already. libp2p decodes the key inside an address each time that it is
 * asked to dial it, which takes as long as all else about a stream.
 */
function connectedPeer(node: Partial<Pick<Libp2p, 'getConnections'>>, peer: PeerTarget): PeerId | undefined {
  if (!Array.isArray(peer)) return undefined
  const id = peerIdIn(peer)
  if (id === undefined) return undefined
  return node.getConnections?.().find(one => one.status === 'open' && one.remotePeer.toString() === id)?.remotePeer
}

/** The id of a peer, as text, where its addresses say it. */
export function peerIdIn(peer: PeerTarget): string | undefined {
  const [address] = Array.isArray(peer) ? peer : [peer]
  if (!isMultiaddr(address)) return address?.toString()
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}

/** The reset of a stream must not wait for the code that holds it: that may be a handler which ignores its signal. */
export function resetOnAbort(frames: Frames, { signal }: Deadline): void {
  if (signal.aborted) frames.abort(signal.reason)
  else signal.addEventListener('abort', () => frames.abort(signal.reason), { once: true })
}

/** Ends our half and waits for theirs. A peer that does not end its half is reset; what it said counts all the same. */
export async function closeConversation({ frames, deadline }: Conversation): Promise<void> {
  try {
    await frames.end(deadline.signal)
    await frames.ended(deadline.signal)
  } catch (error) {
    frames.abort(error)
  }
}

const NO_ANSWER_CODES: ReadonlyMap<string, NoAnswerCode> = new Map([
  ['UNREACHABLE', 'UNREACHABLE'],
  ['UNSUPPORTED', 'UNSUPPORTED'],
  ['TIMED_OUT', 'TIMED_OUT'],
  ['STREAM_CUT', 'CUT'],
  ['FRAME_INVALID', 'INVALID']
])

/** What the other side or the network did wrong, as a value; our own errors are thrown on. */
export function noAnswerFrom(error: unknown): NoAnswer {
  const code = isWireError(error) ? NO_ANSWER_CODES.get(error.code) : undefined
  if (!isWireError(error) || code === undefined) throw error
  return noAnswer(code, error.message)
}

/** Whether no honest peer does that: it broke the format, or took all the time there is for what it had to say. */
function isOffence(error: unknown): boolean {
  return isWireError(error) && (error.code === 'FRAME_INVALID' || error.code === 'TIMED_OUT')
}

/** Whether the other side or the network is to blame. */
export function isWireError(error: unknown): error is CoreError {
  return error instanceof CoreError && NO_ANSWER_CODES.has(error.code)
}

/** One inbound stream, what it may cost, and where its own bugs go. */
export interface ServedConversation extends Conversation {
  readonly allowance: StreamAllowance
  readonly context: HandlerContext
  readonly failed: (error: unknown) => void
}

/**
 * The answering half: gives each inbound stream a deadline that also ends with the stream, closes it when `talk`
 * returns and resets it when `talk` throws.
 */
export async function serveStreams(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  protocol: ProtocolTerms,
  unreadSizeBytesMax: number,
  options: ServeOptions,
  talk: (conversation: ServedConversation) => Promise<void>
): Promise<AsyncDisposable> {
  const running = new Map<Deadline, Promise<void>>()
  const { limiter = UNLIMITED } = options

  async function answer(
    stream: Stream,
    remotePeer: PeerId,
    deadline: Deadline,
    allowance: StreamAllowance
  ): Promise<void> {
    const frames = openFrames(stream, unreadSizeBytesMax, allowance)
    const gone = () => deadline.abort(new CoreError('STREAM_CUT', 'the stream is gone'))
    stream.addEventListener('close', gone)
    resetOnAbort(frames, deadline)
    const failed = (error: unknown) => options.onError?.(error, { protocolId: protocol.id, remotePeer })
    const cut = (reason: string) => deadline.abort(new CoreError('STREAM_CUT', reason))
    deadline.restart(protocol.timeoutMs)
    try {
      await talk({ frames, deadline, allowance, failed, context: { remotePeer, signal: deadline.signal, cut } })
      await closeConversation({ frames, deadline })
    } catch (error) {
      frames.abort(error)
      if (isOffence(error)) allowance.offend()
      if (!deadline.signal.aborted && !isWireError(error)) failed(error)
    } finally {
      stream.removeEventListener('close', gone)
      deadline.release()
      allowance.close()
      running.delete(deadline)
    }
  }

  await node.handle(
    protocol.id,
    (stream, connection) => {
      const deadline = openDeadline({ clock: options.clock })
      const cut = (reason: string) => deadline.abort(new CoreError('STREAM_CUT', reason))
      const allowance = limiter.open(connection.remotePeer.toString(), protocol, cut)
      if (allowance === undefined) {
        deadline.release()
        stream.abort(new CoreError('TOO_MANY_STREAMS', 'this peer, or all together, have too many streams'))
        return
      }
      running.set(deadline, answer(stream, connection.remotePeer, deadline, allowance))
    },
    { maxInboundStreams: protocol.streamsInboundMax }
  )

  return {
    async [Symbol.asyncDispose]() {
      await node.unhandle(protocol.id)
      for (const deadline of running.keys())
        deadline.abort(new CoreError('STOPPED', `${protocol.id} is not served any more`))
      await Promise.all(running.values())
    }
  }
}

/**
 * Reads the request and lets the peer pay for it. What it holds is given back with the stream.
 *
 * @returns the opened message, or the refusal that is due, or `undefined` when the asker left without asking
 */
export async function receiveRequest<Request>(
  served: Pick<ServedConversation, 'frames' | 'deadline' | 'allowance'>,
  protocol: Requests<Request>,
  terms: EnvelopeTerms
): Promise<Reply<Request> | undefined> {
  const { frames, deadline, allowance } = served
  const bytes = await frames.read(requestFrameSizeBytesMax(protocol), deadline.signal)
  if (bytes === undefined) return undefined
  return allowance.hold(bytes.byteLength) ? await openRequest(served, protocol, terms, bytes.subarray()) : NO_ROOM
}

async function openRequest<Request>(
  { deadline, allowance }: Pick<ServedConversation, 'deadline' | 'allowance'>,
  protocol: Requests<Request>,
  terms: EnvelopeTerms,
  bytes: Uint8Array
): Promise<Reply<Request>> {
  const refusal = await allowance.pay(protocol.cost ?? 1, bytes.length, deadline.signal)
  return refusal ?? decodeRequest(protocol, terms, bytes)
}

/**
 * Lets the peer pay for a request of a stream that lasts, and answers it. What it holds is given back when `answer` is done.
 *
 * @param answer - given the opened message, or the refusal that is due
 */
export async function answerRequest<Request, T>(
  served: Pick<ServedConversation, 'deadline' | 'allowance'>,
  protocol: Requests<Request>,
  terms: EnvelopeTerms,
  bytes: Uint8Array,
  answer: (message: Reply<Request>) => Promise<T>
): Promise<T> {
  if (!served.allowance.hold(bytes.length)) return await answer(NO_ROOM)
  try {
    return await answer(await openRequest(served, protocol, terms, bytes))
  } finally {
    served.allowance.release(bytes.length)
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

const NO_ROOM = refuse(
  'BUSY',
  'too much of what was sent to you or by you is waiting: read it, or come back in a while'
)

/** Encodes a reply; one that does not fit its protocol is our bug and becomes `INTERNAL`. */
export function encodeReplySafely<Response>(
  protocol: ProtocolTerms,
  schema: Protocol<unknown, Response>['response'],
  terms: EnvelopeTerms,
  reply: Reply<Response>,
  failed: (error: unknown) => void
): Uint8Array {
  try {
    return encodeReply(protocol, schema, terms, reply)
  } catch (error) {
    failed(error)
    return encodeReply(protocol, schema, terms, INTERNAL)
  }
}

export const INTERNAL = refuse('INTERNAL', 'the peer failed to answer; its own log says why')

/** Runs a handler; what it throws becomes `INTERNAL` and is reported, unless it only obeyed its signal. */
export async function attempt<T>(
  handle: () => Promise<Reply<T>>,
  { signal }: Deadline,
  failed: (error: unknown) => void
): Promise<Reply<T>> {
  try {
    return await handle()
  } catch (error) {
    if (!signal.aborted) failed(error)
    return INTERNAL
  }
}
