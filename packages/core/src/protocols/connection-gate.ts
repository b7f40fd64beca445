/**
 * Who may connect: so many connections from one subnet, so many new ones a minute, so many of one peer.
 *
 * Whoever rents one server gets a /24 or a /48 with it; without these bounds that fills every place there is. This
 * machine, and the hosts that the network's description names, are held only to what holds for all together.
 */
import type { Clock } from '../clock.ts'
import { machineClock } from '../clock.ts'
import { addressKindOf, ipOfAddress, subnetOf } from './address-kind.ts'
import { createSharedBudget } from './shared-budget.ts'
import { createTokenBuckets, type Rate } from './token-buckets.ts'

export interface ConnectionTerms {
  /** Of one subnet, those that are in their handshake included. */
  readonly perSubnetMax: number
  /** From one subnet; one that is refused counts as well, or a flood would never end. */
  readonly newPerSubnet: Rate
  readonly perPeerMax: number
  /** How long an offender is shut out. */
  readonly banMs: number
  /** Offenders that are remembered; the oldest is forgotten first. */
  readonly bansMax: number
  /** Subnets whose pace is kept apart. */
  readonly subnetsMax: number
}

/** A quarter of a peer's 128 places; a large household, or an office behind one address, does with that. */
export const CONNECTION_TERMS: ConnectionTerms = {
  perSubnetMax: 32,
  newPerSubnet: { burst: 60, perSecond: 1 },
  perPeerMax: 8,
  banMs: 60_000,
  bansMax: 1_024,
  subnetsMax: 4_096
}

export interface ConnectionGate {
  /**
   * A connection comes in, and nobody knows yet whose it is.
   *
   * @param address - multiaddr of the other side
   * @returns what is to be called once when it is closed; undefined when it must be closed at once
   */
  admit(address: string): (() => void) | undefined
  /** It is known whose it is; as `admit`. */
  welcome(peer: string): (() => void) | undefined
  /** Shuts a peer out for a while. Does not end the connections that it has. */
  ban(peer: string): void
  isBanned(peer: string): boolean
}

/** @param isKnown - whether the network's description names this IP */
export function createConnectionGate(
  isKnown: (ip: string) => boolean = () => false,
  terms: ConnectionTerms = CONNECTION_TERMS,
  clock: Pick<Clock, 'now'> = machineClock
): ConnectionGate {
  const arrivals = createTokenBuckets(terms.newPerSubnet, terms.subnetsMax, clock)
  const subnets = createSharedBudget(Number.POSITIVE_INFINITY, terms.perSubnetMax)
  const peers = createSharedBudget(Number.POSITIVE_INFINITY, terms.perPeerMax)
  /** Until when, in the order in which they offended. */
  const bans = new Map<string, number>()
  const isBanned = (peer: string) => (bans.get(peer) ?? Number.NEGATIVE_INFINITY) > clock.now()

  return {
    admit(address) {
      const ip = ipOfAddress(address)
      // Relays and tests have addresses without an IP; their carrier has been counted.
      const subnet = ip === undefined ? undefined : subnetOf(ip)
      if (ip === undefined || subnet === undefined) return () => undefined
      if (addressKindOf(address) === 'loopback' || isKnown(ip)) return () => undefined
      if (!arrivals.take(subnet, 1)) return undefined
      return subnets.take(subnet, 1) ? () => subnets.giveBack(subnet, 1) : undefined
    },
    welcome: peer => (!isBanned(peer) && peers.take(peer, 1) ? () => peers.giveBack(peer, 1) : undefined),
    ban(peer) {
      bans.delete(peer)
      bans.set(peer, clock.now() + terms.banMs)
      const [oldest] = bans.keys()
      if (bans.size > terms.bansMax && oldest !== undefined) bans.delete(oldest)
    },
    isBanned
  }
}
