/**
 * Multistream-select without waiting for its answer: a dialler that speaks one protocol says which, and at once what it has to
 * say in it. The other side's answer is taken out of what comes, and a stream whose answer is another one is ended.
 *
 * A round trip less for each stream. The other side sees what it always sees, only sooner; our end it sees after it has
 * agreed, because libp2p loses what came before an end that nobody had waited for.
 */
import { type Stream, UnsupportedProtocolError } from '@libp2p/interface'
import type { AbstractStream } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'

const HEADER = '/multistream/1.0.0'
/** Of a line whose length is one byte. */
const LINE_SIZE_BYTES_MAX = 127

/** A stream whose bytes can be had before they are anybody's. */
export type OfferingStream = Stream & Pick<AbstractStream, 'onData' | 'sendCloseWrite'>

/**
 * Offers a protocol on a stream that was just opened and on which nothing was said. Until the other side has agreed, its bytes
 * reach nobody; if it does not, the stream is aborted with libp2p's `UnsupportedProtocolError`.
 *
 * @throws {RangeError} for a name of more than 126 bytes
 */
export function offerProtocol(stream: OfferingStream, protocol: string): void {
  const agreement = new Uint8Array([...encodeLine(HEADER), ...encodeLine(protocol)])
  const receive = stream.onData.bind(stream)
  const sendEnd = stream.sendCloseWrite.bind(stream)
  const { promise: agreed, resolve: agree } = Promise.withResolvers<void>()
  let agreedBytes = 0

  stream.onData = data => {
    const bytes = new Uint8ArrayList(data)
    const count = Math.min(bytes.byteLength, agreement.length - agreedBytes)
    for (let i = 0; i < count; i++) {
      if (bytes.get(i) === agreement[agreedBytes + i]) continue
      stream.abort(new UnsupportedProtocolError(`the other side does not speak ${protocol}`))
      return
    }
    agreedBytes += count
    if (agreedBytes < agreement.length) return
    stream.onData = receive
    agree()
    bytes.consume(count)
    receive(bytes)
  }
  stream.addEventListener('close', () => agree(), { once: true })
  stream.sendCloseWrite = async options => {
    await agreed
    if (stream.status === 'open' || stream.status === 'closing') await sendEnd(options)
  }
  stream.protocol = protocol
  stream.send(agreement)
}

function encodeLine(text: string): Uint8Array {
  const line = new TextEncoder().encode(`${text}\n`)
  if (line.length > LINE_SIZE_BYTES_MAX)
    throw new RangeError(`a protocol has at most ${LINE_SIZE_BYTES_MAX - 1} bytes, got ${line.length - 1}`)
  return Uint8Array.of(line.length, ...line)
}
