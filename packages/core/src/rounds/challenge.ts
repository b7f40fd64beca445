/** Which leaves a deal is asked for: PDP's derivation over the deal's pieces, gathered by piece. */
import { deriveChallenges, locateLeaf, sumLeafCounts } from '@holdfast/proofs'
import type { FrozenDeal } from './freeze.ts'

/** Distinct leaves of one piece, ascending: what one multi-proof covers. */
export interface PieceChallenge {
  readonly pieceIndex: number
  readonly leafIndices: readonly number[]
}

/**
 * Challenges are drawn with replacement, so that fewer distinct leaves than `leavesPerRound` may come out.
 *
 * @param seed - 32 bytes of the round
 * @param pieceLeafCounts - of all pieces of the deal in their order; those past the freeze are ignored
 * @returns by ascending piece index; pieces that were not hit are left out
 */
export function challengesOf(seed: Uint8Array, deal: FrozenDeal, pieceLeafCounts: readonly number[]): PieceChallenge[] {
  const sums = sumLeafCounts(pieceLeafCounts.slice(0, deal.pieceCount))
  const challenges = deriveChallenges({
    seed,
    dealId: BigInt(deal.dealId),
    range: BigInt(deal.leafCount),
    count: deal.leavesPerRound
  })
  const leavesByPiece = new Map<number, Set<number>>()
  for (const challenge of challenges) {
    const { pieceIndex, leafIndex } = locateLeaf(sums, challenge)
    leavesByPiece.set(pieceIndex, (leavesByPiece.get(pieceIndex) ?? new Set()).add(leafIndex))
  }
  return [...leavesByPiece]
    .map(([pieceIndex, leaves]) => ({ pieceIndex, leafIndices: [...leaves].sort((a, b) => a - b) }))
    .sort((a, b) => a.pieceIndex - b.pieceIndex)
}

/** How many distinct leaves a set of challenges asks for. */
export function countLeaves(challenges: readonly PieceChallenge[]): number {
  return challenges.reduce((sum, { leafIndices }) => sum + leafIndices.length, 0)
}
