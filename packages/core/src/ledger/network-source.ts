/** Where a network's ledger is read: its host, and the other peers that the network's description names. */
import type { Libp2p } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { type NetworkDescription, networkIdOf } from '../network.ts'
import type { HeadExchange } from '../protocols/envelope.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import { createFallbackSource } from './fallback-source.ts'
import type { LedgerSource } from './follower.ts'
import { createRemoteSource, type HostConnection } from './remote-source.ts'

/** Sources of one ledger. */
export interface NetworkSources {
  /** The host alone. */
  readonly host: LedgerSource
  /** Whoever answers: the host, or else one of the peers that follow it. */
  readonly any: LedgerSource
}

/** How to reach the ledger of a network: its host, and the bootstrap peers, which may keep the log. */
export function connectionTo(
  { parameters, addresses }: NetworkDescription,
  node: Pick<Libp2p, 'dialProtocol'>,
  heads?: HeadExchange
): HostConnection & Required<Pick<HostConnection, 'followers'>> {
  const followers = groupByPeer(addresses.bootstrap.filter(text => !addresses.host.includes(text)))
  return {
    node,
    networkId: networkIdOf(parameters),
    host: parsePeerAddresses(addresses.host),
    followers: followers.map(parsePeerAddresses),
    ...(heads !== undefined && { heads })
  }
}

export function createNetworkSources(connection: HostConnection, clock: Pick<Clock, 'now'>): NetworkSources {
  const host = createRemoteSource(connection)
  const followers = (connection.followers ?? []).map(addresses =>
    createRemoteSource({ ...connection, host: addresses })
  )
  return { host, any: createFallbackSource([host, ...followers], clock) }
}

/** Addresses of each peer together, in the order of their first ones; an address without a peer's id is one by itself. */
export function groupByPeer(addresses: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const address of addresses) {
    const peer = /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? address
    groups.set(peer, [...(groups.get(peer) ?? []), address])
  }
  return [...groups.values()]
}

/** Heads for messages that may leave before there is a ledger: attached to the ledger's own once that is there. */
export function createLateHeads(): HeadExchange & { attach(heads: HeadExchange): void } {
  let attached: HeadExchange | undefined
  return {
    latest: () => attached?.latest(),
    saw: head => attached?.saw(head),
    attach(heads) {
      attached = heads
    }
  }
}
