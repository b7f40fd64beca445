/** What would have to be given up so that a placement works: one constraint at a time, as little of it as possible. */
import type { FailureDomain, Offer } from './failure-domains.ts'
import { DISTINCT_DEFAULT, formatRate, measurementOf, type PlacementNeeds } from './needs.ts'

export interface Relaxation {
  readonly constraint: keyof PlacementNeeds
  /** The needs with which the placement works. */
  readonly needs: PlacementNeeds
  /** What was wanted, as a clause: "under 60 ms". */
  readonly wanted: string
  /** What there is instead: "74 ms". */
  readonly nearest: string
  /** How far it goes, as a factor of what was wanted; numbers come before what is given up whole. */
  readonly factor: number
}

/**
 * @param works - whether a placement under these needs would work
 * @returns each constraint that could be loosened alone, the least loosening first
 */
export function findRelaxations(
  offers: readonly Offer[],
  needs: PlacementNeeds,
  works: (needs: PlacementNeeds) => boolean
): Relaxation[] {
  return [
    relaxLatency(offers, needs, works),
    relaxPrice(offers, needs, works),
    relaxThroughput(offers, needs, works),
    relaxRegions(needs, works),
    ...(needs.distinct ?? DISTINCT_DEFAULT).map(domain => relaxDomain(domain, needs, works))
  ]
    .filter(relaxation => relaxation !== undefined)
    .sort((a, b) => a.factor - b.factor)
}

type Works = (needs: PlacementNeeds) => boolean

function relaxLatency(offers: readonly Offer[], needs: PlacementNeeds, works: Works): Relaxation | undefined {
  const { latencyMsMax: wanted } = needs
  if (wanted === undefined) return undefined
  const measured = offers.map(({ provider }) => measurementOf(needs, provider).latencyMs)
  const above = ascending(measured.filter(ms => ms !== undefined && ms > wanted).map(ms => Math.ceil(ms!)))
  const found = firstThat(above, latencyMsMax => works({ ...needs, latencyMsMax }))
  if (found === undefined) return undefined
  return {
    constraint: 'latencyMsMax',
    needs: { ...needs, latencyMsMax: found },
    wanted: `under ${wanted} ms`,
    nearest: `${found} ms`,
    factor: wanted > 0 ? found / wanted : Number.MAX_VALUE
  }
}

function relaxPrice(offers: readonly Offer[], needs: PlacementNeeds, works: Works): Relaxation | undefined {
  const { pricePerLeafRoundMax: wanted } = needs
  if (wanted === undefined) return undefined
  const prices = [...new Set(offers.map(({ pricePerLeafRound }) => pricePerLeafRound))].filter(price => price > wanted)
  prices.sort((a, b) => (a < b ? -1 : 1))
  const found = firstThat(prices, pricePerLeafRoundMax => works({ ...needs, pricePerLeafRoundMax }))
  if (found === undefined) return undefined
  return {
    constraint: 'pricePerLeafRoundMax',
    needs: { ...needs, pricePerLeafRoundMax: found },
    wanted: `for ${wanted} atto a leaf and round`,
    nearest: `${found} atto`,
    factor: wanted > 0n ? Number((found * 1000n) / wanted) / 1000 : Number.MAX_VALUE
  }
}

function relaxThroughput(offers: readonly Offer[], needs: PlacementNeeds, works: Works): Relaxation | undefined {
  const { uploadBytesPerSecondMin: wanted } = needs
  if (wanted === undefined) return undefined
  const measured = offers.map(({ provider }) => measurementOf(needs, provider).uploadBytesPerSecond)
  const below = ascending(measured.filter(rate => rate !== undefined && rate < wanted) as number[]).reverse()
  const found = firstThat(below, uploadBytesPerSecondMin => works({ ...needs, uploadBytesPerSecondMin }))
  if (found === undefined) return undefined
  return {
    constraint: 'uploadBytesPerSecondMin',
    needs: { ...needs, uploadBytesPerSecondMin: found },
    wanted: `with ${formatRate(wanted)} or more`,
    nearest: formatRate(found),
    factor: found > 0 ? wanted / found : Number.MAX_VALUE
  }
}

function relaxRegions(needs: PlacementNeeds, works: Works): Relaxation | undefined {
  if (needs.regions === undefined) return undefined
  const relaxed = { ...needs, regions: undefined }
  if (!works(relaxed)) return undefined
  return {
    constraint: 'regions',
    needs: relaxed,
    wanted: `in ${needs.regions.join(', ')}`,
    nearest: 'any region',
    factor: Number.POSITIVE_INFINITY
  }
}

function relaxDomain(domain: FailureDomain, needs: PlacementNeeds, works: Works): Relaxation | undefined {
  const distinct = (needs.distinct ?? DISTINCT_DEFAULT).filter(one => one !== domain)
  const relaxed = { ...needs, distinct }
  if (!works(relaxed)) return undefined
  return {
    constraint: 'distinct',
    needs: relaxed,
    wanted: `of a ${domain} of its own`,
    nearest: `several replicas in one ${domain}`,
    factor: Number.POSITIVE_INFINITY
  }
}

function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b)
}

/** What works with a value works with every later one, so that half of them is left out at each look. */
function firstThat<T>(values: readonly T[], works: (value: T) => boolean): T | undefined {
  let from = 0
  let to = values.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (works(values[middle]!)) to = middle
    else from = middle + 1
  }
  return values[from]
}
