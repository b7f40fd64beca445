/** Rules about deals: opening, funding, giving notice, demanding an opening. */
import { firstOpeningToAnswer, lastRoundOfNotice } from '../rounds/boundaries.ts'
import type { Address } from '../schema.ts'
import { refuseOverdraft } from './account-rules.ts'
import { askOf } from './asks.ts'
import { enterDeal, isRunning } from './live-deals.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import { type Deal, type LedgerState, openAccount } from './state.ts'

export const openDeal: Rule<'DealOrder'> = (state, { statement }) => {
  const { client, provider, leavesPerRound, escrow } = statement
  const ask = askOf(state, provider)
  if (ask === undefined) return refuseNoAsk(provider)
  const { leavesPerRoundMax } = state.parameters.proving
  if (leavesPerRound < 1 || leavesPerRound > leavesPerRoundMax) {
    return refuse(
      'TOO_MANY_LEAVES',
      `a deal is asked for 1 to ${leavesPerRoundMax} leaves a round, not ${leavesPerRound}`,
      { leavesPerRoundMax, got: leavesPerRound }
    )
  }
  const overdraft = refuseOverdraft(state, client, escrow)
  if (overdraft !== undefined) return overdraft
  openAccount(state, client).free -= escrow
  const deal = newDeal(state, { ...statement, orderId: statement.id, operator: ask.operator })
  deal.escrow = escrow
  deal.totals.funded = escrow
  return applied({ kind: 'dealOpened', dealId: deal.id, client, provider })
}

export type DealTerms = Pick<
  Deal,
  'orderId' | 'client' | 'provider' | 'operator' | 'pricePerLeafRound' | 'leavesPerRound'
>

/** Enters an active deal without pieces and without money under the next number. */
export function newDeal(state: LedgerState, terms: DealTerms): Deal {
  const { orderId, client, provider, operator, pricePerLeafRound, leavesPerRound } = terms
  const deal: Deal = {
    id: state.nextDealId,
    orderId,
    client,
    provider,
    operator,
    pricePerLeafRound,
    leavesPerRound,
    status: 'active',
    endsAfterRound: 0,
    pieces: [],
    nextPieceId: 0,
    leafCount: 0,
    rawSize: 0,
    escrow: 0n,
    escrowFromRepair: 0n,
    collateral: 0n,
    repairReward: 0n,
    repairBudget: 0n,
    repairUntilRound: 0,
    takeOver: undefined,
    successor: undefined,
    docket: [],
    mustOpenFrom: undefined,
    demand: undefined,
    settledBoundary: state.boundaries,
    totals: { funded: 0n, paidToProvider: 0n, paidToVerifiers: 0n, refunded: 0n, burned: 0n },
    rounds: { proved: 0, faulted: 0, void: 0 }
  }
  state.nextDealId += 1
  enterDeal(state, deal)
  return deal
}

export const topUp: Rule<'TopUp'> = (state, { statement: { client, dealId, amount } }) => {
  const found = findActiveDeal(state, dealId, client)
  if ('refusal' in found) return found
  const overdraft = refuseOverdraft(state, client, amount)
  if (overdraft !== undefined) return overdraft
  openAccount(state, client).free -= amount
  found.deal.escrow += amount
  found.deal.totals.funded += amount
  return applied({ kind: 'toppedUp', dealId, amount })
}

export const endDeal: Rule<'EndDeal'> = (state, { statement: { party, dealId } }) => {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (party !== deal.client && party !== deal.provider) return refuseStranger(dealId, party)
  if (deal.status !== 'active') return refuseInactive(deal)
  const endsAfterRound = giveNotice(state, deal, state.round)
  return applied({ kind: 'dealEnding', dealId, endsAfterRound, reason: 'notice' })
}

/**
 * Starts the notice period.
 *
 * @param round - in which notice is given
 * @returns the last round in which the deal is challenged and paid
 */
export function giveNotice(state: LedgerState, deal: Deal, round: number): number {
  deal.status = 'ending'
  deal.endsAfterRound = lastRoundOfNotice(round, state.parameters.money.noticeRounds, deal.leafCount)
  return deal.endsAfterRound
}

/** One demand at a time; the bond is the provider's if it answers, and comes back if it does not or if the deal is over. */
export const demandOpening: Rule<'DemandOpening'> = (state, { statement: { client, dealId, bond } }) => {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.client !== client) return refuseStranger(dealId, client)
  if (!isRunning(deal)) return refuseInactive(deal)
  if (deal.demand !== undefined)
    return refuse('ALREADY_DEMANDED', `an opening of deal ${dealId} is demanded already`, { dealId })
  const { openingBond } = state.parameters.money
  if (bond < openingBond)
    return refuse('BOND_TOO_SMALL', `a demand for an opening needs a bond of ${openingBond} atto`, {
      bond: `${bond}`,
      needed: `${openingBond}`
    })
  const overdraft = refuseOverdraft(state, client, bond)
  if (overdraft !== undefined) return overdraft
  openAccount(state, client).free -= bond
  const fromOpening = firstOpeningToAnswer(state.openings)
  deal.demand = { bond, fromOpening }
  return applied({ kind: 'openingDemanded', dealId, bond, fromOpening })
}

/** The deal of a client, if it is active. */
export function findActiveDeal(state: LedgerState, dealId: number, client: Address): { deal: Deal } | Refused {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.client !== client) return refuseStranger(dealId, client)
  return deal.status === 'active' ? { deal } : refuseInactive(deal)
}

export function refuseNoDeal(dealId: number): Refused {
  return refuse('NO_DEAL', `there is no deal ${dealId}`, { dealId })
}

export function refuseNoAsk(provider: Address): Refused {
  return refuse('NO_ASK', `${provider} has no ask in force on this ledger; a new one is from the next round on`, {
    provider
  })
}

export function refuseStranger(dealId: number, address: Address): Refused {
  return refuse('NOT_A_PARTY', `${address} cannot do this in deal ${dealId}`, { dealId, address })
}

export function refuseInactive(deal: Deal): Refused {
  return refuse('DEAL_NOT_ACTIVE', `deal ${deal.id} is ${deal.status}; open another one`, {
    dealId: deal.id,
    status: deal.status
  })
}
