import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { AbortOptions, Logger } from '@libp2p/interface'
import { AbstractMultiaddrConnection, ipPortToMultiaddr } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Uint8ArrayList } from 'uint8arraylist'
import { type SlabWriter, writeSlabs } from './write-slabs.ts'

/** For the other side's end after ours; libp2p allows its closing as long. */
const LINGER_MS_MAX = 1_000

export interface SocketConnectionOptions {
  /** connected */
  readonly socket: Socket
  readonly direction: 'inbound' | 'outbound'
  /** as dialled; of an inbound socket what the kernel says */
  readonly remoteAddr?: Multiaddr
  /** without a byte in either direction */
  readonly inactivityTimeoutMs: number
  readonly log: Logger
}

/**
 * A TCP socket as libp2p's upgrader wants it, which can also give its socket to TLS.
 *
 * Bytes go through this class until {@link wrap}, and past it from then on; closing and aborting stay its business for
 * as long as the connection lives.
 */
export class SocketConnection extends AbstractMultiaddrConnection {
  readonly #socket: Socket
  readonly #writer: SlabWriter
  #outer: TLSSocket | undefined
  #flush: (signal: AbortSignal) => Promise<void> = async () => {}
  readonly #receive = (bytes: Uint8Array) => this.onData(bytes)

  /** @throws {Error} when the socket is gone already, so that nobody knows who it was */
  constructor({ socket, direction, remoteAddr, inactivityTimeoutMs, log }: SocketConnectionOptions) {
    super({ direction, log, remoteAddr: remoteAddr ?? remoteOf(socket) })
    this.#socket = socket
    this.#writer = writeSlabs(socket)
    socket.on('data', this.#receive)
    socket.on('drain', () => {
      if (this.#outer === undefined) this.safeDispatchEvent('drain')
    })
    socket.on('error', error => this.abort(error))
    socket.setTimeout(inactivityTimeoutMs, () => this.abort(new Error(`silent for ${inactivityTimeoutMs} ms`)))
    socket.once('close', () => this.onTransportClosed())
  }

  /**
   * Lets a TLS layer take over the socket. What was read ahead goes back into it first, and nothing is read in between,
   * because all of it happens in one turn.
   *
   * @throws {Error} when the connection is not open, or wrapped already
   */
  wrap(cover: (socket: Socket) => TLSSocket): TLSSocket {
    if (this.status !== 'open' || this.#outer !== undefined || this.#socket.destroyed)
      throw new Error(`a connection that is ${this.status} cannot be wrapped`)
    this.#writer.flush()
    this.#socket.off('data', this.#receive)
    this.#socket.pause()
    if (this.readBuffer.byteLength > 0) {
      this.#socket.unshift(this.readBuffer.slice())
      this.readBuffer.consume(this.readBuffer.byteLength)
    }
    this.#outer = cover(this.#socket)
    return this.#outer
  }

  /** Told before the socket is closed to write what still waits in the layer above. */
  flushWith(flush: (signal: AbortSignal) => Promise<void>): void {
    this.#flush = flush
  }

  override sendData(data: Uint8ArrayList) {
    const sentBytes = data.byteLength
    return { sentBytes, canSendMore: this.#writer.write(data) }
  }

  /**
   * Sends what waits, then our end, and gives the other side a moment for its own: who still writes to a socket that is
   * gone loses what it has not read yet.
   */
  override async sendClose({ signal }: AbortOptions = {}): Promise<void> {
    const patience = AbortSignal.any([AbortSignal.timeout(LINGER_MS_MAX), ...(signal === undefined ? [] : [signal])])
    if (this.#socket.destroyed) return
    await this.#flush(patience)
    this.#writer.flush()
    await new Promise<void>(resolve => {
      const hangUp = () => this.#socket.destroy()
      this.#socket.once('close', () => {
        patience.removeEventListener('abort', hangUp)
        resolve()
      })
      patience.addEventListener('abort', hangUp, { once: true })
      const top = this.#outer ?? this.#socket
      top.end()
      top.resume()
      if (patience.aborted) hangUp()
    })
  }

  override sendReset(): void {
    this.#outer?.destroy()
    // A reset cannot be mixed with a shutdown that is under way.
    if (this.#socket.writableEnded || this.#socket.destroyed) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  override sendPause(): void {
    if (this.#outer === undefined) this.#socket.pause()
  }

  override sendResume(): void {
    if (this.#outer === undefined) this.#socket.resume()
  }
}

function remoteOf(socket: Socket): Multiaddr {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) throw new Error('the socket was closed at once')
  return ipPortToMultiaddr(remoteAddress, remotePort)
}
