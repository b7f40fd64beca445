/**
 * libp2p's `/tls/1.0.0` on the socket itself, so that OpenSSL reads and writes it without JavaScript in between.
 *
 * On the wire it is what other implementations speak. A connection whose socket cannot be had (a relayed one, say) is
 * left to @libp2p/tls, which runs TLS over a stream of JavaScript; that is loaded when the first such connection comes.
 */
import { constants, hash } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import {
  type ComponentLogger,
  type ConnectionEncrypter,
  InvalidCryptoExchangeError,
  type MessageStream,
  type Metrics,
  type PeerId,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  serviceCapabilities,
  UnexpectedPeerError,
  type Upgrader
} from '@libp2p/interface'
import { createIdentity, verifyCertificate } from './certificate.ts'
import { SocketConnection } from './socket-connection.ts'
import { TlsStream } from './tls-stream.ts'

export const TLS_PROTOCOL = '/tls/1.0.0'

/** Says in ALPN that the muxer is to be negotiated afterwards. */
const NO_EARLY_MUXER = 'libp2p'

/** What the socket takes before it asks to wait: a few frames of yamux, so that OpenSSL is never without work. */
const WRITE_BUFFER_SIZE_BYTES = 512 * 1024

/** Certificates whose peer is known: some 500 bytes each. */
const CERTIFICATES_KNOWN_MAX = 512

/** What libp2p hands to every encrypter. */
export interface TlsComponents {
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
  readonly metrics?: Metrics
}

/** An encrypter for libp2p's configuration. */
export function nativeTls(): (components: TlsComponents) => ConnectionEncrypter {
  return components => new NativeTls(components)
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = TLS_PROTOCOL
  readonly [Symbol.toStringTag] = '@holdfast/native-tls'
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #components: TlsComponents
  readonly #peers = new KnownPeers()
  #context: Promise<SecureContext> | undefined
  #overStreams: Promise<ConnectionEncrypter> | undefined

  constructor(components: TlsComponents) {
    this.#components = components
  }

  async secureInbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    if (!(connection instanceof SocketConnection))
      return (await this.#loadOverStreams()).secureInbound(connection, options)
    const muxers = this.#muxers(options)
    return this.#secure(connection, options, (socket, secureContext) => {
      const ALPNCallback = ({ protocols }: { protocols: string[] }) =>
        protocols.find(protocol => protocol === NO_EARLY_MUXER || muxers.includes(protocol))
      return new TLSSocket(socket, { isServer: true, requestCert: true, secureContext, ALPNCallback, ...SETTINGS })
    })
  }

  async secureOutbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    if (!(connection instanceof SocketConnection))
      return (await this.#loadOverStreams()).secureOutbound(connection, options)
    const ALPNProtocols = [...this.#muxers(options), NO_EARLY_MUXER]
    return this.#secure(connection, options, (socket, secureContext) =>
      connect({ socket, secureContext, ALPNProtocols, ...SETTINGS })
    )
  }

  async #secure(
    carrier: SocketConnection,
    { signal, remotePeer, skipStreamMuxerNegotiation }: SecureConnectionOptions,
    cover: (socket: Socket, secureContext: SecureContext) => TLSSocket
  ): Promise<SecuredConnection> {
    try {
      this.#context ??= createContext(this.#components.privateKey)
      const secureContext = await this.#context
      signal?.throwIfAborted()
      const socket = carrier.wrap(raw => cover(raw, secureContext))
      await handshake(socket, signal)
      const peerId = await this.#peers.of(socket)
      signal?.throwIfAborted()
      if (remotePeer !== undefined && !remotePeer.equals(peerId))
        throw new UnexpectedPeerError(`dialled ${remotePeer}, and ${peerId} answered`)
      const muxers = this.#components.upgrader.getStreamMuxers()
      const early = skipStreamMuxerNegotiation === true ? undefined : muxers.get(socket.alpnProtocol || NO_EARLY_MUXER)
      return {
        connection: new TlsStream(carrier, socket),
        remotePeer: peerId,
        ...(early !== undefined && { streamMuxer: early })
      }
    } catch (error) {
      carrier.abort(error instanceof Error ? error : new InvalidCryptoExchangeError(String(error)))
      throw error
    }
  }

  #muxers({ skipStreamMuxerNegotiation }: SecureConnectionOptions): string[] {
    return skipStreamMuxerNegotiation === true ? [] : [...this.#components.upgrader.getStreamMuxers().keys()]
  }

  #loadOverStreams(): Promise<ConnectionEncrypter> {
    this.#overStreams ??= import('@libp2p/tls').then(({ tls }) => tls()(this.#components))
    return this.#overStreams
  }
}

/** Certificates are self-signed; {@link peerOf} judges them, and nothing is sent before. */
const SETTINGS = { rejectUnauthorized: false, highWaterMark: WRITE_BUFFER_SIZE_BYTES }

async function createContext(privateKey: PrivateKey): Promise<SecureContext> {
  return createSecureContext({
    ...(await createIdentity(privateKey)),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // Sessions are never resumed: each handshake proves the peer's key anew.
    secureOptions: constants.SSL_OP_NO_TICKET
  })
}

/** @throws the signal's reason, OpenSSL's error, or `InvalidCryptoExchangeError` when the other side hangs up */
function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      signal?.removeEventListener('abort', aborted)
      then()
    }
    const aborted = () => settle(() => reject(signal?.reason))
    signal?.addEventListener('abort', aborted, { once: true })
    // OpenSSL has our last words of the handshake until this turn ends: the other side needs them sooner than we go on.
    socket.once('secure', () => setImmediate(() => settle(resolve)))
    // Stays: an error that comes after the handshake has failed is nobody's.
    socket.on('error', error => settle(() => reject(error)))
    socket.once('close', () => settle(() => reject(new InvalidCryptoExchangeError('hung up during the handshake'))))
  })
}

/**
 * Says who is at the other end of a handshake that is done.
 *
 * A peer keeps its certificate while it runs, and what its key has signed once stays signed: one that comes back is known,
 * which takes as long off its handshake as all of TLS. That it has the certificate's own key, each handshake shows anew.
 */
class KnownPeers {
  /** By SHA-256 of the certificate, those seen last at the end. */
  readonly #known = new Map<string, { readonly peerId: PeerId; readonly expiresMs: number }>()

  async of(socket: TLSSocket): Promise<PeerId> {
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) throw new InvalidCryptoExchangeError('no certificate')
    if (certificate.issuerCertificate !== undefined) throw new InvalidCryptoExchangeError('more than one certificate')
    const key = hash('sha256', certificate.raw)
    const known = this.#known.get(key)
    if (known !== undefined && Date.now() <= known.expiresMs) {
      this.#note(key, known)
      return known.peerId
    }
    const verdict = await verifyCertificate(certificate.raw)
    if (!verdict.ok) throw new InvalidCryptoExchangeError(`a certificate that is ${verdict.fault}`)
    this.#note(key, { peerId: verdict.peerId, expiresMs: certificate.validToDate.getTime() })
    return verdict.peerId
  }

  #note(key: string, peer: { readonly peerId: PeerId; readonly expiresMs: number }): void {
    this.#known.delete(key)
    this.#known.set(key, peer)
    const [oldest] = this.#known.keys()
    if (this.#known.size > CERTIFICATES_KNOWN_MAX) this.#known.delete(oldest!)
  }
}
