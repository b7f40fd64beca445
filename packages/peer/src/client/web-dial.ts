/** Opens the sockets over which web servers are asked. What is written to one waits until it is known who hears it. */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectSecurely, createSecureContext } from 'node:tls'
import { HTTP_IN_ALPN } from '../transport/peer-web.ts'
import type { TlsParty } from '../transport/tls-party.ts'

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

/** To the peer of an id, who shows libp2p's certificate. */
export function peerDial(party: Pick<TlsParty, 'peerOf'>, peer: string): WebDial {
  return {
    readSizeBytes: TLS_RECORD_SIZE_BYTES,
    open(address, onread) {
      const options = {
        ...address,
        onread,
        secureContext: peerContext,
        ALPNProtocols: [HTTP_IN_ALPN],
        rejectUnauthorized: false
      }
      const socket = connectSecurely(options).setNoDelay(true)
      socket.cork()
      socket.once('secure', () => {
        party.peerOf(socket).then(
          id => {
            if (id.toString() === peer) socket.uncork()
            else socket.destroy(new Error(`${id} answered in place of ${peer}`))
          },
          error => socket.destroy(error)
        )
      })
      return socket
    }
  }
}
