/**
 * A peer as a party of TLS handshakes in which both sides show libp2p's certificate: what it shows, and who the others are.
 *
 * Used by libp2p's encrypter, and by streams that have a connection of their own.
 */
import { constants, hash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { InvalidCryptoExchangeError, type PeerId, type PrivateKey } from '@libp2p/interface'
import { createIdentity, type Identity, verifyCertificate } from './certificate.ts'

/** What the socket takes before it asks to wait: a few frames of yamux, so that OpenSSL is never without work. */
const WRITE_BUFFER_SIZE_BYTES = 512 * 1024

/** Certificates whose peer is known: some 500 bytes each. */
const CERTIFICATES_KNOWN_MAX = 512

/** How long a session can be resumed, seconds. */
export const SESSION_SECONDS_MAX = 300

export interface TlsParty {
  /** With our certificate, which is made once. Sessions are never resumed: each handshake proves both peers' keys anew. */
  context(): Promise<SecureContext>
  /** With the same certificate, for those who only want to know who we are, and who resume what they had with us not long ago. */
  webContext(): Promise<SecureContext>
  /** Says who is at the other end of a handshake that is done. @throws `InvalidCryptoExchangeError` */
  peerOf(socket: TLSSocket): Promise<PeerId>
}

export function createTlsParty(privateKey: PrivateKey): TlsParty {
  const peers = new KnownPeers()
  let identity: Promise<Identity> | undefined
  let context: Promise<SecureContext> | undefined
  let webContext: Promise<SecureContext> | undefined
  async function create(options: SecureContextOptions): Promise<SecureContext> {
    identity ??= createIdentity(privateKey)
    return createSecureContext({ ...(await identity), minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ...options })
  }
  return {
    context() {
      context ??= create({ secureOptions: constants.SSL_OP_NO_TICKET })
      return context
    },
    webContext() {
      webContext ??= create({ sessionTimeout: SESSION_SECONDS_MAX })
      return webContext
    },
    peerOf: socket => peers.of(socket)
  }
}

/** Certificates are self-signed; {@link TlsParty.peerOf} judges them, and nothing is sent before. */
export const TLS_SETTINGS = { rejectUnauthorized: false, highWaterMark: WRITE_BUFFER_SIZE_BYTES }

/** @throws the signal's reason, OpenSSL's error, or `InvalidCryptoExchangeError` when the other side hangs up */
export function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
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
