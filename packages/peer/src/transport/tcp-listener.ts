import { createServer, type Server, type Socket } from 'node:net'
import { type Listener, type ListenerEvents, type Logger, TypedEventEmitter, type Upgrader } from '@libp2p/interface'
import { getNetConfig, getThinWaistAddresses } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { SocketConnection } from './socket-connection.ts'
import type { TcpOptions } from './tcp.ts'

/**
 * One listening address. Lets a socket in, waits for its first word, and hands it to whom that is meant for: HTTPS where it begins
 * with TLS, libp2p's upgrader otherwise. Both bound how long what follows may take.
 */
export class TcpListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #options: TcpOptions
  readonly #upgrader: Upgrader
  readonly #log: Logger
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Those that have not said anything. */
  readonly #silent = new Set<Socket>()
  readonly #closing = new AbortController()
  #address: Multiaddr | undefined

  constructor(options: TcpOptions, upgrader: Upgrader, log: Logger) {
    super()
    this.#options = options
    this.#upgrader = upgrader
    this.#log = log
    this.#server = createServer({ noDelay: true, keepAlive: true }, socket => this.#accept(socket))
    this.#server.maxConnections = options.socketsMax
    this.#server.on('listening', () => this.safeDispatchEvent('listening'))
    this.#server.on('error', detail => this.safeDispatchEvent('error', { detail }))
    this.#server.on('close', () => this.safeDispatchEvent('close'))
  }

  async listen(address: Multiaddr): Promise<void> {
    const { host, port = 0, type } = getNetConfig(address)
    this.#address = address
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, ipv6Only: type === 'ip6', backlog: this.#options.backlog }, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  /** Of a wildcard address one for each interface. Empty while it does not listen. */
  getAddrs(): Multiaddr[] {
    const bound = this.#server.address()
    return bound === null || typeof bound === 'string' ? [] : getThinWaistAddresses(this.#address, bound.port)
  }

  /** Nothing about these addresses becomes known later. */
  updateAnnounceAddrs(): void {}

  /** Ends handshakes that are under way and cuts all sockets. */
  async close(): Promise<void> {
    this.#closing.abort()
    const closed = new Promise<void>(resolve => {
      if (this.#server.listening) this.#server.close(() => resolve())
      else resolve()
    })
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** What somebody says first tells what he speaks. Until then he is no more than a socket that may be here. */
  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const { greeting, gate } = this.#options
    const silent = setTimeout(() => socket.destroy(), greeting.msMax)
    this.#silent.add(socket)
    const heard = () => {
      clearTimeout(silent)
      this.#silent.delete(socket)
    }
    socket.once('close', () => {
      heard()
      this.#sockets.delete(socket)
    })
    // Stays: one that goes is gone, whoever has it by then.
    socket.on('error', () => socket.destroy())
    if (this.#silent.size > greeting.silentMax || gate?.admits(socket) === false) {
      socket.resetAndDestroy()
      return
    }
    socket.once('data', first => {
      heard()
      socket.pause()
      socket.unshift(first)
      this.#handOver(socket, first)
    })
  }

  #handOver(socket: Socket, first: Uint8Array): void {
    const { web, inactivityTimeoutMs, gate } = this.#options
    if (web?.isOpening(first) === true) {
      socket.setTimeout(inactivityTimeoutMs, () => socket.destroy())
      void web.accept(socket)
      return
    }
    let connection: SocketConnection
    try {
      connection = new SocketConnection({ socket, direction: 'inbound', inactivityTimeoutMs, log: this.#log })
    } catch {
      socket.destroy()
      return
    }
    gate?.introduce(connection)
    socket.resume()
    this.#upgrader.upgradeInbound(connection, { signal: this.#closing.signal }).catch((error: Error) => {
      this.#log.error('a socket did not become a connection - %e', error)
      connection.abort(error)
    })
  }
}
