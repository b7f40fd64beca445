/**
 * WebSockets, for clients in browsers: @libp2p/websockets with the bounds that its listener lacks.
 *
 * That listener waits for ever for the first byte of a socket, counts no sockets, takes messages of 100 MiB, and lets a
 * malformed one end the process. What is set here from outside are fields of the pinned version; a version without them is refused when the listener is made.
 *
 * TLS is not offered: a browser on an https page needs a certificate for a name, and whoever has one has a web server
 * that can stand in front (README of this package).
 */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerOptions } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { CreateListenerOptions, Listener, Transport } from '@libp2p/interface'
import { webSockets as libp2pWebSockets, type WebSocketsComponents } from '@libp2p/websockets'
import { PeerError } from '../error.ts'

/** A muxer's window and what encryption adds; longer messages are nobody's that we know. */
const MESSAGE_SIZE_BYTES_MAX = 4 * 1024 * 1024
/** How often a socket that is full is looked at: it does not say when it has room again. */
const FULL_POLL_MS = 10
/** How often the HTTP server looks for requests that are late. */
const LATE_CHECK_MS = 1_000

export interface WebSocketsOptions {
  /** Sockets that a listener holds at once; one more is closed before a byte is read. */
  readonly socketsMax: number
  /** For the request that asks for a WebSocket, from the first moment of its socket. */
  readonly requestTimeoutMs: number
  /** A socket without a byte in either direction is closed. */
  readonly inactivityTimeoutMs: number
}

/** A transport for libp2p's configuration. */
export function webSockets(options: WebSocketsOptions): (components: WebSocketsComponents) => Transport {
  const http: ServerOptions = {
    headersTimeout: options.requestTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(LATE_CHECK_MS, options.requestTimeoutMs)
  }
  const build = libp2pWebSockets({ http, bufferedAmountPollInterval: FULL_POLL_MS })
  return components => {
    const transport = build(components)
    const createListener = transport.createListener.bind(transport)
    return Object.assign(transport, {
      createListener: (wishes: CreateListenerOptions) => bounded(createListener(wishes), options)
    })
  }
}

/** Of `ws`, what is used here. */
interface Upgrading {
  readonly options: { maxPayload?: number }
  handleUpgrade(request: IncomingMessage, socket: Socket, head: Buffer, done: Upgraded): void
}
type Upgraded = (webSocket: EventEmitter, request: IncomingMessage) => void

interface ListenerParts {
  readonly server: Server
  readonly wsServer: Upgrading
}

function bounded(listener: Listener, options: WebSocketsOptions): Listener {
  if (!hasParts(listener)) {
    throw new PeerError(
      'LISTEN_FAILED',
      'This version of @libp2p/websockets cannot be bounded: install the pinned one.'
    )
  }
  const { server, wsServer } = listener
  server.maxConnections = options.socketsMax
  server.on('connection', socket => {
    socket.setTimeout(options.requestTimeoutMs, () => socket.destroy())
  })
  wsServer.options.maxPayload = MESSAGE_SIZE_BYTES_MAX
  const upgrade = wsServer.handleUpgrade.bind(wsServer)
  wsServer.handleUpgrade = (request, socket, head, done) => {
    upgrade(request, socket, head, (webSocket, upgraded) => {
      // Nobody else listens, and a stranger's broken frame would end this process. The close that follows is heard.
      webSocket.on('error', () => undefined)
      socket.setTimeout(options.inactivityTimeoutMs)
      done(webSocket, upgraded)
    })
  }
  return listener
}

function hasParts(listener: Listener): listener is Listener & ListenerParts {
  const { server, wsServer } = listener as Partial<ListenerParts>
  return server !== undefined && typeof wsServer?.options.maxPayload === 'number'
}
