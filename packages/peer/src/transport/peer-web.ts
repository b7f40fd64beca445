/**
 * HTTPS on the port of libp2p, with the certificate that libp2p shows: whoever wants one thing from a peer asks for it as soon
 * as TLS has said who is there. Nothing else is negotiated, and who asks does not say who he is.
 *
 * A connection comes through the same gate as libp2p's. What it says first tells which it is: no connection of libp2p begins with
 * a handshake of TLS. ALPN says `http/1.1`.
 */
import { createServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { TLS_SETTINGS, type TlsParty } from './tls-party.ts'

/** ContentType of a TLS record that belongs to a handshake (RFC 8446 §5.1). libp2p begins with the length of a line: 19. */
const TLS_HANDSHAKE = 22
export const HTTP_IN_ALPN = 'http/1.1'
const ALPNProtocols = [HTTP_IN_ALPN]

/** A CID, and what others send along. */
const HEADERS_SIZE_BYTES_MAX = 8 * 1024
/** From one answer to the whole of the next request; a reader that goes on asks at once. */
const BETWEEN_REQUESTS_MS_MAX = 15_000

export interface PeerWebTerms {
  /** Connections at once; who is too many finds libp2p's places. */
  readonly connectionsMax: number
  /** For the handshake and the first request. */
  readonly handshakeTimeoutMs: number
}

export interface PeerWeb {
  /** Whether a connection that begins so is for us. */
  isOpening(first: Uint8Array): boolean
  /** Takes a socket that came in, with what it said first still to be read. */
  accept(socket: Socket): Promise<void>
  /**
   * Answers requests until it is disposed; while nothing is served, nobody speaks HTTP here.
   *
   * @param path - what the targets of its requests begin with, as `/ipfs/`
   */
  serve(path: string, listener: RequestListener): Disposable
  /** Ends all connections. */
  hangUp(): void
}

export function createPeerWeb(
  party: Pick<TlsParty, 'webContext'>,
  { connectionsMax, handshakeTimeoutMs }: PeerWebTerms
): PeerWeb {
  const open = new Set<Socket>()
  const listeners = new Map<string, RequestListener>()
  const hangUp = () => {
    for (const socket of open) socket.destroy()
  }
  // It never listens itself, so Node does not look after how long its requests take.
  const server = createServer({ maxHeaderSize: HEADERS_SIZE_BYTES_MAX, keepAliveTimeout: 0 })
  const late = new WeakMap<Socket, NodeJS.Timeout>()
  function endAfter(socket: Socket, ms: number): void {
    const ending = setTimeout(() => socket.destroy(), ms)
    late.set(socket, ending)
  }
  const mayGoOn = (socket: Socket) => clearTimeout(late.get(socket))
  server.on('connection', (socket: Socket) => {
    endAfter(socket, handshakeTimeoutMs)
    socket.once('close', () => mayGoOn(socket))
  })
  server.on('request', (request, response) => {
    const { socket } = request
    // Who offers no protocol gets through the handshake.
    if (!(socket instanceof TLSSocket) || socket.alpnProtocol !== HTTP_IN_ALPN) return void socket.destroy()
    mayGoOn(socket)
    response.once('close', () => {
      if (!socket.destroyed) endAfter(socket, BETWEEN_REQUESTS_MS_MAX)
    })
    const [path = ''] = /^\/[^/?]*\/?/.exec(request.url ?? '') ?? []
    const listener = listeners.get(path)
    if (listener === undefined) response.writeHead(404).end()
    else listener(request, response)
  })

  return {
    isOpening: ([first]) => first === TLS_HANDSHAKE && listeners.size > 0,
    async accept(socket) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      const secureContext = open.size > connectionsMax ? undefined : await party.webContext().catch(() => undefined)
      if (secureContext === undefined || socket.destroyed) {
        socket.resetAndDestroy()
        return
      }
      const secured = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols, ...TLS_SETTINGS })
      // While the handshake waits for the other side, all is made ready for what comes after it.
      server.emit('connection', secured)
    },
    serve(path, listener) {
      listeners.set(path, listener)
      return {
        [Symbol.dispose]() {
          listeners.delete(path)
          if (listeners.size === 0) hangUp()
        }
      }
    },
    hangUp
  }
}
