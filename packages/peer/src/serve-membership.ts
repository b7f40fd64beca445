/** What every peer does for those who want to join, and for those at home who wonder whether anybody can reach them. */
import {
  ANY_NETWORK,
  type Clock,
  dialBack,
  formatNetworkDescription,
  type NetworkDescription,
  networkInfo,
  parsePeerAddresses,
  type ServeOptions,
  serve
} from '@holdfast/core'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createNode, type PeerNode } from './node.ts'

/** For a connection from an IP that answers at all; others time out with the protocol. */
const DIAL_TIMEOUT_MS = 5_000

export interface MembershipComponents {
  readonly node: PeerNode
  readonly network: () => NetworkDescription
  readonly clock: Pick<Clock, 'now'>
  /** The newest round that this peer knows of. */
  readonly round: () => number
  /** 32 fresh bytes: the key of the node that dials back, which must be another than the one they know. */
  readonly random: (sizeBytes: number) => Uint8Array
}

export async function serveMembership(
  life: AsyncDisposableStack,
  { node, network, clock, round, random }: MembershipComponents,
  options: ServeOptions
): Promise<void> {
  life.use(
    await serve(
      node.libp2p,
      networkInfo,
      async () => ({
        ok: true,
        value: { description: formatNetworkDescription(network()), timeMs: clock.now(), round: round() }
      }),
      { ...options, networkId: ANY_NETWORK }
    )
  )
  life.use(
    await serve(
      node.libp2p,
      dialBack,
      async ({ addresses }, { remotePeer, signal }) => {
        const seenFrom = ipOf(node.libp2p.getConnections(remotePeer).at(-1)?.remoteAddr)
        if (seenFrom === undefined) return { ok: true, value: { seenFrom: '', reason: 'the connection is gone' } }
        const own = parsePeerAddresses(addresses).filter(address => ipOf(address) === seenFrom)
        if (own.length === 0) {
          return { ok: true, value: { seenFrom, reason: `none of the addresses is at ${seenFrom}` } }
        }
        const { reached, reason } = await dialAny(own, remotePeer, random(32), signal)
        return { ok: true, value: { seenFrom, reason, ...(reached !== undefined && { reached }) } }
      },
      options
    )
  )
}

/** Dials with a node of its own: the one that serves would use the connection that the asker has opened. */
async function dialAny(
  addresses: readonly Multiaddr[],
  expected: PeerId,
  privateKey: Uint8Array,
  signal: AbortSignal
): Promise<{ reached?: string; reason: string }> {
  await using node = await createNode({ privateKey, listen: [] })
  await node.start()
  let reason = ''
  for (const address of addresses) {
    const deadline = new AbortController()
    const cut = () => deadline.abort(signal.reason)
    signal.addEventListener('abort', cut, { once: true })
    const timer = setTimeout(() => deadline.abort(new Error(`${address} did not answer`)), DIAL_TIMEOUT_MS)
    try {
      const connection = await node.libp2p.dial(address, { signal: deadline.signal })
      if (connection.remotePeer.equals(expected)) return { reached: String(address), reason: '' }
      reason = `another peer answers at ${address}`
    } catch (error) {
      signal.throwIfAborted()
      reason = (error instanceof Error ? error.message : String(error)).slice(0, 256)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', cut)
    }
  }
  return { reason }
}

/** @returns the IP of an address, undefined for one that names none */
function ipOf(address: Multiaddr | undefined): string | undefined {
  return /^\/ip[46]\/([^/]+)\//.exec(String(address))?.[1]
}
