/** Where a network's ledger is read: its host, and the other peers that the network's description names. */
import type { Libp2p } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { type NetworkDescription, networkIdOf } from '../network.ts'
import type { HeadExchange } from '../protocols/envelope.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import { createFallbackSource } from './fallback-source.ts'
import type { LedgerSource } from './follower.ts'
import { createRemoteSource } from './remote-source.ts'

export interface NetworkSourceComponents {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly network: NetworkDescription
  readonly clock: Pick<Clock, 'now'>
  /** What is told of heads that come with answers, and gives those that go with requests. */
  readonly heads?: HeadExchange
}

/** Sources of one ledger. */
export interface NetworkSources {
  /** The host alone. */
  readonly host: LedgerSource
  /** Whoever answers: the host, or else one of the bootstrap peers that follow it. */
  readonly any: LedgerSource
}

export function createNetworkSources({ node, network, clock, heads }: NetworkSourceComponents): NetworkSources {
  const { parameters, addresses } = network
  const networkId = networkIdOf(parameters)
  const create = (texts: readonly string[]) =>
    createRemoteSource({ node, networkId, host: parsePeerAddresses(texts), ...(heads !== undefined && { heads }) })
  const host = create(addresses.host)
  const followers = groupByPeer(addresses.bootstrap.filter(text => !addresses.host.includes(text)))
  return { host, any: createFallbackSource([host, ...followers.map(create)], clock) }
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
