/**
 * The answering half of every protocol: inbound streams under a deadline, requests that are paid for, replies that fit.
 */
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import { type Conversation, closeConversation, isWireError, resetOnAbort } from './conversation.ts'
import { type Deadline, openDeadline } from './deadline.ts'
import { decodeRequest, type EnvelopeTerms, encodeReply, requestFrameSizeBytesMax } from './envelope.ts'
import { openFrames } from './frames.ts'
import { type Protocol, type ProtocolTerms, type Reply, refuse } from './protocol.ts'
import { type StreamAllowance, type TrafficLimiter, UNLIMITED } from './traffic-limiter.ts'

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

/** What of a protocol its requests need. */
export type Requests<Request> = ProtocolTerms & Pick<Protocol<Request, unknown>, 'request'>

/** Whether no honest peer does that: it broke the format, or took all the time there is for what it had to say. */
function isOffence(error: unknown): boolean {
  return isWireError(error) && (error.code === 'FRAME_INVALID' || error.code === 'TIMED_OUT')
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

export const NO_ROOM = refuse(
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
