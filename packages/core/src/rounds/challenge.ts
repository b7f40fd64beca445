/** Which leaves a deal is asked for: PDP's derivation over the deal's pieces, gathered by piece. */
import { deriveChallenges, locateLeaf } from '@holdfast/proofs'
import type { FrozenDeal } from './freeze.ts'

/** Distinct leaves of one piece, ascending: what one multi-proof covers. */
export interface PieceChallenge {
  /** The piece's number in its deal. */
  readonly pieceId: number
  readonly leafIndices: readonly number[]
}

/**
 * Challenges are drawn with replacement, so that fewer distinct leaves than `leavesPerRound` may come out.
 *
 * @param seed - 32 bytes of the round
 * @returns by ascending piece; pieces that were not hit are left out
 */
export function challengesOf(
  seed: Uint8Array,
  deal: Pick<FrozenDeal, 'dealId' | 'leafCount' | 'leavesPerRound' | 'pieceIds' | 'sums'>
): PieceChallenge[] {
  const challenges = deriveChallenges({
    seed,
    dealId: BigInt(deal.dealId),
    range: BigInt(deal.leafCount),
    count: deal.leavesPerRound
  })
  const leavesByPiece = new Map<number, Set<number>>()
  for (const challenge of challenges) {
    const { pieceIndex, leafIndex } = locateLeaf(deal.sums, challenge)
    leavesByPiece.set(pieceIndex, (leavesByPiece.get(pieceIndex) ?? new Set()).add(leafIndex))
  }
  return [...leavesByPiece]
    .sort(([a], [b]) => a - b)
    .map(([pieceIndex, leaves]) => ({
      pieceId: deal.pieceIds[pieceIndex]!,
      leafIndices: [...leaves].sort((a, b) => a - b)
    }))
}

/** How many distinct leaves a set of challenges asks for. */
export function countLeaves(challenges: readonly PieceChallenge[]): number {
  return challenges.reduce((sum, { leafIndices }) => sum + leafIndices.length, 0)
}
