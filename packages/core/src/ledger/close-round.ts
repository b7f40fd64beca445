/**
 * The seam between rounds and money: takes what `rounds/` decides about each challenged deal and moves credits on it.
 *
 * A missed deadline loses the round's pay and nothing else. Collateral is touched only when the oldest leaf of the docket
 * is `cureRounds` old.
 */
import { challengesOf, countLeaves } from '../rounds/challenge.ts'
import { enterLeaves, isOverdue } from '../rounds/docket.ts'
import type { Freeze, FrozenDeal } from '../rounds/freeze.ts'
import { mustBeOpened } from '../rounds/opening.ts'
import { decideOutcome, type Outcome } from '../rounds/outcome.ts'
import type { Address } from '../schema.ts'
import { giveNotice } from './deal-rules.ts'
import type { DealResult, LedgerEvent } from './event.ts'
import { collateralTarget, feePerVerifier, priceOfDeal, splitPay } from './price.ts'
import { assignmentOf } from './proof-rules.ts'
import { type Deal, type LedgerState, type OpenRound, openAccount } from './state.ts'

/** @param late - nobody could open the next round in time: what is not proved is void */
export function closeRound(state: LedgerState, late: boolean): LedgerEvent[] {
  const { open, round } = state
  if (open === undefined) return []
  if (!late) state.countedRounds += 1
  const results = open.freeze.deals.flatMap(frozen => {
    const deal = state.deals.get(frozen.dealId)!
    return isChallengedIn(deal, round) ? [settle(state, open, frozen, deal, late)] : []
  })
  state.open = undefined
  return [
    { kind: 'roundClosed', round, late, results },
    ...[...state.deals.values()].flatMap(deal => passBoundary(state, deal))
  ]
}

/**
 * What the next opened round will challenge: the state as it stands now. A bad proof that was reported is handed over to
 * that round, and so is answered once.
 */
export function freezeRound(state: LedgerState): Freeze {
  const { money } = state.parameters
  const deals = [...state.deals.values()]
    .filter(deal => deal.leafCount > 0 && isChallengedIn(deal, state.round + 1))
    .map(deal => ({
      dealId: deal.id,
      client: deal.client,
      provider: deal.provider,
      pieceCount: deal.pieces.length,
      leafCount: deal.leafCount,
      leavesPerRound: deal.leavesPerRound,
      pricePerRound: priceOfDeal(money, deal),
      mustOpen: deal.mustOpen
    }))
  for (const { dealId } of deals) state.deals.get(dealId)!.mustOpen = false
  const verifiers = [...state.verifiers]
    .map(([address, { stake }]) => ({ address, places: Number(stake / money.stakeUnit) }))
    .sort((a, b) => (a.address < b.address ? -1 : 1))
  return { madeInRound: state.round, deals, verifiers }
}

function isChallengedIn(deal: Deal, round: number): boolean {
  return deal.status === 'active' || (deal.status === 'ending' && round <= deal.endsAfterRound)
}

function settle(state: LedgerState, open: OpenRound, frozen: FrozenDeal, deal: Deal, late: boolean): DealResult {
  const { proving } = state.parameters
  const verifiers = assignmentOf(state, open).get(deal.id) ?? []
  const verdicts = verifiers.map(verifier => open.verdicts.get(verifier)?.get(deal.id))
  const outcome = decideOutcome({
    verdicts,
    quorum: proving.quorum,
    selfProved: open.selfProved.has(deal.id),
    mustOpen: mustBeOpened(open.seed, frozen, proving.openingOneIn),
    closedLate: late
  })
  const challenges = challengesOf(
    open.seed,
    frozen,
    deal.pieces.map(piece => piece.leafCount)
  )
  if (outcome.kind === 'fault')
    deal.docket = enterLeaves(deal.docket, challenges, state.countedRounds, proving.docketLeavesMax)
  // A fault needs no second opening: only a self-proof takes its leaves off the docket.
  if (verdicts.includes('bad proof') || (frozen.mustOpen && outcome.kind === 'void')) deal.mustOpen = true
  deal.rounds[outcome.kind === 'proved' ? 'proved' : outcome.kind === 'fault' ? 'faulted' : 'void'] += 1
  const paidVerifiers = verifiers.filter((_, index) => earnsFee(verdicts[index], outcome))
  const fees = payVerifiers(state, deal, frozen, paidVerifiers)
  const { paid, withheld } = payProvider(state, deal, frozen, outcome)
  return {
    dealId: deal.id,
    client: deal.client,
    provider: deal.provider,
    leavesAsked: countLeaves(challenges),
    outcome,
    paid,
    withheld,
    fees,
    docketLeaves: deal.docket.length
  }
}

/** Yes and no are paid the same, silence about a provider only when nobody else heard it either. A void round pays nobody. */
function earnsFee(verdict: string | undefined, outcome: Outcome): boolean {
  if (outcome.kind === 'void') return false
  if (verdict === 'pass' || verdict === 'bad proof') return true
  return verdict === 'no answer' && outcome.kind === 'fault'
}

function payVerifiers(state: LedgerState, deal: Deal, frozen: FrozenDeal, verifiers: readonly Address[]): bigint {
  const { money, proving } = state.parameters
  const fee = feePerVerifier(money, frozen.pricePerRound, proving.verifiersPerDeal)
  for (const verifier of verifiers) openAccount(state, verifier).free += fee
  const fees = fee * BigInt(verifiers.length)
  deal.escrow -= fees
  deal.totals.paidToVerifiers += fees
  return fees
}

/** A deal earns only for a proved round, and only while it owes nothing. */
function payProvider(
  state: LedgerState,
  deal: Deal,
  frozen: FrozenDeal,
  outcome: Outcome
): { paid: bigint; withheld: bigint } {
  if (outcome.kind !== 'proved' || deal.docket.length > 0) return { paid: 0n, withheld: 0n }
  const { money, proving } = state.parameters
  const fees = feePerVerifier(money, frozen.pricePerRound, proving.verifiersPerDeal) * BigInt(proving.verifiersPerDeal)
  const pay = frozen.pricePerRound - fees
  const split = splitPay(money, pay, deal.collateral, collateralTarget(money, frozen.pricePerRound))
  deal.escrow -= pay
  deal.totals.paidToProvider += pay
  deal.collateral += split.withheld
  openAccount(state, deal.provider).free += split.paid
  return split
}

/** What happens to a deal between two rounds, whether or not it was challenged. */
function passBoundary(state: LedgerState, deal: Deal): LedgerEvent[] {
  if (deal.status === 'failed') return burnUnused(state, deal)
  if (deal.status === 'ended') return []
  if (isOverdue(deal.docket, state.countedRounds, state.parameters.proving.cureRounds)) return [fail(state, deal)]
  if (deal.status === 'ending')
    return state.round >= deal.endsAfterRound && deal.docket.length === 0 ? [end(state, deal)] : []
  const { money } = state.parameters
  const price = priceOfDeal(money, deal)
  // One more paid round would eat into the notice period, so the notice begins while all of it is still there.
  if (deal.escrow >= price * BigInt(money.noticeRounds + 1)) return []
  return [{ kind: 'dealEnding', dealId: deal.id, endsAfterRound: giveNotice(state, deal), reason: 'empty escrow' }]
}

function refundEscrow(state: LedgerState, deal: Deal): bigint {
  const refunded = deal.escrow
  deal.escrow = 0n
  deal.totals.refunded += refunded
  openAccount(state, deal.client).free += refunded
  return refunded
}

function end(state: LedgerState, deal: Deal): LedgerEvent {
  const collateralReturned = deal.collateral
  deal.collateral = 0n
  openAccount(state, deal.provider).free += collateralReturned
  deal.status = 'ended'
  return { kind: 'dealEnded', dealId: deal.id, refunded: refundEscrow(state, deal), collateralReturned }
}

function fail(state: LedgerState, deal: Deal): LedgerEvent {
  const forfeited = deal.collateral
  deal.collateral = 0n
  deal.repairBudget += forfeited
  deal.repairUntilRound = state.round + state.parameters.money.repairRounds
  deal.docket = []
  deal.status = 'failed'
  return { kind: 'dealFailed', dealId: deal.id, forfeited, refunded: refundEscrow(state, deal) }
}

/** Forfeits never go to the client, who could otherwise gain from a failure. */
function burnUnused(state: LedgerState, deal: Deal): LedgerEvent[] {
  if (deal.repairBudget === 0n || state.round <= deal.repairUntilRound) return []
  const amount = deal.repairBudget
  deal.repairBudget = 0n
  state.burned += amount
  return [{ kind: 'burned', dealId: deal.id, amount }]
}
