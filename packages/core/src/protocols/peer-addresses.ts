/** Addresses as they stand on the ledger, made ready for dialling. */
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** @returns those that are multiaddrs; the others are a stranger's text, which must cost that stranger and nobody else */
export function parsePeerAddresses(addresses: readonly string[]): Multiaddr[] {
  return addresses.flatMap(address => {
    try {
      return [multiaddr(address)]
    } catch {
      return []
    }
  })
}
