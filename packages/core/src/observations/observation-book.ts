/**
 * Observations by provider, bounded: of each provider and kind the newest, and of all together no more than a machine at
 * home holds. Knows no disk.
 */
import type { Address } from '../schema.ts'
import type { Observation, ObservationKind } from './observation.ts'

/** Three weeks of hourly proofs of one deal; enough for a p99. */
export const OBSERVATIONS_PER_KIND_MAX = 512
/** About 16 MB on disk and in memory. */
export const OBSERVATIONS_MAX = 65_536

export interface ObservationBook {
  readonly size: number
  add(observation: Observation): void
  /** Oldest first; of one provider, or of all. */
  list(provider?: Address): readonly Observation[]
  providers(): readonly Address[]
}

export interface ObservationBounds {
  readonly perKindMax?: number
  readonly allMax?: number
}

export function createObservationBook({
  perKindMax = OBSERVATIONS_PER_KIND_MAX,
  allMax = OBSERVATIONS_MAX
}: ObservationBounds = {}): ObservationBook {
  const byProvider = new Map<Address, Map<ObservationKind, Observation[]>>()
  let size = 0

  /** Whoever has most of them loses the oldest: one busy provider must not push out all that is known of others. */
  function dropOne(): void {
    let largest: Observation[] | undefined
    for (const kinds of byProvider.values())
      for (const samples of kinds.values()) if (samples.length > (largest?.length ?? 0)) largest = samples
    if (largest?.shift() !== undefined) size -= 1
  }

  function add(observation: Observation): void {
    const kinds = byProvider.get(observation.provider) ?? new Map<ObservationKind, Observation[]>()
    byProvider.set(observation.provider, kinds)
    const samples = kinds.get(observation.kind) ?? []
    kinds.set(observation.kind, samples)
    samples.push(observation)
    size += 1
    if (samples.length > perKindMax) {
      samples.shift()
      size -= 1
    } else if (size > allMax) dropOne()
  }

  function list(provider?: Address): Observation[] {
    const chosen = provider === undefined ? [...byProvider.values()] : [byProvider.get(provider) ?? new Map()]
    return chosen.flatMap(kinds => [...kinds.values()].flat()).sort((a, b) => a.timeMs - b.timeMs)
  }

  return {
    get size() {
      return size
    },
    add,
    list,
    providers: () => [...byProvider.keys()]
  }
}
