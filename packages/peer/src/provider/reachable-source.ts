/** Which addresses of a stranger's choosing this peer dials. */
import { BlockList } from 'node:net'
import { parsePeerAddresses } from '@holdfast/core'
import type { Multiaddr } from '@multiformats/multiaddr'

/** From where an address is reached; `nowhere` is dialled by nobody. */
export type Reach = 'everywhere' | 'house' | 'machine' | 'nowhere'

/** Plain addresses only: a name may lead anywhere by the time that it is looked up. */
const IP = /^\/ip([46])\/([0-9a-fA-F.:]+)\//

const RANGES: readonly (readonly [Exclude<Reach, 'everywhere'>, BlockList])[] = [
  ['machine', listOf('127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128')],
  [
    'house',
    listOf('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10')
  ],
  // Multicast, reserved, and IPv6 ranges that carry an IPv4 address which may be any of the above. (IPv4 as IPv6 is
  // compared with the ranges above by the list itself.)
  ['nowhere', listOf('224.0.0.0/4', '240.0.0.0/4', 'ff00::/8', '64:ff9b::/96', '2002::/16')]
]

/** @param address - a multiaddr in text, of whatever kind */
export function reachOf(address: string): Reach {
  const [, version, ip] = IP.exec(address) ?? []
  if (ip === undefined) return 'nowhere'
  const family = version === '4' ? 'ipv4' : 'ipv6'
  return RANGES.find(([, list]) => list.check(ip, family))?.[0] ?? 'everywhere'
}

/**
 * A client may have us dial a provider, but no machine of our own house: addresses that are reached from less far than
 * any that this peer announces itself are left out. So peers of one house or one machine pull from each other, and a
 * public one never from what lies behind its router.
 */
export function dialableSources(from: readonly string[], announced: readonly string[]): Multiaddr[] {
  const own = new Set(announced.map(reachOf))
  const allowed: ReadonlySet<Reach> = own.has('everywhere') ? new Set(['everywhere']) : own.add('everywhere')
  return parsePeerAddresses(from.filter(address => reachOf(address) !== 'nowhere' && allowed.has(reachOf(address))))
}

function listOf(...ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    list.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
