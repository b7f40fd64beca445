/** Placement: which providers, why, and what would help when there are not enough. */
export { FAILURE_DOMAINS, type FailureDomain, isDirectlyReachable, type Offer } from './failure-domains.ts'
export * from './measurement.ts'
export { DISTINCT_DEFAULT, type PlacementConstraints, type PlacementNeeds } from './needs.ts'
export type { Relaxation } from './relaxation.ts'
export * from './select-providers.ts'
