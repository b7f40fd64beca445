/**
 * libp2p's `/tls/1.0.0` on the socket itself, so that OpenSSL reads and writes it without JavaScript in between.
 *
 * On the wire it is what other implementations speak. A connection whose socket cannot be had (a relayed one, say) is
 * left to @libp2p/tls, which runs TLS over a stream of JavaScript; that is loaded when the first such connection comes.
 */
import type { Socket } from 'node:net'
import { connect, type SecureContext, TLSSocket } from 'node:tls'
import {
  type ComponentLogger,
  type ConnectionEncrypter,
  InvalidCryptoExchangeError,
  type MessageStream,
  type Metrics,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  serviceCapabilities,
  UnexpectedPeerError,
  type Upgrader
} from '@libp2p/interface'
import { SocketConnection } from './socket-connection.ts'
import { createTlsParty, handshake, TLS_SETTINGS, type TlsParty } from './tls-party.ts'
import { TlsStream } from './tls-stream.ts'

export const TLS_PROTOCOL = '/tls/1.0.0'

/** Says in ALPN that the muxer is to be negotiated afterwards. */
const NO_EARLY_MUXER = 'libp2p'

/** What libp2p hands to every encrypter. */
export interface TlsComponents {
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
  readonly metrics?: Metrics
}

/** An encrypter for libp2p's configuration. @param party - shows itself with a certificate that others of this peer show too */
export function nativeTls(party?: TlsParty): (components: TlsComponents) => ConnectionEncrypter {
  return components => new NativeTls(components, party ?? createTlsParty(components.privateKey))
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = TLS_PROTOCOL
  readonly [Symbol.toStringTag] = '@holdfast/native-tls'
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #components: TlsComponents
  readonly #party: TlsParty
  #overStreams: Promise<ConnectionEncrypter> | undefined

  constructor(components: TlsComponents, party: TlsParty) {
    this.#components = components
    this.#party = party
  }

  async secureInbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    if (!(connection instanceof SocketConnection))
      return (await this.#loadOverStreams()).secureInbound(connection, options)
    const muxers = this.#muxers(options)
    return this.#secure(connection, options, (socket, secureContext) => {
      const ALPNCallback = ({ protocols }: { protocols: string[] }) =>
        protocols.find(protocol => protocol === NO_EARLY_MUXER || muxers.includes(protocol))
      return new TLSSocket(socket, { isServer: true, requestCert: true, secureContext, ALPNCallback, ...TLS_SETTINGS })
    })
  }

  async secureOutbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    if (!(connection instanceof SocketConnection))
      return (await this.#loadOverStreams()).secureOutbound(connection, options)
    const ALPNProtocols = [...this.#muxers(options), NO_EARLY_MUXER]
    return this.#secure(connection, options, (socket, secureContext) =>
      connect({ socket, secureContext, ALPNProtocols, ...TLS_SETTINGS })
    )
  }

  async #secure(
    carrier: SocketConnection,
    { signal, remotePeer, skipStreamMuxerNegotiation }: SecureConnectionOptions,
    cover: (socket: Socket, secureContext: SecureContext) => TLSSocket
  ): Promise<SecuredConnection> {
    try {
      const secureContext = await this.#party.context()
      signal?.throwIfAborted()
      const socket = carrier.wrap(raw => cover(raw, secureContext))
      await handshake(socket, signal)
      const peerId = await this.#party.peerOf(socket)
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
