/** What storing a replica with one provider still takes, and costs: one plan, for the quote as well as for doing it. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { isPresent } from '../ledger/piece-rules.ts'
import { quoteDeal } from '../ledger/price.ts'
import type { Deal, LedgerState } from '../ledger/state.ts'
import type { Statement } from '../ledger/statements.ts'
import type { Address } from '../schema.ts'
import type { ReplicaPiece } from './components.ts'

export interface ReplicaPlan<Piece> {
  /** The deal that the client has with the provider; undefined when one must be opened. */
  readonly deal: Deal | undefined
  /** Pieces that the deal does not hold yet. */
  readonly missing: readonly Piece[]
  /** What the pieces add to the price of a round, in atto. */
  readonly pricePerRound: bigint
  /** What moves from the client's account to the deal's escrow, in atto. */
  readonly deposit: bigint
  /** Rounds that the whole deal is funded for then. */
  readonly fundedRounds: number
}

type PlannedPiece = Pick<ReplicaPiece, 'label' | 'leafCount' | 'cid'>

/** @param rounds - how long to fund the deal, at least; never less than the notice period and one */
export function planReplica<Piece extends PlannedPiece>(
  state: LedgerState,
  client: Address,
  ask: Pick<Statement<'Ask'>, 'provider' | 'pricePerLeafRound'>,
  pieces: readonly Piece[],
  rounds: number
): ReplicaPlan<Piece> {
  const { money } = state.parameters
  const deal = findDeal(state, client, ask.provider)
  const missing = pieces.filter(piece => deal === undefined || !holds(deal, piece))
  const price = deal?.pricePerLeafRound ?? ask.pricePerLeafRound
  const leafCount = missing.reduce((sum, piece) => sum + piece.leafCount, 0)
  const before = quoteDeal(money, price, deal?.leafCount ?? 0, rounds)
  const after = quoteDeal(money, price, (deal?.leafCount ?? 0) + leafCount, rounds)
  const escrow = deal?.escrow ?? 0n
  const isEnough = missing.length === 0 || after.escrow <= escrow
  return {
    deal,
    missing,
    pricePerRound: after.pricePerRound - before.pricePerRound,
    deposit: isEnough ? 0n : after.escrow - escrow,
    fundedRounds: after.fundedRounds
  }
}

export function findDeal(state: LedgerState, client: Address, provider: Address): Deal | undefined {
  return [...state.deals.values()].find(
    deal => deal.client === client && deal.provider === provider && deal.status === 'active'
  )
}

/**
 * Whether a deal holds this piece. By its CID where that is known: no deal takes a piece twice, whatever object it is
 * part of. By its label where that is the piece's own.
 */
export function holds({ pieces }: Pick<Deal, 'pieces'>, { label, cid }: Pick<PlannedPiece, 'label' | 'cid'>): boolean {
  const text = bytesToHex(label)
  return pieces.filter(isPresent).some(piece => (cid === undefined ? piece.label === text : piece.cid.equals(cid)))
}
