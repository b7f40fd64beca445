import type { TLSSocket } from 'node:tls'
import type { AbortOptions } from '@libp2p/interface'
import { AbstractMessageStream } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { SocketConnection } from './socket-connection.ts'
import { writeAll } from './write-all.ts'

/** The decrypted side of a connection whose handshake is done. Lives and dies with the connection below. */
export class TlsStream extends AbstractMessageStream {
  readonly #socket: TLSSocket
  readonly #carrier: SocketConnection

  constructor(carrier: SocketConnection, socket: TLSSocket) {
    super({
      log: carrier.log.newScope('tls'),
      direction: carrier.direction,
      inactivityTimeout: carrier.inactivityTimeout,
      maxReadBufferLength: carrier.maxReadBufferLength
    })
    this.#socket = socket
    this.#carrier = carrier
    socket.on('data', (bytes: Uint8Array) => this.onData(bytes))
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('error', error => carrier.abort(error))
    carrier.flushWith(signal => this.#flush(signal))
    carrier.addEventListener('close', ({ error, local }) => {
      if (error === undefined) this.onTransportClosed()
      else if (local === true) this.abort(error)
      else this.onRemoteReset()
    })
  }

  override async close(options?: AbortOptions): Promise<void> {
    await this.#carrier.close(options)
  }

  override sendData(data: Uint8ArrayList) {
    return writeAll(this.#socket, data)
  }

  override sendReset(error: Error): void {
    this.#carrier.abort(error)
  }

  /** Waits until the socket has all that was sent: the muxer's last words wait here while it is full. */
  async #flush(signal: AbortSignal): Promise<void> {
    while (this.writeBufferLength > 0 && this.status === 'open' && !signal.aborted) {
      await new Promise<void>(resolve => {
        const proceed = () => {
          for (const type of ['idle', 'close'] as const) this.removeEventListener(type, proceed)
          signal.removeEventListener('abort', proceed)
          resolve()
        }
        for (const type of ['idle', 'close'] as const) this.addEventListener(type, proceed)
        signal.addEventListener('abort', proceed)
      })
    }
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }
}
