/** What it takes to prove deals, shown to a donor before it offers its disk. Pure. */

/** A proof reads one cached subtree for each leaf (proofs, CACHED_LAYER_HEIGHT). */
const READ_SIZE_BYTES = 16 * 1024
/** A leaf of the largest piece with its 25 siblings, and the fields around them. */
const LEAF_PROOF_SIZE_BYTES = 32 * 26 + 64
const DAY_MS = 24 * 60 * 60 * 1000

export interface ProvingCost {
  readonly readsPerDay: number
  readonly readBytesPerDay: number
  /** To all verifiers of the deal together. */
  readonly sentBytesPerDay: number
}

/** Of one deal; retrievals by clients come on top, and are theirs to ask for. */
export function provingCost(leavesPerRound: number, roundMs: number, verifiersPerDeal: number): ProvingCost {
  const readsPerDay = (leavesPerRound * DAY_MS) / roundMs
  return {
    readsPerDay: Math.ceil(readsPerDay),
    readBytesPerDay: Math.ceil(readsPerDay * READ_SIZE_BYTES),
    sentBytesPerDay: Math.ceil(readsPerDay * LEAF_PROOF_SIZE_BYTES * verifiersPerDeal)
  }
}
