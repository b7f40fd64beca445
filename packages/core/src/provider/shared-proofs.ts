/**
 * Proofs of a round's deals, made when the first verifier's turn comes and kept for the others: a deal is read and hashed
 * once for all of its verifiers, unless one of them is so slow that its proofs had to make room meanwhile.
 */
import { boundOfProofs, type PieceProof } from '../ledger/commands.ts'

/** What is kept for slower verifiers: some 300 deals of 20 leaves. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

export type ProofsOf = (dealId: number) => Promise<PieceProof[] | undefined>

interface Kept {
  readonly proofs: Promise<PieceProof[] | undefined>
  sizeBytes: number
  usesLeft: number
}

/**
 * @param prove - makes the proofs of a deal; undefined when it cannot
 * @param usersOf - how many will ask for a deal's proofs
 */
export function createSharedProofs(
  prove: ProofsOf,
  usersOf: (dealId: number) => number,
  keptBytesMax: number = KEPT_BYTES_MAX
): ProofsOf {
  const kept = new Map<number, Kept>()
  let keptBytes = 0

  function forget(dealId: number): void {
    keptBytes -= kept.get(dealId)?.sizeBytes ?? 0
    kept.delete(dealId)
  }

  async function make(dealId: number): Promise<PieceProof[] | undefined> {
    const entry: Kept = { proofs: prove(dealId), sizeBytes: 0, usesLeft: usersOf(dealId) - 1 }
    kept.set(dealId, entry)
    try {
      const proofs = await entry.proofs
      // Everybody may have had it by now.
      if (kept.get(dealId) !== entry || proofs === undefined) return proofs
      entry.sizeBytes = boundOfProofs(proofs)
      keptBytes += entry.sizeBytes
      for (const oldest of kept.keys()) {
        if (keptBytes <= keptBytesMax) break
        forget(oldest)
      }
      return proofs
    } finally {
      if (entry.usesLeft <= 0 && kept.get(dealId) === entry) forget(dealId)
    }
  }

  return async dealId => {
    const entry = kept.get(dealId)
    if (entry === undefined) return await make(dealId)
    entry.usesLeft -= 1
    if (entry.usesLeft <= 0) forget(dealId)
    return await entry.proofs
  }
}
