/** Chooses offers of which no two lie together, best first. */
import { domainNamesOf, type FailureDomain, isDirectlyReachable, type Offer } from './failure-domains.ts'

/** Steps of the search before it takes what it has: thousands of offers in few domains must not hold a client up. */
const STEPS_MAX = 20_000

export interface DistinctNeeds {
  readonly count: number
  readonly distinct: readonly FailureDomain[]
  /** Chosen before: the new ones are kept distinct from them. */
  readonly standing: readonly Offer[]
}

/**
 * The first set in the order of `ranked` (best first) whose offers are pairwise distinct and of which, together with those
 * that stand, at least one can be reached without a relay. Depth first, so that a better offer is left out only when no
 * set with it exists, as far as the search goes.
 *
 * @returns the set; when there is none, the one that takes each best offer that still fits, which is smaller
 */
export function chooseDistinct(
  ranked: readonly Offer[],
  { count, distinct, standing }: DistinctNeeds
): { readonly chosen: readonly Offer[]; readonly isEnough: boolean } {
  const names = new Map(ranked.map(offer => [offer, keysOf(offer, distinct)]))
  const taken = new Set(standing.flatMap(offer => keysOf(offer, distinct)))
  const isFree = (offer: Offer) => names.get(offer)!.every(key => !taken.has(key))
  const chosen: Offer[] = []
  let steps = 0

  function reachable(): boolean {
    return [...standing, ...chosen].some(isDirectlyReachable)
  }

  function extend(from: number): boolean {
    if (chosen.length === count) return count === 0 || reachable()
    for (let index = from; index < ranked.length; index++) {
      steps += 1
      if (steps > STEPS_MAX || ranked.length - index < count - chosen.length) break
      const offer = ranked[index]!
      if (!isFree(offer)) continue
      const keys = names.get(offer)!
      chosen.push(offer)
      for (const key of keys) taken.add(key)
      if (extend(index + 1)) return true
      chosen.pop()
      for (const key of keys) taken.delete(key)
    }
    return false
  }

  if (extend(0)) return { chosen: [...chosen], isEnough: true }
  for (const offer of ranked) {
    if (chosen.length === count - 1 || !isFree(offer)) continue
    chosen.push(offer)
    for (const key of names.get(offer)!) taken.add(key)
  }
  return { chosen, isEnough: false }
}

function keysOf(offer: Offer, distinct: readonly FailureDomain[]): string[] {
  return distinct.flatMap(domain => domainNamesOf(offer, domain).map(name => `${domain} ${name}`))
}
