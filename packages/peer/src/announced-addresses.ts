/** Which of its addresses a peer tells others. */
import { ADDRESSES_PER_PEER_MAX, type AddressKind, addressKindOf } from '@holdfast/core'

const DISTANCES: Readonly<Record<AddressKind, number>> = { public: 0, private: 1, loopback: 2 }

/**
 * At most as many as an ask or a network description may hold, those that reach furthest first: a machine with
 * containers or virtual machines on it listens on many that nobody else can dial. Who has a public address keeps its
 * loopback ones to itself: the world would dial its own.
 */
export function announcedAddresses(addresses: readonly string[]): string[] {
  const sorted = addresses.toSorted((a, b) => distanceOf(a) - distanceOf(b))
  const isPublic = sorted[0] !== undefined && addressKindOf(sorted[0]) === 'public'
  const reaching = isPublic ? sorted.filter(address => addressKindOf(address) !== 'loopback') : sorted
  return reaching.slice(0, ADDRESSES_PER_PEER_MAX)
}

function distanceOf(address: string): number {
  return DISTANCES[addressKindOf(address)]
}
