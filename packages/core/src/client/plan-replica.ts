/** What storing a replica with one provider still takes, and costs: one plan, for the quote as well as for doing it. */

import { isPresent } from '../ledger/piece-rules.ts'
import { quoteDeal } from '../ledger/price.ts'
import type { Deal, LedgerState } from '../ledger/state.ts'
import type { Statement } from '../ledger/statements.ts'
import type { Address } from '../schema.ts'
import type { StoredObject } from './components.ts'

export interface ReplicaPlan {
  /** The deal that the client has with the provider; undefined when one must be opened. */
  readonly deal: Deal | undefined
  /** Pieces that the deal does not hold yet, with their index in the object. */
  readonly missing: readonly (StoredObject['pieces'][number] & { readonly index: number })[]
  /** What the pieces add to the price of a round, in atto. */
  readonly pricePerRound: bigint
  /** What moves from the client's account to the deal's escrow, in atto. */
  readonly deposit: bigint
  /** Rounds that the whole deal is funded for then. */
  readonly fundedRounds: number
}

/** @param rounds - how long to fund the deal, at least; never less than the notice period and one */
export function planReplica(
  state: LedgerState,
  client: Address,
  ask: Pick<Statement<'Ask'>, 'provider' | 'pricePerLeafRound'>,
  object: Pick<StoredObject, 'pieces'>,
  rounds: number
): ReplicaPlan {
  const { money } = state.parameters
  const deal = findDeal(state, client, ask.provider)
  const held = new Set(deal?.pieces.filter(isPresent).map(({ cid }) => cid.toString()))
  const missing = object.pieces
    .map((piece, index) => ({ ...piece, index }))
    .filter(({ cid }) => !held.has(cid.toString()))
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

function findDeal(state: LedgerState, client: Address, provider: Address): Deal | undefined {
  return [...state.deals.values()].find(
    deal => deal.client === client && deal.provider === provider && deal.status === 'active'
  )
}
