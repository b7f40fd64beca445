/**
 * The docket of a deal: leaves of faulted rounds that it still owes a proof for. They leave it only by self-proof,
 * never by a quorum, and while one is there the deal earns nothing.
 */
import type { PieceChallenge } from './challenge.ts'

export interface DocketLeaf {
  readonly pieceId: number
  readonly leafIndex: number
  /** Count of open, non-void rounds when the leaf was entered: its age needs no clock and no outage counts. */
  readonly sinceCountedRound: number
}
export type Docket = readonly DocketLeaf[]

const keyOf = (pieceId: number, leafIndex: number) => `${pieceId}/${leafIndex}`

/**
 * Enters the leaves of a faulted round. A leaf that is already there keeps its age. Past `leavesMax` nothing is added:
 * whoever owes that much must prove it all before it earns again anyway.
 */
export function enterLeaves(
  docket: Docket,
  challenges: readonly PieceChallenge[],
  countedRound: number,
  leavesMax: number
): Docket {
  const known = new Set(docket.map(leaf => keyOf(leaf.pieceId, leaf.leafIndex)))
  const added = challenges
    .flatMap(({ pieceId, leafIndices }) =>
      leafIndices.map(leafIndex => ({ pieceId, leafIndex, sinceCountedRound: countedRound }))
    )
    .filter(leaf => !known.has(keyOf(leaf.pieceId, leaf.leafIndex)))
  return [...docket, ...added.slice(0, Math.max(0, leavesMax - docket.length))]
}

/** Takes proved leaves off; leaves that are not on the docket are ignored. */
export function clearLeaves(docket: Docket, proved: readonly PieceChallenge[]): Docket {
  const cleared = new Set(proved.flatMap(({ pieceId, leafIndices }) => leafIndices.map(leaf => keyOf(pieceId, leaf))))
  return docket.filter(leaf => !cleared.has(keyOf(leaf.pieceId, leaf.leafIndex)))
}

/** The docket as challenges, at most `leavesMax` of its oldest leaves: what one slice of self-proof answers. */
export function docketChallenges(docket: Docket, leavesMax: number): PieceChallenge[] {
  const leavesByPiece = new Map<number, number[]>()
  for (const { pieceId, leafIndex } of docket.slice(0, leavesMax)) {
    leavesByPiece.set(pieceId, [...(leavesByPiece.get(pieceId) ?? []), leafIndex])
  }
  return [...leavesByPiece]
    .map(([pieceId, leaves]) => ({ pieceId, leafIndices: leaves.sort((a, b) => a - b) }))
    .sort((a, b) => a.pieceId - b.pieceId)
}

/** Says whether the oldest leaf has been owed for `cureRounds` open, non-void rounds: the only way to lose collateral. */
export function isOverdue(docket: Docket, countedRound: number, cureRounds: number): boolean {
  const oldest = docket[0]
  return oldest !== undefined && countedRound - oldest.sinceCountedRound >= cureRounds
}

/** Drops the leaves of pieces that are gone: they are owed no more. */
export function dropPieces(docket: Docket, gone: ReadonlySet<number>): Docket {
  return docket.some(({ pieceId }) => gone.has(pieceId)) ? docket.filter(({ pieceId }) => !gone.has(pieceId)) : docket
}
