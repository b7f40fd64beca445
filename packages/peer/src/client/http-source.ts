/** core's HTTP source on Node: kept connections, bounded answers, digests taken while bytes come. */
import { createHash } from 'node:crypto'
import { type AgentOptions, type ClientRequestArgs, get, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { get as getSecurely, Agent as HttpsAgent } from 'node:https'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectSecurely, createSecureContext, type TLSSocket } from 'node:tls'
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpSource,
  isDialled,
  type NetworkDescription,
  peerOriginOf
} from '@holdfast/core'
import { HTTP_IN_ALPN } from '../transport/peer-web.ts'
import type { TlsParty } from '../transport/tls-party.ts'

/** Of one server; a reader of ranges has one request under way, and some readers. */
const SOCKETS_PER_HOST_MAX = 8
const SOCKETS_MAX = 64
/** Servers of other makes end what is idle after five. */
const IDLE_MS_MAX = 4_000
/** Ours after fifteen. */
const PEER_IDLE_MS_MAX = 12_000

export interface HttpSourceOptions {
  /** Addresses that the network's description names: what is dialled depends on them. */
  readonly named: () => readonly string[]
  /** Says who is at the other end. Left out, no peers are asked at their own ports: by who speaks no TCP. */
  readonly party?: Pick<TlsParty, 'peerOf'> | undefined
}

/** As every reader of a network has it. */
export function createReadersHttpSource(
  { addresses }: Pick<NetworkDescription, 'addresses'>,
  party: HttpSourceOptions['party']
): ReturnType<typeof createHttpSource> {
  return createHttpSource({ named: () => [...addresses.host, ...addresses.bootstrap], party })
}

/** `hangUp` ends its connections, and the next request opens one. */
export function createHttpSource({ named, party }: HttpSourceOptions): HttpSource & Disposable & { hangUp(): void } {
  const terms = {
    keepAlive: true,
    noDelay: true,
    maxSockets: SOCKETS_PER_HOST_MAX,
    maxTotalSockets: SOCKETS_MAX,
    timeout: IDLE_MS_MAX
  }
  const agents = {
    http: new WideAgent(terms),
    https: new HttpsAgent(terms),
    peer: new PeerAgent({ ...terms, timeout: PEER_IDLE_MS_MAX }, party ?? NOBODY)
  }
  const hangUp = () => {
    for (const agent of Object.values(agents)) agent.destroy()
  }
  return {
    mayDial: address => isDialled(address, named()) && (party !== undefined || peerOriginOf(address) === undefined),
    request: wanted => requestOnce(wanted, agents),
    hangUp,
    [Symbol.dispose]: hangUp
  }
}

const NOBODY: Pick<TlsParty, 'peerOf'> = { peerOf: () => Promise.reject(new Error('no peers are asked')) }

/** A quarter of the largest block that leaves have by default. */
const READ_SIZE_BYTES = 256 * 1024

/** Of connections that ended: memory that is made anew for each brings the collector of garbage every few connections. */
const SPARE_BUFFERS_MAX = 8
const spare: Buffer[] = []

/**
 * Reads more at once than the 64 KiB that Node makes an array for each time: a leaf takes 0.5 ms less.
 *
 * The memory is used again for the next read. Between two reads Node does all that was put off, so whoever listens has copied
 * what he wants, as long as he never pauses; `receive`, which is all that listens, does not.
 */
class WideAgent extends HttpAgent {
  override createConnection(options: NetConnectOpts): Socket {
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(READ_SIZE_BYTES)
    const socket: Socket = connect({
      ...options,
      onread: {
        buffer,
        callback(sizeBytes, bytes) {
          socket.push(bytes.subarray(0, sizeBytes))
          return true
        }
      }
    })
    // Nothing is read into it any more.
    socket.once('close', () => {
      if (spare.length < SPARE_BUFFERS_MAX) spare.push(buffer)
    })
    return socket
  }
}

interface PeerRequestArgs extends ClientRequestArgs {
  /** Text of the id whose key must have made the certificate. */
  readonly peer?: string
}

/** Speaks to peers: TLS in which the other side shows libp2p's certificate, and nothing is said before it was looked at. */
class PeerAgent extends HttpAgent {
  readonly #party: Pick<TlsParty, 'peerOf'>
  // Half a millisecond less than OpenSSL's own choice, on a connection of five. Of what it protects nothing is secret in thirty
  // years: which public blocks somebody has read.
  readonly #secureContext = createSecureContext({
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'X25519'
  })

  constructor(terms: AgentOptions, party: Pick<TlsParty, 'peerOf'>) {
    super(terms)
    this.#party = party
  }

  override getName(options?: PeerRequestArgs): string {
    return `${super.getName(options)}:${options?.peer}`
  }

  /** What is written waits until it is known who hears it. */
  override createConnection({ host, port, peer }: PeerRequestArgs): TLSSocket {
    const socket = connectSecurely({
      host: host ?? '',
      port: Number(port),
      secureContext: this.#secureContext,
      ALPNProtocols: [HTTP_IN_ALPN],
      rejectUnauthorized: false
    })
    socket.setNoDelay(true)
    socket.cork()
    socket.once('secure', () => {
      this.#party.peerOf(socket).then(
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

async function requestOnce(
  wanted: HttpRequest,
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent; readonly peer: HttpAgent }
): Promise<HttpAnswer> {
  const { origin, peer, target, range, timeoutMs, wholeTimeoutMs, signal } = wanted
  signal?.throwIfAborted()
  const { protocol, hostname, port } = new URL(origin)
  const isSecure = protocol === 'https:' && peer === undefined
  const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
  const asked: PeerRequestArgs = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : port,
    path: target,
    agent: isSecure ? agents.https : peer === undefined ? agents.http : agents.peer,
    headers: {
      accept: 'application/vnd.ipld.raw',
      ...(range !== undefined && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` })
    },
    ...(peer !== undefined && { peer })
  }
  const asking = (isSecure ? getSecurely : get)(asked)
  const fail = (reason: string, isSilent = false) => {
    asking.destroy()
    resolve({ ok: false, reason, isSilent })
  }
  const endAfter = (ms: number) => setTimeout(() => fail(`gave no answer within ${ms} ms`, true), ms)
  let late = endAfter(timeoutMs)
  const aborted = () => fail('the reader left')
  signal?.addEventListener('abort', aborted, { once: true })
  asking.once('error', ({ message }) => fail(message))
  asking.once('response', response => {
    clearTimeout(late)
    late = endAfter(wholeTimeoutMs)
    receive(response, wanted, resolve, fail)
  })
  try {
    const answer = await promise
    signal?.throwIfAborted()
    return answer
  } finally {
    clearTimeout(late)
    signal?.removeEventListener('abort', aborted)
  }
}

function receive(
  response: IncomingMessage,
  wanted: HttpRequest,
  resolve: (answer: HttpAnswer) => void,
  fail: (reason: string) => void
): void {
  const sizeBytes = Number(response.headers['content-length'] ?? Number.NaN)
  const fault = faultOf(response.statusCode, sizeBytes, wanted)
  if (fault !== undefined) {
    fail(fault)
    return
  }
  const { range, allocate, onAnswer } = wanted
  onAnswer()
  const bytes = allocate(sizeBytes)
  const hash = createHash('sha256')
  let filled = 0
  response.on('data', (chunk: Buffer) => {
    // Node's parser reads no further than the length that the server said.
    bytes.set(chunk, filled)
    filled += chunk.length
    if (range === undefined) hash.update(chunk)
    if (filled === sizeBytes) resolve({ ok: true, bytes, sha256: hash.digest() })
  })
  if (sizeBytes === 0) response.once('end', () => resolve({ ok: true, bytes, sha256: hash.digest() }))
  response.once('close', () => {
    if (!response.complete) fail('ended in the middle of a block')
  })
  response.once('error', ({ message }) => fail(message))
}

/** Why an answer is not read, by its headers. */
function faultOf(
  status: number | undefined,
  sizeBytes: number,
  { range, sizeBytesMax }: Pick<HttpRequest, 'range' | 'sizeBytesMax'>
): string | undefined {
  if (status !== (range === undefined ? 200 : 206)) return `answered with status ${status}`
  if (!(sizeBytes <= sizeBytesMax)) return 'does not say that it sends a block'
  return range !== undefined && sizeBytes !== range.length ? 'sends another part' : undefined
}
