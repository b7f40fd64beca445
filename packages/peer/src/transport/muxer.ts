/**
 * Yamux, whose streams that we open can take a whole chunk at once.
 *
 * A stream of yamux begins with a window of 256 KiB. A chunk of 1 MiB then comes in pieces, each after a round trip, and the
 * odd bytes that a window had left come in frames of a dozen, each of which is answered by a frame as well. Who opens a
 * stream mostly asks for something, knows how much may come, and says so with the frame that opens it, as the
 * specification allows. Streams that others open begin small: what a stranger may fill unasked stays what it was.
 */
import type { StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { offerProtocol } from './offer-protocol.ts'

export interface MuxerOptions {
  /** Streams on one connection, in each direction. */
  readonly streamsMax: number
  /** Streams that may arrive before somebody listens for them. */
  readonly earlyStreamsMax: number
  /** Bytes under way on a stream: from the start on those that we open, later on others that are read fast. */
  readonly windowSizeBytes: number
  /** Bytes that may wait for somebody who has not begun to listen; not below the window. */
  readonly readBufferSizeBytes: number
  readonly writeBufferSizeBytes: number
  /** How the names of those protocols begin in which we speak without waiting to hear that the other side does. */
  readonly offeredPrefix: string
}

/** A muxer for libp2p's configuration. */
export function muxer(options: MuxerOptions): () => StreamMuxerFactory {
  const { streamsMax, earlyStreamsMax, windowSizeBytes, readBufferSizeBytes, writeBufferSizeBytes, offeredPrefix } =
    options
  if (windowSizeBytes > readBufferSizeBytes)
    throw new RangeError(`a window of ${windowSizeBytes} bytes is larger than what may wait, ${readBufferSizeBytes}`)
  const create = yamux({
    maxInboundStreams: streamsMax,
    maxOutboundStreams: streamsMax,
    maxEarlyStreams: earlyStreamsMax,
    streamOptions: {
      maxStreamWindowSize: windowSizeBytes,
      maxReadBufferLength: readBufferSizeBytes,
      maxWriteBufferLength: writeBufferSizeBytes
    }
  })
  return () => {
    const factory = create()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    return Object.assign(factory, {
      createStreamMuxer(connection: Parameters<typeof createStreamMuxer>[0]) {
        const opened = createStreamMuxer(connection)
        const open = opened.onCreateStream.bind(opened)
        opened.onCreateStream = () => {
          const stream = open()
          // Its first frame, which leaves after this turn, tells the other side. Yamux has no option for it: one that it calls
          // the initial window would be taken for the other side's too. The test of this file sees when that has changed.
          Reflect.set(stream, 'recvWindow', windowSizeBytes)
          return stream
        }
        const createStream = opened.createStream.bind(opened)
        opened.createStream = async options => {
          const stream = await createStream(options)
          if (options?.protocol?.startsWith(offeredPrefix) === true) offerProtocol(stream, options.protocol)
          return stream
        }
        return opened
      }
    })
  }
}
