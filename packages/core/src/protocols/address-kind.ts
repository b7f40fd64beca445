/**
 * How far an address reaches, and what a peer may dial because of it.
 *
 * The ledger holds what strangers say about where they are. A peer that dialled all of it could be sent to the router of
 * its own house, or made to speak to the world from a network that was meant for one machine.
 */

/** This machine; this house or this operator's network; anywhere. */
export type AddressKind = 'loopback' | 'private' | 'public'

/**
 * @param address - text of a multiaddr; what is no multiaddr counts as public
 * @returns the kind of what is dialled first: of a relayed address that of the relay, of a name public, whatever it may
 * resolve to
 */
export function addressKindOf(address: string): AddressKind {
  const [, first = '', host = ''] = address.replace(/^\/ip6zone\/[^/]+/, '').split('/', 3)
  if (first === 'memory' || first === 'unix') return 'loopback'
  if (first.startsWith('dns')) return /^(.+\.)?localhost\.?$/i.test(host) ? 'loopback' : 'public'
  return first === 'ip4' || first === 'ip6' ? kindOfIp(host) : 'public'
}

/** RFC 1122, 1918, 3927, 6598 and their like in IPv6. The unspecified address reaches this machine. */
function kindOfIp(ip: string): AddressKind {
  const ip4 = ip4Of(ip)
  if (ip4 !== undefined) {
    const [a, b] = ip4 as [number, number]
    if (a === 127 || a === 0) return 'loopback'
    const isPrivate =
      a === 10 ||
      (a === 192 && b === 168) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 169 && b === 254) ||
      (a === 100 && b >= 64 && b < 128)
    return isPrivate ? 'private' : 'public'
  }
  const groups = ip6Of(ip)
  if (groups === undefined) return 'public'
  if (groups.slice(0, 7).every(group => group === 0) && groups[7]! <= 1) return 'loopback'
  return (groups[0]! & 0xfe00) === 0xfc00 || (groups[0]! & 0xffc0) === 0xfe80 ? 'private' : 'public'
}

/**
 * Whose neighbours count as one: the /24 of an IPv4 address, the /48 of an IPv6 one, which is what a household or a
 * cheap server gets.
 *
 * @returns undefined for text that is no IP
 */
export function subnetOf(ip: string): string | undefined {
  const ip4 = ip4Of(ip)
  if (ip4 !== undefined) return `${ip4.slice(0, 3).join('.')}.0/24`
  const groups = ip6Of(ip)
  if (groups === undefined) return undefined
  const prefix = groups.slice(0, 3).map(group => group.toString(16))
  return `${prefix.join(':')}::/48`
}

/** The IP that an address names, undefined for one that names none. */
export function ipOfAddress(address: string): string | undefined {
  return /^(?:\/ip6zone\/[^/]+)?\/ip[46]\/([^/]+)/.exec(address)?.[1]
}

/** Also of an IPv4 address in IPv6's clothes. */
function ip4Of(ip: string): number[] | undefined {
  const mapped = ip6Of(ip)
  if (mapped !== undefined) {
    if (mapped.slice(0, 5).some(group => group !== 0) || mapped[5] !== 0xffff) return undefined
    return [mapped[6]! >> 8, mapped[6]! & 0xff, mapped[7]! >> 8, mapped[7]! & 0xff]
  }
  const parts = ip.split('.')
  if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && parseInt(part, 10) < 256)) return undefined
  return parts.map(part => parseInt(part, 10))
}

/** @returns eight groups of 16 bits */
function ip6Of(ip: string): number[] | undefined {
  if (!ip.includes(':')) return undefined
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip)
  const bytes = dotted?.slice(2).map(part => parseInt(part, 10)) ?? []
  if (bytes.some(byte => byte > 255)) return undefined
  const pair = (high: number, low: number) => ((high << 8) | low).toString(16)
  const text = dotted === null ? ip : `${dotted[1]}${pair(bytes[0]!, bytes[1]!)}:${pair(bytes[2]!, bytes[3]!)}`
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined) return undefined
  const groupsOf = (side: string) => (side === '' ? [] : side.split(':'))
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const missing = 8 - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...before, ...Array<string>(missing).fill('0'), ...after]
  return groups.every(group => /^[0-9a-f]{1,4}$/i.test(group)) ? groups.map(group => parseInt(group, 16)) : undefined
}

/**
 * Whether a peer dials an address, by the addresses that its network's description names: kinds that stand there and no
 * others, so that a network on loopback stays on the machine and one of a house in the house. This machine is also
 * dialled in a network that is not public.
 *
 * @param named - addresses of the description: the host's, and those to begin at
 */
export function isDialled(address: string, named: readonly string[]): boolean {
  const kinds = new Set(named.map(addressKindOf))
  const kind = addressKindOf(address)
  if (kinds.has(kind)) return true
  // A host that has just made its network is not in its description yet.
  return kinds.size === 0 ? kind !== 'public' : kind === 'loopback' && !kinds.has('public')
}
