/** core's HTTP source on Node: kept connections, bounded answers, digests taken while bytes come. */
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpSource,
  isDialled,
  machineClock,
  type NetworkDescription,
  peerOriginOf,
  remembered
} from '@holdfast/core'
import type { TlsParty } from '../transport/tls-party.ts'
import { WebConnection } from './web-connection.ts'
import { createPeerDials, namedDial, plainDial, type WebAddress, type WebDial } from './web-dial.ts'

/** Of one server; a reader of ranges has one request under way, and some readers. */
const CONNECTIONS_PER_SERVER_MAX = 8
const CONNECTIONS_MAX = 64
/** Whose meaning is remembered. */
const ADDRESSES_MAX = 256
/** Servers of other makes end what is idle after five. */
const IDLE_MS_MAX = 4_000
/** Ours after fifteen. */
const PEER_IDLE_MS_MAX = 12_000

export interface HttpSourceOptions {
  /** Addresses that the network's description names: what is dialled depends on them. */
  readonly named: readonly string[]
  /** Says who is at the other end. Left out, no peers are asked at their own ports: by who speaks no TCP. */
  readonly party?: Pick<TlsParty, 'peerOf'> | undefined
  /** Default the machine's. */
  readonly now?: () => number
}

/** As every reader of a network has it. */
export function createReadersHttpSource(
  { addresses }: Pick<NetworkDescription, 'addresses'>,
  party: HttpSourceOptions['party']
): ReturnType<typeof createHttpSource> {
  return createHttpSource({ named: [...addresses.host, ...addresses.bootstrap], party })
}

/** `hangUp` ends its connections, and the next request opens one. */
export function createHttpSource({
  named,
  party,
  now = machineClock.now
}: HttpSourceOptions): HttpSource & Disposable & { hangUp(): void } {
  const connections = new Connections(createPeerDials(party ?? NOBODY, now))
  const mayDial = (address: string) =>
    isDialled(address, named) && (party !== undefined || peerOriginOf(address) === undefined)
  return {
    mayDial: remembered(mayDial, ADDRESSES_MAX),
    request: wanted => requestOnce(wanted, connections),
    hangUp: () => connections.closeAll(),
    [Symbol.dispose]: () => connections.closeAll()
  }
}

const NOBODY: Pick<TlsParty, 'peerOf'> = { peerOf: () => Promise.reject(new Error('no peers are asked')) }

/** Who is asked: what must be equal for two requests to go over the same connection. */
type Server = Pick<HttpRequest, 'origin' | 'peer'>

class Connections {
  readonly #dialPeer: (peer: string) => WebDial
  readonly #addressOf = remembered(addressOf, ADDRESSES_MAX)
  /** By server; those used last at the end of each. */
  readonly #open = new Map<string, WebConnection[]>()
  /** Who looks again when something has changed. */
  #waiting: (() => void)[] = []

  constructor(dialPeer: (peer: string) => WebDial) {
    this.#dialPeer = dialPeer
  }

  /** @returns one that is free, also a new one; undefined while there is room for none */
  take(server: Server): WebConnection | undefined {
    const key = `${server.origin} ${server.peer ?? ''}`
    const known = this.#open.get(key)?.filter(({ isOpen }) => isOpen) ?? []
    const free = known.findLast(({ isFree }) => isFree)
    if (free !== undefined) return free
    if (known.length >= CONNECTIONS_PER_SERVER_MAX || !this.#hasRoom()) return undefined
    const { dial, address, idleMsMax } = this.#wayTo(server)
    const onChange = () => this.#changed(key)
    const connection = new WebConnection(address, dial, { idleMsMax, onChange })
    this.#open.set(key, [...known, connection])
    return connection
  }

  /** Resolves when {@link take} may find one. */
  change(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
    })
  }

  closeAll(): void {
    for (const connection of this.#all()) connection.close()
  }

  #all(): WebConnection[] {
    return [...this.#open.values()].flat()
  }

  /** Of connections to other servers one that nobody uses gives way. */
  #hasRoom(): boolean {
    const all = this.#all().filter(({ isOpen }) => isOpen)
    if (all.length < CONNECTIONS_MAX) return true
    const unused = all.find(({ isFree }) => isFree)
    unused?.close()
    return unused !== undefined
  }

  #wayTo({ origin, peer }: Server): { dial: WebDial; address: WebAddress; idleMsMax: number } {
    const { isPlain, ...address } = this.#addressOf(origin)
    if (peer !== undefined) return { dial: this.#dialPeer(peer), address, idleMsMax: PEER_IDLE_MS_MAX }
    return { dial: isPlain ? plainDial : namedDial, address, idleMsMax: IDLE_MS_MAX }
  }

  #changed(key: string): void {
    const left = this.#open.get(key)?.filter(({ isOpen }) => isOpen) ?? []
    if (left.length === 0) this.#open.delete(key)
    else this.#open.set(key, left)
    for (const look of this.#waiting.splice(0)) look()
  }
}

function addressOf(origin: string): WebAddress & { readonly isPlain: boolean } {
  const { protocol, hostname, port } = new URL(origin)
  const isPlain = protocol === 'http:'
  const portByScheme = isPlain ? 80 : 443
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? portByScheme : Number(port), isPlain }
}

async function requestOnce(wanted: HttpRequest, connections: Connections): Promise<HttpAnswer> {
  const { timeoutMs, wholeTimeoutMs, signal } = wanted
  signal?.throwIfAborted()
  let connection: WebConnection | undefined
  const over = Promise.withResolvers<HttpAnswer>()
  let isOver = false
  const fail = (reason: string, isSilent = false) => {
    isOver = true
    over.resolve({ ok: false, reason, isSilent })
    connection?.close()
  }
  const endAfter = (ms: number) => setTimeout(() => fail(`gave no answer within ${ms} ms`, true), ms)
  let late = endAfter(timeoutMs)
  const aborted = () => fail('the reader left')
  signal?.addEventListener('abort', aborted, { once: true })
  function onAnswer(): void {
    clearTimeout(late)
    late = endAfter(wholeTimeoutMs)
    wanted.onAnswer()
  }
  try {
    for (;;) {
      connection = connections.take(wanted)
      if (connection !== undefined) break
      await Promise.race([connections.change(), over.promise])
      if (isOver) break
    }
    const answer = connection === undefined ? over.promise : connection.ask({ ...wanted, onAnswer })
    const first = await Promise.race([over.promise, answer])
    signal?.throwIfAborted()
    return first
  } finally {
    clearTimeout(late)
    signal?.removeEventListener('abort', aborted)
  }
}
