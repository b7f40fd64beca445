/**
 * The asking half of streams that last: one stream a peer, opened by the first request, with a few requests under way.
 *
 * A new stream for each request costs more than the request (bench.md of libp2p users: five to ten times), so a protocol
 * whose messages come in numbers keeps its stream. What is under way is bounded by count and bytes, per peer; who comes
 * when it is full waits. A stream that fails is opened again by the next request. One that is cut after it has worked may
 * only have been ended by a peer that tired of it: what was under way is then asked once more, so **only protocols whose
 * requests may come twice** are for this.
 */
import type { Libp2p } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import { isWireError, noAnswerFrom, resetOnAbort } from './conversation.ts'
import { type Deadline, openDeadline, untilAborted } from './deadline.ts'
import { dial, type PeerTarget } from './dial-peer.ts'
import {
  answerFrameSizeBytesMax,
  decodeAnswer,
  type EnvelopeTerms,
  encodeRequest,
  noAnswer,
  requestFrameSizeBytesMax
} from './envelope.ts'
import { type Frames, openFrames } from './frames.ts'
import { LASTING_STREAM_IDLE_MS, REQUESTS_IN_FLIGHT_MAX } from './limits.ts'
import type { Answer, Protocol } from './protocol.ts'

/** Before the other side tires: who ends a stream should be the one who knows that nothing is coming. */
const IDLE_MS = LASTING_STREAM_IDLE_MS / 2

export interface RequestStreamsOptions extends EnvelopeTerms {
  /** the machine's when not given */
  readonly clock?: Pick<Clock, 'sleep'>
}

export interface RequestStreams<Request, Response> extends AsyncDisposable {
  /**
   * Asks a peer on its stream and waits for the answer. The protocol's `timeoutMs` runs anew with each answer of a stream:
   * it bounds how long the peer may be silent.
   *
   * @throws {TypeError | RangeError} when our own message does not fit the protocol
   * @throws the signal's reason, untouched; the answer that comes later is dropped
   */
  request(peer: PeerTarget, message: Request, signal: AbortSignal): Promise<Answer<Response>>
  /** Resets all streams; what is under way ends without an answer. Idempotent. */
  stop(): Promise<void>
}

interface Asked<Response> {
  readonly bytes: Uint8Array
  readonly resolve: (answer: Answer<Response>) => void
  readonly reject: (error: unknown) => void
  /** May be sent once more on a new stream. */
  isFirstTry: boolean
}

interface OpenStream<Response> {
  readonly frames: Frames
  readonly deadline: Deadline
  /** Written, or about to be, and not answered: oldest first. */
  readonly waiting: Asked<Response>[]
  written: Promise<void>
  hasAnswered: boolean
  isOver: boolean
}

/** What there is of one peer; gone with its last request and its stream. */
interface Lane<Response> {
  readonly peer: PeerTarget
  stream: Promise<OpenStream<Response>> | undefined
  inFlight: number
  inFlightBytes: number
  readonly queue: (() => void)[]
}

export function createRequestStreams<Request, Response>(
  node: Pick<Libp2p, 'dialProtocol'>,
  protocol: Protocol<Request, Response>,
  options: RequestStreamsOptions
): RequestStreams<Request, Response> {
  const { clock } = options
  const answerSizeBytesMax = answerFrameSizeBytesMax(protocol)
  const inFlightBytesMax = requestFrameSizeBytesMax(protocol)
  const lanes = new Map<string, Lane<Response>>()
  const open = new Set<OpenStream<Response>>()
  let isStopped = false

  function laneOf(peer: PeerTarget): Lane<Response> {
    const key = Array.isArray(peer) ? peer.join(' ') : peer.toString()
    const lane = lanes.get(key) ?? { peer, stream: undefined, inFlight: 0, inFlightBytes: 0, queue: [] }
    lanes.set(key, lane)
    return lane
  }

  function dropUnused(): void {
    for (const [key, { stream, inFlight, queue }] of lanes)
      if (stream === undefined && inFlight === 0 && queue.length === 0) lanes.delete(key)
  }

  const hasRoom = ({ inFlight, inFlightBytes }: Lane<Response>, sizeBytes: number) =>
    inFlight === 0 || (inFlight < REQUESTS_IN_FLIGHT_MAX && inFlightBytes + sizeBytes <= inFlightBytesMax)

  async function enter(lane: Lane<Response>, sizeBytes: number, signal: AbortSignal): Promise<void> {
    while (!hasRoom(lane, sizeBytes)) {
      const turn = Promise.withResolvers<void>()
      lane.queue.push(turn.resolve)
      await untilAborted(turn.promise, signal).catch((error: unknown) => {
        const at = lane.queue.indexOf(turn.resolve)
        // The turn that came to somebody who has left is the next one's.
        if (at === -1) lane.queue.shift()?.()
        else lane.queue.splice(at, 1)
        throw error
      })
    }
    lane.inFlight += 1
    lane.inFlightBytes += sizeBytes
  }

  function leave(lane: Lane<Response>, sizeBytes: number): void {
    lane.inFlight -= 1
    lane.inFlightBytes -= sizeBytes
    lane.queue.shift()?.()
    dropUnused()
  }

  async function openStream(lane: Lane<Response>): Promise<OpenStream<Response>> {
    const deadline = openDeadline({ ...(clock !== undefined && { clock }) })
    deadline.restart(protocol.timeoutMs)
    try {
      const stream = await dial(node, lane.peer, protocol.id, deadline)
      const frames = openFrames(stream, answerSizeBytesMax * REQUESTS_IN_FLIGHT_MAX)
      resetOnAbort(frames, deadline)
      const opened = { frames, deadline, waiting: [], written: Promise.resolve(), hasAnswered: false, isOver: false }
      open.add(opened)
      deadline.signal.addEventListener('abort', () => end(lane, opened, deadline.signal.reason), { once: true })
      if (isStopped) deadline.abort(new CoreError('STREAM_CUT', 'this peer stops'))
      void readAnswers(lane, opened)
      return opened
    } catch (error) {
      lane.stream = undefined
      deadline.release()
      throw error
    }
  }

  async function readAnswers(lane: Lane<Response>, stream: OpenStream<Response>): Promise<void> {
    const { frames, deadline, waiting } = stream
    try {
      for (;;) {
        const bytes = await frames.read(answerSizeBytesMax, deadline.signal)
        if (bytes === undefined) throw new CoreError('STREAM_CUT', 'the other side ended the stream')
        const asked = waiting.shift()
        if (asked === undefined) throw new CoreError('FRAME_INVALID', 'an answer that nothing was asked for')
        stream.hasAnswered = true
        deadline.restart(waiting.length === 0 ? IDLE_MS : protocol.timeoutMs)
        asked.resolve(decodeAnswer(protocol.response, options, bytes.subarray()))
      }
    } catch (error) {
      end(lane, stream, error)
    }
  }

  /** Ends a stream, once, and tells those who wait; what may be asked again goes onto a new one. */
  function end(lane: Lane<Response>, stream: OpenStream<Response>, error: unknown): void {
    if (stream.isOver) return
    stream.isOver = true
    open.delete(stream)
    lane.stream = undefined
    stream.frames.abort(error)
    stream.deadline.release()
    for (const asked of stream.waiting.splice(0)) {
      const isTired = stream.hasAnswered && isWireError(error) && error.code === 'STREAM_CUT'
      if (isTired && asked.isFirstTry && !isStopped) {
        asked.isFirstTry = false
        void send(lane, asked)
      } else if (isWireError(error)) asked.resolve(noAnswerFrom(error))
      else asked.reject(error)
    }
    dropUnused()
  }

  /** Never rejects: whoever asked is told. */
  async function send(lane: Lane<Response>, asked: Asked<Response>): Promise<void> {
    try {
      lane.stream ??= openStream(lane)
      const stream = await lane.stream
      if (stream.isOver) return asked.resolve(noAnswer('CUT', 'the stream is gone'))
      if (stream.waiting.length === 0) stream.deadline.restart(protocol.timeoutMs)
      stream.waiting.push(asked)
      stream.written = stream.written
        .then(() => stream.frames.write([asked.bytes], stream.deadline.signal))
        .catch((error: unknown) => end(lane, stream, error))
    } catch (error) {
      if (isWireError(error)) asked.resolve(noAnswerFrom(error))
      else asked.reject(error)
    }
  }

  async function stop(): Promise<void> {
    isStopped = true
    for (const { deadline } of [...open]) deadline.abort(new CoreError('STREAM_CUT', 'this peer stops'))
  }

  return {
    async request(peer, message, signal) {
      const bytes = encodeRequest(protocol, options, message)
      signal.throwIfAborted()
      if (isStopped) return noAnswer('UNREACHABLE', 'this peer stops')
      const lane = laneOf(peer)
      await enter(lane, bytes.length, signal)
      const answer = new Promise<Answer<Response>>((resolve, reject) => {
        void send(lane, { bytes, resolve, reject, isFirstTry: true })
      })
      // Its place is taken until the peer has answered, whether or not somebody still wants to know.
      const settled = answer.finally(() => leave(lane, bytes.length))
      settled.catch(() => undefined)
      return await untilAborted(settled, signal)
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}
