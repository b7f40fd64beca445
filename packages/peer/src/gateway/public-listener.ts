/**
 * A web server that strangers may reach, bounded like the peer's other sockets: so many at once, so many of a subnet, so long for a
 * request. TLS is not offered: who has a certificate for a name has a web server that can stand in front.
 */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConnectionGate } from '@holdfast/core'
import { getNetConfig, getThinWaistAddresses } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { PeerError, systemCodeOf } from '../error.ts'
import { addressOfSocket } from '../transport/socket-address.ts'

const SOCKETS_MAX = 128
/** The kernel's queue before `accept`. */
const BACKLOG = 128
/** A request comes whole within this, and has no body. */
const REQUEST_MS_MAX = 3_000
const LATE_CHECK_MS = 1_000
/** Between two requests; a reader that goes on in a file asks again at once. */
const IDLE_MS_MAX = 15_000
/** A CID, and what browsers send along. */
const HEADERS_SIZE_BYTES_MAX = 8 * 1024

export interface PublicListener extends AsyncDisposable {
  /** Multiaddrs, of a wildcard one for each interface. */
  addresses(): string[]
}

/**
 * Resolves when requests are taken.
 *
 * @param address - multiaddr that ends with `/tcp/PORT/http`; port 0 takes a free one
 * @throws {PeerError} `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function listenPublicly(
  address: string,
  listener: RequestListener,
  gate: Pick<ConnectionGate, 'admit'>
): Promise<PublicListener> {
  const server = createServer(
    {
      noDelay: true,
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: IDLE_MS_MAX,
      connectionsCheckingInterval: LATE_CHECK_MS,
      maxHeaderSize: HEADERS_SIZE_BYTES_MAX
    },
    listener
  )
  server.maxConnections = SOCKETS_MAX
  server.on('connection', socket => {
    const leave = gate.admit(addressOfSocket(socket))
    if (leave === undefined) socket.destroy()
    else socket.once('close', leave)
  })
  const wanted = multiaddr(address)
  const { host, port = 0, type } = getNetConfig(wanted)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: type === 'ip6', backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  }).catch((cause: unknown) => {
    throw explain(cause, address)
  })
  return {
    addresses() {
      const bound = server.address() as AddressInfo | null
      const thin = wanted.decapsulate('/http')
      return bound === null ? [] : getThinWaistAddresses(thin, bound.port).map(one => `${one}/http`)
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    }
  }
}

function explain(cause: unknown, address: string): PeerError {
  const isTaken = systemCodeOf(cause) === 'EADDRINUSE'
  return new PeerError(
    isTaken ? 'PORT_IN_USE' : 'LISTEN_FAILED',
    isTaken
      ? `Another program listens on ${address}: stop it, or give the gateway another address in the config, [gateway] listen.`
      : `The gateway cannot listen on ${address} (${systemCodeOf(cause)}): correct [gateway] listen in the config.`,
    { address },
    { cause }
  )
}
