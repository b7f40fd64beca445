/** Opens the sockets over which web servers are asked. What is written to one waits until it is known who hears it. */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectSecurely, createSecureContext, type TLSSocket } from 'node:tls'
import { LastUsed } from '@holdfast/core'
import { HTTP_IN_ALPN } from '../transport/peer-web.ts'
import { SESSION_SECONDS_MAX, type TlsParty } from '../transport/tls-party.ts'

/** What TLS gives at once (RFC 8446 §5.1). */
const TLS_RECORD_SIZE_BYTES = 16 * 1024

export interface WebAddress {
  readonly host: string
  readonly port: number
}

/** One way to open a socket to a web server. */
export interface WebDial {
  /** What can be read from it at once. */
  readonly readSizeBytes: number
  open(address: WebAddress, onread: OnReadOpts): Socket
}

export const plainDial: WebDial = {
  // A quarter of the largest block that leaves have by default; more than Node's own 64 KiB, a leaf takes 0.5 ms less.
  readSizeBytes: 256 * 1024,
  open: (address, onread) => connect({ ...address, onread, noDelay: true })
}

/** To who shows a certificate of his name that the system trusts. */
export const namedDial: WebDial = {
  readSizeBytes: TLS_RECORD_SIZE_BYTES,
  open(address, onread) {
    const { host } = address
    const name = isIP(host) === 0 ? { servername: host } : {}
    const options = { ...address, ...name, onread, ALPNProtocols: [HTTP_IN_ALPN] }
    return connectSecurely(options).setNoDelay(true)
  }
}

// Half a millisecond less than OpenSSL's own choice, on a connection of five. Of what it protects nothing is secret in thirty
// years: which public blocks somebody has read.
const peerContext = createSecureContext({
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519'
})

/** Of sessions, one of each peer: some 300 as our peers give them; who gives larger ones has others forgotten. */
const SESSIONS_SIZE_BYTES_MAX = 256 * 1024

interface Session {
  readonly ticket: Buffer
  readonly sinceMs: number
}

/**
 * Opens sockets to the peer of an id, who shows libp2p's certificate, or that he has the secret of a session with who has shown it not
 * long ago: a third of a millisecond less. A session is not prolonged by its use, so nobody can follow by it for longer who comes back.
 */
export function createPeerDials(party: Pick<TlsParty, 'peerOf'>, now: () => number): (peer: string) => WebDial {
  const sessions = new LastUsed<Session>({
    weightMax: SESSIONS_SIZE_BYTES_MAX,
    weightOf: ({ ticket }) => ticket.length
  })
  const sessionWith = (peer: string) => {
    const { ticket, sinceMs } = sessions.get(peer) ?? {}
    return sinceMs !== undefined && now() - sinceMs < 1000 * SESSION_SECONDS_MAX ? ticket : undefined
  }

  async function verify(socket: TLSSocket, peer: string): Promise<void> {
    if (!socket.isSessionReused()) {
      const id = (await party.peerOf(socket)).toString()
      if (id !== peer) throw new Error(`${id} answered in place of ${peer}`)
      // Said after the handshake, by who is known now.
      socket.on('session', ticket => sessions.set(peer, { ticket, sinceMs: now() }))
    }
    socket.uncork()
  }

  return peer => ({
    readSizeBytes: TLS_RECORD_SIZE_BYTES,
    open(address, onread) {
      const session = sessionWith(peer)
      const options = {
        ...address,
        onread,
        ...(session !== undefined && { session }),
        secureContext: peerContext,
        ALPNProtocols: [HTTP_IN_ALPN],
        rejectUnauthorized: false
      }
      const socket = connectSecurely(options).setNoDelay(true)
      socket.cork()
      socket.once('secure', () => {
        verify(socket, peer).catch(error => socket.destroy(error))
      })
      return socket
    }
  })
}
