/**
 * The peer's libp2p node: TCP and WebSockets, TLS or else Noise, yamux, identify, and nothing that finds or tells strangers by itself
 * (no bootstrap, DHT, mDNS, UPnP). With a blockstore it also serves its blocks to everybody who speaks bitswap.
 *
 * libp2p's own defaults let twelve silent sockets lock everybody out and a slow reader fill the memory; the values
 * below are bounds for a machine at home. What one stream may hold is bounded again by the protocols (core, limits.ts).
 */
import { machineClock, type NetworkDescription } from '@holdfast/core'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import type { Blockstore } from 'interface-blockstore'
import { createLibp2p } from 'libp2p'
import { createBlockExchange } from './blocks/exchange.ts'
import { PeerError } from './error.ts'
import { createConnectionGater } from './transport/connection-gater.ts'
import { muxer } from './transport/muxer.ts'
import { noteOnce } from './transport/note-once.ts'
import { createPeerWeb, type PeerWeb } from './transport/peer-web.ts'
import { tcp } from './transport/tcp.ts'
import { nativeTls } from './transport/tls-encrypter.ts'
import { createTlsParty, type TlsParty } from './transport/tls-party.ts'
import { webSockets } from './transport/websockets.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** A secp256k1 scalar, as the key file holds it. */
const PRIVATE_KEY_SIZE_BYTES = 32

/** Peers that a home machine talks to at once; about 200 KB each while idle. */
const CONNECTIONS_MAX = 128
/** Sockets that may be in their handshake; libp2p's 10 are filled by one silent host. */
const PENDING_CONNECTIONS_MAX = 256
/** Connections that speak HTTP: half as many as peers. */
const WEB_CONNECTIONS_MAX = 64
/** Sockets of all kinds; one more is closed before a byte is read. */
const SOCKETS_MAX = CONNECTIONS_MAX + PENDING_CONNECTIONS_MAX + WEB_CONNECTIONS_MAX
/**
 * For the first word, and then for the whole handshake, a few round trips. One host fills 16/s × 3 s = 48 of the pending places, not
 * all; of those who have said nothing it has no more than the gate lets in.
 */
const HANDSHAKE_TIMEOUT_MS = 3_000
/** New connections a second from one address: a household or a devnet behind one, but no flood. */
const CONNECTIONS_PER_ADDRESS_PER_SECOND_MAX = 16
/** The kernel's queue before `accept`. */
const BACKLOG = 128
/** A silent socket; live ones carry yamux's keep-alive every 30 s. */
const SOCKET_INACTIVITY_TIMEOUT_MS = 60_000

/** On one connection, over all protocols. */
const STREAMS_MAX = 32
/** Streams that arrive before identify is done; more than libp2p's 10 would kill the connection of a busy dialler. */
const EARLY_STREAMS_MAX = 256
/**
 * Bytes under way on a stream: a chunk of a transfer, and the nodes above it that come with it (core, send-chunks.ts). Must
 * not exceed the read buffer, or libp2p resets a stream for obeying it.
 */
const STREAM_WINDOW_SIZE_BYTES = MIB + 64 * KIB
const STREAM_READ_BUFFER_SIZE_BYTES = 2 * MIB
/** Above the three chunks that a transfer may have in flight (core, `CHUNKS_IN_FLIGHT_MAX`). */
const STREAM_WRITE_BUFFER_SIZE_BYTES = 4 * MIB

/** What peers of a network speak anyway. libp2p's own protocols are asked for first: it tells by the answer what to do. */
const OUR_PROTOCOLS = '/holdfast/'

/**
 * From the opening of a connection until we ask who is there, and what it speaks: only bitswap and libp2p's own services
 * want to know. The answer's signatures take a home machine as long as all else about a connection, and what was asked for
 * by dialling goes first; a connection that ends before needs none of it.
 */
const IDENTIFY_AFTER_MS = 1_000

const PING_INTERVAL_MS = 15_000
/** A peer that hashes a gigabyte answers late; only one that is gone answers not at all. */
const PING_TIMEOUT_MS = 20_000

export const TRANSPORTS = ['tcp', 'websockets'] as const
export type TransportName = (typeof TRANSPORTS)[number]

export interface NodeOptions {
  /** 32 bytes, secp256k1: the PeerId is this key's */
  readonly privateKey: Uint8Array
  /** multiaddrs; port 0 takes a free one, no address makes a node that only dials */
  readonly listen: readonly string[]
  /** multiaddrs to tell others in place of those it listens on */
  readonly announce?: readonly string[]
  /** blocks that anybody may have */
  readonly blockstore?: Blockstore
  /** which it speaks; both when left out */
  readonly transports?: readonly TransportName[]
  /** the network it belongs to: bounds what is dialled; without one, as its operator says */
  readonly network?: () => Pick<NetworkDescription, 'addresses'>
}

/** What the peer's protocols need of libp2p. */
export type NodeTransport = Pick<
  Libp2p,
  | 'dial'
  | 'dialProtocol'
  | 'handle'
  | 'unhandle'
  | 'hangUp'
  | 'getConnections'
  | 'addEventListener'
  | 'removeEventListener'
>

export interface PeerNode extends AsyncDisposable {
  readonly peerId: PeerId
  readonly libp2p: NodeTransport
  /** HTTPS on the port of its TCP addresses. */
  readonly web: Pick<PeerWeb, 'serve'>
  /** What it shows in handshakes, and who the others are. */
  readonly party: TlsParty
  /** Hangs up on a peer, and shuts it out for a while. @param peer - text of its id */
  ban(peer: string): void
  /** where it is reached, each with the PeerId: where it listens, or what it announces; empty while stopped */
  addresses(): string[]
  /**
   * Idempotent.
   *
   * @throws {PeerError} `PORT_IN_USE`, `LISTEN_FAILED`
   */
  start(): Promise<void>
  /** Closes all connections. Idempotent; a stopped node can be started again. */
  stop(): Promise<void>
}

/** Builds a node, stopped. */
export async function createNode({
  privateKey,
  listen,
  announce,
  blockstore,
  transports = TRANSPORTS,
  network
}: NodeOptions): Promise<PeerNode> {
  if (privateKey.length !== PRIVATE_KEY_SIZE_BYTES) {
    throw new RangeError(`a private key has ${PRIVATE_KEY_SIZE_BYTES} bytes, got ${privateKey.length}`)
  }
  const gater = createConnectionGater(network && (() => addressesOf(network())))
  const key = privateKeyFromRaw(privateKey)
  const party = createTlsParty(key)
  const web = createPeerWeb(party, {
    connectionsMax: WEB_CONNECTIONS_MAX,
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS
  })
  const transportFactories = {
    tcp: () =>
      tcp({
        socketsMax: SOCKETS_MAX,
        backlog: BACKLOG,
        inactivityTimeoutMs: SOCKET_INACTIVITY_TIMEOUT_MS,
        greeting: { msMax: HANDSHAKE_TIMEOUT_MS, silentMax: PENDING_CONNECTIONS_MAX },
        gate: gater,
        web
      }),
    websockets: () =>
      webSockets({
        socketsMax: SOCKETS_MAX,
        requestTimeoutMs: HANDSHAKE_TIMEOUT_MS,
        inactivityTimeoutMs: SOCKET_INACTIVITY_TIMEOUT_MS
      })
  }
  const libp2p = await createLibp2p({
    start: false,
    privateKey: key,
    nodeInfo: { name: 'holdfast', version: '1', userAgent: 'holdfast/1' },
    addresses: { listen: [...listen], ...(announce !== undefined && { announce: [...announce] }) },
    transports: transports.map(name => transportFactories[name]()),
    connectionGater: gater,
    // Offered in this order; what the other side does not speak costs a round trip. TLS pays on a socket of its own only.
    connectionEncrypters: transports.includes('tcp') ? [nativeTls(party), noise()] : [noise(), nativeTls(party)],
    streamMuxers: [
      muxer({
        streamsMax: STREAMS_MAX,
        earlyStreamsMax: EARLY_STREAMS_MAX,
        windowSizeBytes: STREAM_WINDOW_SIZE_BYTES,
        readBufferSizeBytes: STREAM_READ_BUFFER_SIZE_BYTES,
        writeBufferSizeBytes: STREAM_WRITE_BUFFER_SIZE_BYTES,
        offeredPrefix: OUR_PROTOCOLS
      })
    ],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: PENDING_CONNECTIONS_MAX,
      inboundConnectionThreshold: CONNECTIONS_PER_ADDRESS_PER_SECOND_MAX,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS, pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
    services: { identify: identify({ runOnConnectionOpen: false }) }
  })
  noteOnce(libp2p.peerStore, libp2p.peerId, machineClock)
  libp2p.addEventListener('connection:open', ({ detail: connection }) => {
    const asking = setTimeout(() => {
      // One that does not answer is no worse for it.
      libp2p.services.identify.identify(connection).catch(() => undefined)
    }, IDENTIFY_AFTER_MS)
    asking.unref()
    connection.addEventListener('close', () => clearTimeout(asking), { once: true })
  })
  const exchange = blockstore === undefined ? undefined : createBlockExchange(libp2p, blockstore)

  /** The step that is under way or was taken last; the next waits for it. */
  let step: Promise<void> = Promise.resolve()
  const after = (next: () => Promise<void>) => {
    step = step.catch(() => {}).then(next)
    return step
  }

  const stop = () =>
    after(async () => {
      if (libp2p.status !== 'started') return
      web.hangUp()
      await exchange?.stop()
      await libp2p.stop()
    })
  return {
    peerId: libp2p.peerId,
    libp2p,
    web,
    party,
    ban(peer) {
      gater.ban(peer)
      for (const connection of libp2p.getConnections())
        if (connection.remotePeer.toString() === peer) connection.abort(new Error('shut out for what it did'))
    },
    addresses: () => (libp2p.status === 'started' ? libp2p.getMultiaddrs().map(String) : []),
    start: () =>
      after(async () => {
        if (libp2p.status === 'started') return
        try {
          await libp2p.start()
        } catch (error) {
          throw explainListenFailure(error, listen)
        }
        await exchange?.start()
      }),
    stop,
    [Symbol.asyncDispose]: stop
  }
}

function addressesOf({ addresses: { host, bootstrap } }: Pick<NetworkDescription, 'addresses'>): readonly string[] {
  return [...host, ...bootstrap]
}

/** libp2p puts what went wrong with each address into one text; this reads it back. */
function explainListenFailure(error: unknown, listen: readonly string[]): unknown {
  if (!(error instanceof Error) || error.name !== 'UnsupportedListenAddressesError') return error
  const taken = /^\s*(\/\S+): .*EADDRINUSE/m.exec(error.message)?.[1]
  if (taken !== undefined) {
    return new PeerError(
      'PORT_IN_USE',
      `Another program listens on ${taken}: stop it, or let this peer listen on another address (port 0 takes a free one).`,
      { address: taken },
      { cause: error }
    )
  }
  return new PeerError(
    'LISTEN_FAILED',
    `This machine cannot listen on all of ${listen.join(', ')}: correct the addresses in the config.`,
    { listen },
    { cause: error }
  )
}
