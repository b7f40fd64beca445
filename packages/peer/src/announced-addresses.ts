/** Which of its addresses a peer tells others. */
import { ADDRESSES_PER_PEER_MAX } from '@holdfast/core'

const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1\/)/
/** RFC 1918, RFC 3927, and their like in IPv6: reached from the same house only, or not at all. */
const PRIVATE = /^\/(ip4\/(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)|ip6\/f[cde][0-9a-f]{2}:)/

/**
 * At most as many as an ask or a network description may hold, those that reach furthest first: a machine with
 * containers or virtual machines on it listens on many that nobody else can dial.
 */
export function announcedAddresses(addresses: readonly string[]): string[] {
  return addresses.toSorted((a, b) => distanceOf(a) - distanceOf(b)).slice(0, ADDRESSES_PER_PEER_MAX)
}

function distanceOf(address: string): number {
  if (LOOPBACK.test(address)) return 2
  return PRIVATE.test(address) ? 1 : 0
}
