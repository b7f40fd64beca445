/**
 * The TCP transport of libp2p, over {@link SocketConnection}, so that the encrypter above can have the socket.
 *
 * Dials and listens on `/ip4`, `/ip6` and `/dns*` with `/tcp`; bounds sockets, not peers: those are the connection
 * manager's.
 */
import { connect, type Socket } from 'node:net'
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Logger,
  serviceCapabilities,
  type Transport,
  transportSymbol
} from '@libp2p/interface'
import { getNetConfig } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TCP } from '@multiformats/multiaddr-matcher'
import type { SocketGate } from './connection-gater.ts'
import type { PeerWeb } from './peer-web.ts'
import { SocketConnection } from './socket-connection.ts'
import { TcpListener } from './tcp-listener.ts'

export interface TcpOptions {
  /** Sockets that a listener holds at once; one more is closed before a byte is read. */
  readonly socketsMax: number
  /** The kernel's queue before `accept`. */
  readonly backlog: number
  /** A socket without a byte in either direction is reset. */
  readonly inactivityTimeoutMs: number
  readonly greeting: {
    /** Until a socket that came in has said something. */
    readonly msMax: number
    /** Of those that have not, at once. */
    readonly silentMax: number
  }
  /** Of what comes in; everybody may when left out. */
  readonly gate?: SocketGate
  /** For what comes in and is none of libp2p's. */
  readonly web?: Pick<PeerWeb, 'isOpening' | 'accept'>
}

/** A transport for libp2p's configuration. */
export function tcp(options: TcpOptions): (components: { readonly logger: ComponentLogger }) => Transport {
  return ({ logger }) => new TcpTransport(options, logger)
}

class TcpTransport implements Transport {
  readonly [transportSymbol] = true as const
  readonly [Symbol.toStringTag] = '@holdfast/tcp'
  readonly [serviceCapabilities] = ['@libp2p/transport']
  readonly #options: TcpOptions
  readonly #log: Logger

  constructor(options: TcpOptions, logger: ComponentLogger) {
    this.#options = options
    this.#log = logger.forComponent('holdfast:tcp')
  }

  async dial(remoteAddr: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const socket = await openSocket(remoteAddr, options.signal)
    const { inactivityTimeoutMs } = this.#options
    const log = this.#log.newScope('connection')
    const connection = new SocketConnection({ socket, direction: 'outbound', remoteAddr, inactivityTimeoutMs, log })
    try {
      return await options.upgrader.upgradeOutbound(connection, options)
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new TcpListener(this.#options, upgrader, this.#log.newScope('listener'))
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(address => TCP.exactMatch(address))
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }
}

/** @throws the signal's reason, or the system's error with the address in its message */
async function openSocket(address: Multiaddr, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { host, port = 0 } = getNetConfig(address)
  const socket = connect({ host, port, noDelay: true, keepAlive: true })
  try {
    await new Promise<void>((resolve, reject) => {
      const settle = (then: () => void) => {
        signal.removeEventListener('abort', aborted)
        socket.off('error', failed)
        then()
      }
      const aborted = () => settle(() => reject(signal.reason))
      const failed = (error: Error) => settle(() => reject(error))
      signal.addEventListener('abort', aborted, { once: true })
      socket.on('error', failed)
      socket.once('connect', () => settle(resolve))
    })
    return socket
  } catch (error) {
    socket.on('error', () => {})
    socket.destroy()
    throw error
  }
}
