/**
 * What an opening is about, fixed one opening before its beacon is known: nobody who knows the beacon's signature can still
 * move what it hits. Verifiers are copied when they are frozen; a deal is a view, because its pieces say themselves from
 * which opening to which they count.
 */
import { sumLeafCounts } from '@holdfast/proofs'
import type { Deal, DealPiece } from '../ledger/state.ts'
import type { Address } from '../schema.ts'
import { isPieceChallenged } from './boundaries.ts'

export interface FrozenVerifier {
  readonly address: Address
  /** Whose machine it is: a deal is checked by distinct operators. */
  readonly operator: Address
  /** One place for each whole stake unit. */
  readonly places: number
}

/** The pieces of a deal that an opening challenges. */
export interface FrozenPieces {
  /** Ascending. */
  readonly pieceIds: readonly number[]
  /** For each of them the leaves up to and including it. */
  readonly sums: readonly bigint[]
  /** Leaves that hold data in all of them: the range of challenges, and what is paid for. */
  readonly leafCount: number
}

/** A deal as an opening challenges it. */
export interface FrozenDeal extends FrozenPieces {
  readonly dealId: number
  readonly client: Address
  readonly provider: Address
  readonly leavesPerRound: number
  /** A bad proof was reported, or the client demands it: this time the deal must be opened on the ledger. */
  readonly mustOpen: boolean
}

/** The newest view of each list of pieces: a list is replaced, never changed. */
const views = new WeakMap<readonly DealPiece[], FrozenPieces & { readonly opening: number }>()

export function frozenPiecesOf(pieces: readonly DealPiece[], opening: number): FrozenPieces {
  const known = views.get(pieces)
  if (known?.opening === opening) return known
  const challenged = pieces.filter(piece => isPieceChallenged(piece, opening))
  const view = {
    opening,
    pieceIds: challenged.map(({ id }) => id),
    sums: sumLeafCounts(challenged.map(({ leafCount }) => leafCount)),
    leafCount: leafCountIn(challenged, opening)
  }
  views.set(pieces, view)
  return view
}

/** Leaves that an opening can challenge in pieces. */
export function leafCountIn(pieces: readonly DealPiece[], opening: number): number {
  let sum = 0
  for (const piece of pieces) if (isPieceChallenged(piece, opening)) sum += piece.leafCount
  return sum
}

/** Says whether an opening takes nothing but a self-proof of a deal, whatever the beacon draws. */
export function mustAnswer({ mustOpenFrom, demand }: Pick<Deal, 'mustOpenFrom' | 'demand'>, opening: number): boolean {
  return (
    (mustOpenFrom !== undefined && mustOpenFrom <= opening) || (demand !== undefined && demand.fromOpening <= opening)
  )
}

/** The deal as the given opening challenges it; the opening is the newest, or one that has closed. */
export function frozenDealOf(deal: Deal, opening: number): FrozenDeal {
  return {
    ...frozenPiecesOf(deal.pieces, opening),
    dealId: deal.id,
    client: deal.client,
    provider: deal.provider,
    leavesPerRound: deal.leavesPerRound,
    mustOpen: mustAnswer(deal, opening)
  }
}
