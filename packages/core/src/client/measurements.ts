import { type ProviderMeasurement, type Sample, UNMEASURED, withSample } from '../placement/measurement.ts'
import type { Address } from '../schema.ts'

/** What a client's own transfers have shown. Decisions get it as data: `snapshot`. */
export interface Measurements {
  of(provider: Address): ProviderMeasurement
  record(provider: Address, sample: Sample): void
  snapshot(): ReadonlyMap<Address, ProviderMeasurement>
}

/** Providers that are remembered; the one measured longest ago is forgotten first. */
export const MEASURED_PROVIDERS_MAX = 4096

/** @param before - what earlier runs have shown, as `snapshot` gave it */
export function createMeasurements(before: Iterable<readonly [Address, ProviderMeasurement]> = []): Measurements {
  const known = new Map(before)
  return {
    of: provider => known.get(provider) ?? UNMEASURED,
    record(provider, sample) {
      const measurement = withSample(known.get(provider) ?? UNMEASURED, sample)
      known.delete(provider)
      known.set(provider, measurement)
      if (known.size > MEASURED_PROVIDERS_MAX) known.delete(known.keys().next().value!)
    },
    snapshot: () => new Map(known)
  }
}
