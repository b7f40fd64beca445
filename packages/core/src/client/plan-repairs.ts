/** Which private pieces can be made again, and of what: from what their providers say that they lost. Pure. */
import type { RepairNotice } from '../protocols/definitions.ts'
import type { HeldPiece } from './object-deals.ts'

export interface PlannedRepair {
  readonly lost: HeldPiece
  /** Pieces that it can be made of, the best first; empty when this was the last. */
  readonly sources: readonly HeldPiece[]
}

/**
 * What stands in the notices, once each. A source is the same piece of another replica (of the same one, where they are
 * identical) that nobody says is lost: first those whose providers owe nothing and missed least.
 *
 * @param held - the pieces of one object, as `findHeldPieces` gives them
 */
export function planRepairs(held: readonly HeldPiece[], notices: readonly RepairNotice[]): PlannedRepair[] {
  const nameOf = (dealId: number, cid: { toString(): string }) => `${dealId}/${cid}`
  const lostNames = new Set(notices.flatMap(({ dealId, pieces }) => pieces.map(cid => nameOf(dealId, cid))))
  const isLost = ({ deal, piece }: HeldPiece) => lostNames.has(nameOf(deal.id, piece.cid))
  const whole = held.filter(one => !isLost(one))
  return held.filter(isLost).map(lost => ({
    lost,
    sources: whole
      .filter(({ place, piece }) => place.piece === lost.place.piece && piece.rawSize === lost.piece.rawSize)
      .sort((a, b) => a.deal.docket.length - b.deal.docket.length || a.deal.rounds.faulted - b.deal.rounds.faulted)
  }))
}
