/** What a store wants of its providers, and why one of them does not fit. */
import type { Address } from '../schema.ts'
import type { FailureDomain, Offer } from './failure-domains.ts'
import { type ProviderMeasurement, UNMEASURED } from './measurement.ts'

export interface PlacementConstraints {
  /** In atto. */
  readonly pricePerLeafRoundMax?: bigint | undefined
  /** Of a round trip, measured by this client, which asks before it chooses; who gave no answer does not fit. */
  readonly latencyMsMax?: number | undefined
  /** Measured uploads of this client; who was never measured does not fit. */
  readonly uploadBytesPerSecondMin?: number | undefined
  /** Only these regions, by the names that asks give themselves. */
  readonly regions?: readonly string[] | undefined
  /** In which domains no two replicas may lie together; default operator and subnet. */
  readonly distinct?: readonly FailureDomain[] | undefined
}

export interface PlacementNeeds extends PlacementConstraints {
  readonly count: number
  /** Bytes that each chosen provider must have room for. */
  readonly sizeBytes: number
  /** Providers that are out, with the reason that is shown when not enough are left. */
  readonly excluded: ReadonlyMap<Address, string>
  /** Providers that have part of it already: they come first, so that a store that is repeated goes on where it was. */
  readonly preferred?: ReadonlySet<Address>
  /** Offers of providers that hold a replica already: the new ones must be distinct from these as well. */
  readonly standing?: readonly Offer[]
  readonly measurements?: ReadonlyMap<Address, ProviderMeasurement>
  /**
   * Decides between offers that are equal in all else: any text that belongs to this store and that no provider knew when
   * it chose its address. Without one the lowest address comes first, which whoever makes keys enough can have.
   */
  readonly draw?: string
}

export const DISTINCT_DEFAULT: readonly FailureDomain[] = ['operator', 'subnet']

export function measurementOf(needs: Pick<PlacementNeeds, 'measurements'>, provider: Address): ProviderMeasurement {
  return needs.measurements?.get(provider) ?? UNMEASURED
}

/** @returns why this provider alone is out, or undefined when it fits */
export function unfitBecause(offer: Offer, needs: PlacementNeeds): string | undefined {
  const reason = needs.excluded.get(offer.provider)
  if (reason !== undefined) return reason
  if (offer.addresses.length === 0) return 'cannot be reached from outside'
  if (offer.capacityBytes < needs.sizeBytes) return `offers ${offer.capacityBytes} bytes, ${needs.sizeBytes} are needed`
  if (needs.pricePerLeafRoundMax !== undefined && offer.pricePerLeafRound > needs.pricePerLeafRoundMax)
    return `asks ${offer.pricePerLeafRound} atto for a leaf and round, above the cap of ${needs.pricePerLeafRoundMax}`
  if (needs.regions !== undefined && !needs.regions.includes(offer.region))
    return offer.region === '' ? 'names no region' : `is in region ${offer.region}`
  return tooSlowBecause(offer, needs)
}

function tooSlowBecause({ provider }: Offer, needs: PlacementNeeds): string | undefined {
  const { latencyMs, uploadBytesPerSecond } = measurementOf(needs, provider)
  const { latencyMsMax, uploadBytesPerSecondMin } = needs
  if (latencyMsMax !== undefined) {
    if (latencyMs === undefined) return 'has no measured latency yet'
    if (latencyMs > latencyMsMax) return `answers after ${Math.round(latencyMs)} ms, above ${latencyMsMax} ms`
  }
  if (uploadBytesPerSecondMin !== undefined) {
    if (uploadBytesPerSecond === undefined) return 'has no measured throughput yet'
    if (uploadBytesPerSecond < uploadBytesPerSecondMin)
      return `takes ${formatRate(uploadBytesPerSecond)}, below ${formatRate(uploadBytesPerSecondMin)}`
  }
  return undefined
}

export function formatRate(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toPrecision(2)} MB/s`
}
