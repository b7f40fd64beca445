import type { TLSSocket } from 'node:tls'
import { markReceived } from '@holdfast/core'
import type { AbortOptions } from '@libp2p/interface'
import { AbstractMessageStream } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import type { SocketConnection } from './socket-connection.ts'
import { type SlabWriter, writeSlabs } from './write-slabs.ts'

/**
 * The decrypted side of a connection whose handshake is done. Lives and dies with the connection below.
 *
 * TLS comes in records of 16 KiB, and a muxer speaks in frames of a dozen bytes. Telling everybody above of each record, and
 * giving each frame a record and a packet of its own, takes longer than encryption: what comes in one turn of the event
 * loop goes on together when the turn ends, and what is ready to be said at once leaves together.
 */
export class TlsStream extends AbstractMessageStream {
  readonly #socket: TLSSocket
  readonly #carrier: SocketConnection
  /** What came in this turn. */
  #received = new Uint8ArrayList()
  readonly #writer: SlabWriter

  constructor(carrier: SocketConnection, socket: TLSSocket) {
    super({
      log: carrier.log.newScope('tls'),
      direction: carrier.direction,
      inactivityTimeout: carrier.inactivityTimeout,
      maxReadBufferLength: carrier.maxReadBufferLength
    })
    this.#socket = socket
    this.#writer = writeSlabs(socket)
    this.#carrier = carrier
    socket.on('data', (bytes: Uint8Array) => {
      markReceived(bytes) // Node makes an array for each record
      if (this.#received.byteLength === 0) setImmediate(() => this.#deliver())
      this.#received.append(bytes)
    })
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('error', error => carrier.abort(error))
    carrier.flushWith(signal => this.#flush(signal))
    carrier.addEventListener('close', ({ error, local }) => {
      this.#deliver()
      if (error === undefined) this.onTransportClosed()
      else if (local === true) this.abort(error)
      else this.onRemoteReset()
    })
  }

  override async close(options?: AbortOptions): Promise<void> {
    await this.#carrier.close(options)
  }

  override sendData(data: Uint8ArrayList) {
    const sentBytes = data.byteLength
    return { sentBytes, canSendMore: this.#writer.write(data) }
  }

  #deliver(): void {
    if (this.#received.byteLength === 0) return
    const bytes = this.#received
    this.#received = new Uint8ArrayList()
    this.onData(bytes)
  }

  override sendReset(error: Error): void {
    this.#carrier.abort(error)
  }

  /** Waits until the socket has all that was sent: the muxer's last words wait here while it is full. */
  async #flush(signal: AbortSignal): Promise<void> {
    await this.#emptied(signal)
    this.#writer.flush()
  }

  async #emptied(signal: AbortSignal): Promise<void> {
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
