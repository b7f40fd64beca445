/**
 * What a round is about, frozen one round before its beacon is known: nobody who knows the beacon's signature can still
 * move what it hits.
 */
import type { Address } from '../schema.ts'

/** A deal as the next round will challenge it. Pieces only ever join a deal, so that a count freezes them. */
export interface FrozenDeal {
  readonly dealId: number
  readonly client: Address
  readonly provider: Address
  /** The first this many pieces of the deal are challenged. */
  readonly pieceCount: number
  /** Leaves that hold data in those pieces: the range of challenges, and what is paid for. */
  readonly leafCount: number
  readonly leavesPerRound: number
  readonly pricePerRound: bigint
  /** A verifier reported a bad proof: this round the deal must be opened on the ledger. */
  readonly mustOpen: boolean
}

export interface FrozenVerifier {
  readonly address: Address
  /** One place for each whole stake unit. */
  readonly places: number
}

export interface Freeze {
  /** The round that was opened when this was frozen; 0 before the first. */
  readonly madeInRound: number
  /** By ascending id. */
  readonly deals: readonly FrozenDeal[]
  /** By ascending address. */
  readonly verifiers: readonly FrozenVerifier[]
}

export const EMPTY_FREEZE: Freeze = { madeInRound: 0, deals: [], verifiers: [] }
