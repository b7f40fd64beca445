/** What replicas can have in common, so that one event takes several of them. */
import type { Statement } from '../ledger/statements.ts'

/** An ask as placement reads it. */
export type Offer = Statement<'Ask'>

export const FAILURE_DOMAINS = ['operator', 'subnet', 'region'] as const
export type FailureDomain = (typeof FAILURE_DOMAINS)[number]

/**
 * The names of an offer in a domain. Two offers that share one are not distinct in it, and two that name no region share
 * that. No name at all is an address that only a lab or a home network has: it says nothing about where a machine stands.
 */
export function domainNamesOf(offer: Offer, domain: FailureDomain): readonly string[] {
  switch (domain) {
    case 'operator':
      return [offer.operator]
    case 'region':
      return [offer.region]
    case 'subnet':
      return [...new Set(offer.addresses.flatMap(subnetOf))]
  }
}

/** Whether anybody can dial the provider without a relay. */
export function isDirectlyReachable({ addresses }: Pick<Offer, 'addresses'>): boolean {
  return addresses.some(address => !address.split('/').includes('p2p-circuit'))
}

const PRIVATE_V4 = /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./

/** /24 of an IPv4 and /48 of an IPv6 address; none for private ranges, for names, and for what is reached over a relay. */
function subnetOf(address: string): string[] {
  const [, protocol, host = '', ...rest] = address.split('/')
  if (rest.includes('p2p-circuit')) return []
  if (protocol === 'ip4') return PRIVATE_V4.test(`${host}.`) ? [] : [`${host.split('.').slice(0, 3).join('.')}.0/24`]
  if (protocol === 'ip6') return subnetOfV6(host)
  return []
}

function subnetOfV6(host: string): string[] {
  if (/^(?:::|f[cd]|fe[89ab])/i.test(host)) return []
  const groups = host.split('::')[0]!.split(':')
  const first = [0, 1, 2].map(index => Number.parseInt(groups[index] || '0', 16).toString(16))
  return [`${first.join(':')}::/48`]
}
