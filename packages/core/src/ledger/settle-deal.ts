/**
 * The seam between rounds and money: takes what `rounds/` decides about a challenged deal and moves credits on it.
 *
 * A missed deadline loses the round's pay and nothing else. Everything that moves here stays within one deal: its escrow,
 * its bonds, the accounts of its parties and of its verifiers.
 */
import { positionOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { firstOpeningToAnswer } from '../rounds/boundaries.ts'
import { challengesOf } from '../rounds/challenge.ts'
import { enterLeaves } from '../rounds/docket.ts'
import { frozenDealOf, mustAnswer } from '../rounds/freeze.ts'
import { mustBeOpened } from '../rounds/opening.ts'
import { decideOutcome, type Outcome } from '../rounds/outcome.ts'
import { type Verdict, verdictAt } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import type { DealResult, LedgerEvent } from './event.ts'
import { collateralTarget, feePerVerifier, priceOfOpening, splitPay } from './price.ts'
import { assignmentOf } from './proof-rules.ts'
import { type Deal, type LedgerState, type OpenRound, openAccount } from './state.ts'

export interface Settlement {
  readonly result: DealResult
  readonly events: readonly LedgerEvent[]
}

/** @param late - nobody could open the next round in time: what is not proved is void */
export function settleDeal(state: LedgerState, round: OpenRound, deal: Deal, late: boolean): Settlement {
  const { money, proving } = state.parameters
  const verdicts = verdictsOn(state, round, deal.id)
  const mustOpen = mustAnswer(deal, round.opening)
  const outcome = decideOutcome({
    verdicts: verdicts.map(({ verdict }) => verdict),
    quorum: proving.quorum,
    selfProved: round.selfProved.has(deal.id),
    mustOpen: mustBeOpened(round.seed, { dealId: deal.id, mustOpen }, proving.openingOneIn),
    closedLate: late
  })
  deal.rounds[COUNTERS[outcome.kind]] += 1
  if (outcome.kind === 'fault') {
    const challenges = challengesOf(round.seed, frozenDealOf(deal, round.opening))
    deal.docket = enterLeaves(deal.docket, challenges, state.countedRounds, proving.docketLeavesMax)
  }
  const events = answerDemands(state, deal, round, outcome)
  if (verdicts.some(({ verdict }) => verdict === 'bad proof')) deal.mustOpenFrom ??= firstOpeningToAnswer(round.opening)
  const price = priceOfOpening(money, deal, round.opening)
  const paidVerifiers = verdicts.filter(({ verdict }) => earnsFee(verdict, outcome)).map(({ verifier }) => verifier)
  const fees = payVerifiers(state, deal, price, paidVerifiers)
  const burned =
    outcome.kind === 'proved' ? burnFees(state, deal, price, proving.verifiersPerDeal - paidVerifiers.length) : 0n
  const pay = payProvider(state, deal, price, outcome)
  const result = {
    dealId: deal.id,
    client: deal.client,
    provider: deal.provider,
    leavesAsked: deal.leavesPerRound,
    outcome,
    ...pay,
    fees,
    paidVerifiers,
    burned,
    docketLeaves: deal.docket.length
  }
  return { result, events }
}

const COUNTERS = { proved: 'proved', fault: 'faulted', void: 'void' } as const

/** What the verifiers of a deal said about it in a round, in place order; `verdict` is undefined for a silent one. */
export function verdictsOn(
  state: LedgerState,
  round: OpenRound,
  dealId: number
): { readonly verifier: Address; readonly verdict: Verdict | undefined }[] {
  const assignment = assignmentOf(state, round)
  return verifiersOfDeal(assignment, dealId).map(verifier => {
    const attestation = round.attestations.get(verifier)
    return {
      verifier,
      verdict: attestation && verdictAt(attestation.verdicts, positionOf(assignment, verifier, dealId))
    }
  })
}

/** An answer was due: whatever came of it, but for a void round, it is due no more, and a bond has found its owner. */
function answerDemands(state: LedgerState, deal: Deal, { opening }: OpenRound, outcome: Outcome): LedgerEvent[] {
  if (outcome.kind === 'void') return []
  if (deal.mustOpenFrom !== undefined && deal.mustOpenFrom <= opening) deal.mustOpenFrom = undefined
  if (deal.demand === undefined || deal.demand.fromOpening > opening) return []
  return payBond(state, deal, outcome.kind === 'proved' ? deal.provider : deal.client)
}

/** Ends a demand for an opening, if there is one. */
export function payBond(state: LedgerState, deal: Deal, to: Address): LedgerEvent[] {
  if (deal.demand === undefined) return []
  const { bond } = deal.demand
  deal.demand = undefined
  openAccount(state, to).free += bond
  return [{ kind: 'bondPaid', dealId: deal.id, bond, to }]
}

/** Yes and no are paid the same, silence about a provider only when nobody else heard it either. A void round pays nobody. */
function earnsFee(verdict: Verdict | undefined, outcome: Outcome): boolean {
  if (outcome.kind === 'void') return false
  if (verdict === 'pass' || verdict === 'bad proof') return true
  return verdict === 'no answer' && outcome.kind === 'fault'
}

function payVerifiers(state: LedgerState, deal: Deal, price: bigint, verifiers: readonly Address[]): bigint {
  const { money, proving } = state.parameters
  const fee = feePerVerifier(money, price, proving.verifiersPerDeal)
  for (const verifier of verifiers) openAccount(state, verifier).free += fee
  const fees = fee * BigInt(verifiers.length)
  takeFromEscrow(deal, fees)
  deal.totals.paidToVerifiers += fees
  return fees
}

/**
 * What verifiers have not earned of a proved round is nobody's, also where too few were left to be assigned: a client and a
 * provider that keep their proofs from verifiers, or have others' stakes lost, save no fee by it.
 */
function burnFees(state: LedgerState, deal: Deal, price: bigint, count: number): bigint {
  const { money, proving } = state.parameters
  const burned = feePerVerifier(money, price, proving.verifiersPerDeal) * BigInt(count)
  takeFromEscrow(deal, burned)
  deal.totals.burned += burned
  state.burned += burned
  return burned
}

/** A deal earns only for a proved round, and only while it owes nothing. */
function payProvider(
  state: LedgerState,
  deal: Deal,
  price: bigint,
  outcome: Outcome
): Pick<DealResult, 'paid' | 'withheld' | 'reward'> {
  if (outcome.kind !== 'proved' || deal.docket.length > 0) return { paid: 0n, withheld: 0n, reward: 0n }
  const { money, proving } = state.parameters
  const pay = price - feePerVerifier(money, price, proving.verifiersPerDeal) * BigInt(proving.verifiersPerDeal)
  const split = splitPay(money, pay, deal.collateral, collateralTarget(money, price))
  takeFromEscrow(deal, pay)
  deal.totals.paidToProvider += pay
  deal.collateral += split.withheld
  const reward = deal.repairReward
  deal.repairReward = 0n
  openAccount(state, deal.provider).free += split.paid + reward
  return { ...split, reward }
}

/** What came from a repair budget is spent first. */
function takeFromEscrow(deal: Deal, amount: bigint): void {
  deal.escrow -= amount
  deal.escrowFromRepair = deal.escrowFromRepair > amount ? deal.escrowFromRepair - amount : 0n
}
