/** Two real libp2p nodes on loopback, and the parts of a protocol's surroundings that tests hold in their hands. */
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2p } from 'libp2p'
import { createLibp2p } from 'libp2p'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { Clock } from '../../src/clock.ts'

export const NETWORK_ID = new Uint8Array(32).fill(7)

export interface Pair extends AsyncDisposable {
  readonly client: Libp2p
  readonly server: Libp2p
}

export async function openPair(): Promise<Pair> {
  const [client, server] = await Promise.all([createNode(), createNode()])
  await client.dial(server.getMultiaddrs())
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      await Promise.all([client.stop(), server.stop()])
    }
  }
}

/** The pair that the tests of a file share, and the service that a test put on it. */
export interface SharedPair {
  pair: Pair
  service: AsyncDisposable | undefined
}

/** Opens a pair for the tests of a file. Whatever happened in a test, neither side keeps a stream of the protocol. */
export function usePair(protocolId: string): SharedPair {
  const net = { service: undefined } as SharedPair
  beforeAll(async () => {
    net.pair = await openPair()
  })
  afterEach(async () => {
    await net.service?.[Symbol.asyncDispose]()
    net.service = undefined
    const { client, server } = net.pair
    await expect.poll(() => openStreams(client, protocolId) + openStreams(server, protocolId)).toBe(0)
  })
  afterAll(() => net.pair[Symbol.asyncDispose]())
  return net
}

/** A node that listens on loopback. */
export async function createNode(): Promise<Libp2p> {
  return await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxEarlyStreams: 256 })],
    connectionMonitor: { enabled: false }
  })
}

/** Streams of a protocol that are open on this side. */
export function openStreams(node: Libp2p, protocolId: string): number {
  return node.getConnections().flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === protocolId))
    .length
}

/** Time that stands still until `elapse` is called. */
export function openManualClock(): { sleep: Clock['sleep']; elapse(): void; readonly sleepers: number } {
  const sleepers = new Set<() => void>()
  return {
    sleep(_ms, signal) {
      return new Promise((resolve, reject) => {
        sleepers.add(resolve)
        signal?.addEventListener('abort', () => {
          sleepers.delete(resolve)
          reject(signal.reason)
        })
      })
    },
    elapse() {
      for (const wake of sleepers) wake()
      sleepers.clear()
    },
    get sleepers() {
      return sleepers.size
    }
  }
}

/** Counts the listeners on a signal, to show that nothing stays behind. */
export function countListeners(signal: AbortSignal): () => number {
  const listeners = new Set<unknown>()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
    listeners.add(listener)
    add(type, listener, options)
  }
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listeners.delete(listener)
    remove(type, listener)
  }
  return () => listeners.size
}
