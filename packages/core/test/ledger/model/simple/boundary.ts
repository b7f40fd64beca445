/** PROTOCOLS.md §§7–10: what a boundary does to verifiers and deals. */

import type { Address } from '../../../../src/schema.ts'
import { least, leavesHeld, noticeEscrow, partsPerMillion, priceHeld, priceOf } from './money.ts'
import type { ModelBoundary, ModelDeal, ModelDispute, ModelRound, ModelState, ModelVerdict } from './state.ts'
import { credit, dealsOf, findDeal, findRound, isRunning, verdictOf } from './state.ts'

const SETTLED_BY_THE_ENTRY = 64
/** Leaves of faults with which a slice ends early. */
const LEAVES_PER_SLICE = 2048

export function countsIn(piece: { from: number; until: number | undefined }, opening: number): boolean {
  return piece.from <= opening && (piece.until ?? opening) >= opening
}

/** Begins a boundary; nothing of the one before is left. */
export function closeRound(state: ModelState, through: number, late: boolean): void {
  const round = state.open
  if (round !== undefined) state.past.push(Object.freeze(round))
  if (round !== undefined && !late) state.counted += 1
  state.boundaries += 1
  state.open = undefined
  state.boundary = {
    round: round?.round,
    late,
    through,
    dealIds: state.deals.filter(deal => isRunning(deal) || deal.budget > 0n).map(({ id }) => id),
    visited: 0,
    passed: []
  }
  if (round !== undefined && !late) punishSilence(state, round)
  for (const dispute of state.disputes)
    if (dispute.status === 'open' && state.counted - dispute.since >= state.parameters.proving.answerRounds)
      refuteDispute(state, dispute, dispute.demander)
  release(state)
  settle(state, SETTLED_BY_THE_ENTRY)
}

function punishSilence(state: ModelState, round: ModelRound): void {
  for (const verifier of state.verifiers) {
    const { address } = verifier
    if (dealsOf(round, address).length === 0 || round.attested.some(one => one.verifier === address)) continue
    state.burned += takeStake(state, address, state.parameters.money.silencePenalty)
  }
}

/** From the stake first, then from what is leaving, the oldest first. @returns what there was, up to the amount */
function takeStake(state: ModelState, address: Address, amount: bigint): bigint {
  const verifier = state.verifiers.find(one => one.address === address)
  if (verifier === undefined) return 0n
  let taken = least(verifier.stake, amount)
  verifier.stake -= taken
  for (const part of verifier.leaving) {
    const more = least(part.amount, amount - taken)
    part.amount -= more
    taken += more
  }
  verifier.leaving = verifier.leaving.filter(part => part.amount > 0n)
  return taken
}

/** Ends a dispute against the verifier. */
export function refuteDispute(state: ModelState, dispute: ModelDispute, refuter: Address): void {
  const { money } = state.parameters
  credit(state, dispute.demander, dispute.bond)
  dispute.bond = 0n
  dispute.status = 'refuted'
  const lost = takeStake(state, dispute.verifier, money.stakeUnit)
  const share = partsPerMillion(lost, money.refuterPpm)
  credit(state, refuter, share)
  state.burned += lost - share
}

function release(state: ModelState): void {
  for (const verifier of state.verifiers) {
    const { address } = verifier
    if (state.disputes.some(one => one.verifier === address && one.status === 'open')) continue
    const due = verifier.leaving.filter(({ opening }) => opening <= state.openings)
    for (const { amount } of due) credit(state, address, amount)
    verifier.leaving = verifier.leaving.filter(({ opening }) => opening > state.openings)
  }
}

/** Visits the next deals of the boundary. */
export function settle(state: ModelState, count: number): void {
  const { boundary } = state
  if (boundary === undefined) return
  const end = Math.min(boundary.dealIds.length, boundary.visited + count)
  let leaves = 0
  for (; boundary.visited < end && leaves < LEAVES_PER_SLICE; boundary.visited += 1) {
    const deal = findDeal(state, boundary.dealIds[boundary.visited]!)!
    const { faulted } = deal
    passDeal(state, deal.id)
    if (deal.faulted > faulted) leaves += deal.leavesPerRound
  }
  if (boundary.visited === boundary.dealIds.length) state.boundary = undefined
}

/** Visits all that is left. */
export function settleRest(state: ModelState): void {
  while (state.boundary !== undefined) settle(state, state.boundary.dealIds.length)
}

/** Lets a deal pass the boundary, if it has not. @returns whether it had to */
export function passDeal(state: ModelState, dealId: number): boolean {
  const { boundary } = state
  const place = boundary?.dealIds.indexOf(dealId) ?? -1
  if (boundary === undefined || place < boundary.visited || boundary.passed.includes(dealId)) return false
  boundary.passed.push(dealId)
  const deal = findDeal(state, dealId)!
  const round = findRound(state, boundary.round)
  if (round?.deals.some(one => one.dealId === dealId) && isRunning(deal)) settleRound(state, boundary, round, deal)
  passTime(state, boundary, round, deal)
  return true
}

function settleRound(state: ModelState, { late }: ModelBoundary, round: ModelRound, deal: ModelDeal): void {
  const { parameters, counted } = state
  const { money, proving } = parameters
  const drawn = round.deals.find(({ dealId }) => dealId === deal.id)!
  const verdicts = drawn.verifiers.map(verifier => ({ verifier, verdict: verdictOf(round, verifier, deal.id) }))
  const outcome = outcomeOf(state, round, deal, late, verdicts)
  const badProof = verdicts.some(({ verdict }) => verdict === 'bad proof')
  if (outcome === 'proved') deal.proved += 1
  else if (outcome === 'fault') deal.faulted += 1
  else deal.voided += 1
  if (outcome === 'fault')
    for (const leaf of drawn.leaves) {
      const isOwed = deal.docket.some(one => one.pieceId === leaf.pieceId && one.leafIndex === leaf.leafIndex)
      if (!isOwed && deal.docket.length < proving.docketLeavesMax) deal.docket.push({ ...leaf, since: counted })
    }
  if (outcome !== 'void') {
    if (deal.answerFrom !== undefined && deal.answerFrom <= round.opening) deal.answerFrom = undefined
    if (deal.demand !== undefined && deal.demand.from <= round.opening)
      payBond(state, deal, outcome === 'proved' ? deal.provider : deal.client)
  }
  if (badProof && deal.answerFrom === undefined) deal.answerFrom = round.opening + 1
  const leaves = deal.pieces.filter(piece => countsIn(piece, round.opening))
  const price = priceOf(
    parameters,
    deal.pricePerLeafRound,
    leaves.reduce((sum, { leafCount }) => sum + leafCount, 0)
  )
  const fee = partsPerMillion(price, money.verifierFeePpm) / BigInt(proving.verifiersPerDeal)
  let unearned = proving.verifiersPerDeal
  for (const { verifier, verdict } of verdicts) {
    const earned = verdict === 'no answer' ? outcome === 'fault' : verdict !== undefined && outcome !== 'void'
    if (!earned) continue
    spend(deal, fee)
    deal.toVerifiers += fee
    credit(state, verifier, fee)
    unearned -= 1
  }
  if (outcome === 'proved') {
    const burned = fee * BigInt(unearned)
    spend(deal, burned)
    deal.burned += burned
    state.burned += burned
  }
  if (outcome !== 'proved' || deal.docket.length > 0) return
  const pay = price - fee * BigInt(proving.verifiersPerDeal)
  const missing = BigInt(money.collateralRounds) * price - deal.collateral
  const withheld = missing > 0n ? least(partsPerMillion(pay, money.earnInPpm), missing) : 0n
  spend(deal, pay)
  deal.toProvider += pay
  deal.collateral += withheld
  credit(state, deal.provider, pay - withheld + deal.reward)
  deal.reward = 0n
}

function outcomeOf(
  { parameters: { proving } }: ModelState,
  round: ModelRound,
  deal: ModelDeal,
  late: boolean,
  verdicts: readonly { readonly verdict: ModelVerdict | undefined }[]
): 'proved' | 'fault' | 'void' {
  if (round.selfProved.includes(deal.id)) return 'proved'
  const isDue = (from: number | undefined) => from !== undefined && from <= round.opening
  const isDrawn = round.deals.some(({ dealId, mustOpen }) => dealId === deal.id && mustOpen)
  const mustOpen = isDrawn || isDue(deal.answerFrom) || isDue(deal.demand?.from)
  const passes = verdicts.filter(({ verdict }) => verdict === 'pass').length
  if (!mustOpen && passes >= proving.quorum) return 'proved'
  return late ? 'void' : 'fault'
}

/** What came from a repair budget is spent first. */
function spend(deal: ModelDeal, amount: bigint): void {
  deal.escrow -= amount
  deal.repairEscrow -= least(deal.repairEscrow, amount)
}

function payBond(state: ModelState, deal: ModelDeal, to: Address): void {
  if (deal.demand !== undefined) credit(state, to, deal.demand.bond)
  deal.demand = undefined
}

function passTime(state: ModelState, { through }: ModelBoundary, round: ModelRound | undefined, deal: ModelDeal): void {
  const { money, proving } = state.parameters
  if (deal.status === 'failed') {
    if (through <= deal.budgetUntil) return
    state.burned += deal.budget
    deal.budget = 0n
    return
  }
  for (const piece of deal.pieces)
    if (round !== undefined && piece.until !== undefined && piece.until <= round.opening) piece.gone = true
  deal.docket = deal.docket.filter(leaf => !deal.pieces.find(({ id }) => id === leaf.pieceId)!.gone)
  const [oldest] = deal.docket
  if (oldest !== undefined && state.counted - oldest.since >= proving.cureRounds) {
    deal.status = 'failed'
    deal.budget = deal.collateral
    deal.budgetUntil = through + money.repairRounds
    deal.docket = []
    returnMoney(state, deal)
  } else if (deal.status === 'ending') {
    if (through < deal.lastRound || oldest !== undefined) return
    deal.status = 'ended'
    credit(state, deal.provider, deal.collateral)
    returnMoney(state, deal)
  } else if (deal.escrow < noticeEscrow(state.parameters, priceHeld(state, deal))) giveNotice(state, deal, through)
}

function returnMoney(state: ModelState, deal: ModelDeal): void {
  payBond(state, deal, deal.client)
  deal.collateral = 0n
  const refund = deal.escrow - deal.repairEscrow
  credit(state, deal.client, refund)
  deal.refunded += refund
  deal.burned += deal.repairEscrow
  state.burned += deal.repairEscrow + deal.reward
  deal.escrow = 0n
  deal.repairEscrow = 0n
  deal.reward = 0n
}

/** @param round - in which notice is given */
export function giveNotice({ parameters }: ModelState, deal: ModelDeal, round: number): void {
  deal.status = 'ending'
  deal.lastRound = leavesHeld(deal) === 0 ? round : round + parameters.money.noticeRounds
}
