/**
 * What happens to a deal between two rounds, whether or not it was challenged: pieces go, notice begins, deals end or fail,
 * unused budgets burn. Collateral is touched only when the oldest leaf of the docket is `cureRounds` old.
 */
import { isPieceGone } from '../rounds/boundaries.ts'
import { dropPieces, isOverdue } from '../rounds/docket.ts'
import { giveNotice } from './deal-rules.ts'
import type { LedgerEvent } from './event.ts'
import { escrowNeeded, priceOfDeal } from './price.ts'
import { payBond } from './settle-deal.ts'
import { type Closing, type Deal, type LedgerState, openAccount } from './state.ts'

export function passBoundary(state: LedgerState, deal: Deal, { round, through }: Closing): LedgerEvent[] {
  if (deal.status === 'failed') return burnUnused(state, deal, through)
  const gone = round === undefined ? [] : dropGonePieces(state, deal, round.opening)
  if (isOverdue(deal.docket, state.countedRounds, state.parameters.proving.cureRounds))
    return [...gone, ...fail(state, deal, through)]
  if (deal.status === 'ending')
    return through >= deal.endsAfterRound && deal.docket.length === 0 ? [...gone, ...end(state, deal)] : gone
  const { money } = state.parameters
  // One more paid round would eat into the notice period, so the notice begins while all of it is still there.
  if (deal.escrow >= escrowNeeded(money, priceOfDeal(money, deal))) return gone
  const endsAfterRound = giveNotice(state, deal, through)
  return [...gone, { kind: 'dealEnding', dealId: deal.id, endsAfterRound, reason: 'empty escrow' }]
}

/**
 * Counts out the pieces that the opening which closes was the last to challenge, with what they owe, and forgets those of
 * which nothing can be disputed any more.
 */
function dropGonePieces(state: LedgerState, deal: Deal, closedOpening: number): LedgerEvent[] {
  const removed = deal.pieces.filter(piece => isPieceGone(piece, closedOpening))
  if (removed.length === 0) return []
  const gone = removed.filter(({ untilOpening }) => untilOpening === closedOpening)
  for (const { leafCount, rawSize } of gone) {
    deal.leafCount -= leafCount
    deal.rawSize -= rawSize
  }
  const pieceIds = gone.map(({ id }) => id)
  deal.docket = dropPieces(deal.docket, new Set(pieceIds))
  const [oldest] = state.closed.values()
  if (oldest !== undefined && removed.some(piece => isPieceGone(piece, oldest.opening - 1)))
    deal.pieces = deal.pieces.filter(piece => !isPieceGone(piece, oldest.opening - 1))
  return gone.length === 0 ? [] : [{ kind: 'piecesGone', dealId: deal.id, pieceIds }]
}

function refundEscrow(state: LedgerState, deal: Deal): bigint {
  const burned = deal.escrowFromRepair
  const refunded = deal.escrow - burned
  deal.escrow = 0n
  deal.escrowFromRepair = 0n
  deal.totals.refunded += refunded
  deal.totals.burned += burned
  openAccount(state, deal.client).free += refunded
  state.burned += burned + deal.repairReward
  deal.repairReward = 0n
  return refunded
}

function end(state: LedgerState, deal: Deal): LedgerEvent[] {
  const collateralReturned = deal.collateral
  deal.collateral = 0n
  openAccount(state, deal.provider).free += collateralReturned
  deal.status = 'ended'
  const bond = payBond(state, deal, deal.client)
  return [...bond, { kind: 'dealEnded', dealId: deal.id, refunded: refundEscrow(state, deal), collateralReturned }]
}

function fail(state: LedgerState, deal: Deal, through: number): LedgerEvent[] {
  const forfeited = deal.collateral
  deal.collateral = 0n
  deal.repairBudget += forfeited
  deal.repairUntilRound = through + state.parameters.money.repairRounds
  deal.docket = []
  deal.status = 'failed'
  const bond = payBond(state, deal, deal.client)
  return [...bond, { kind: 'dealFailed', dealId: deal.id, forfeited, refunded: refundEscrow(state, deal) }]
}

/** Forfeits never go to the client, who could otherwise gain from a failure. */
function burnUnused(state: LedgerState, deal: Deal, through: number): LedgerEvent[] {
  if (deal.repairBudget === 0n || through <= deal.repairUntilRound) return []
  const amount = deal.repairBudget
  deal.repairBudget = 0n
  state.burned += amount
  return [{ kind: 'burned', dealId: deal.id, amount }]
}
