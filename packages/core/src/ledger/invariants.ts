/**
 * What must hold after every entry. Each is a named function that says what is wrong, or nothing; what a state cannot show
 * by itself (that a log goes on without gaps, that two machines agree) is tested where it shows.
 */
import { countAssignedTo } from '../rounds/assignment.ts'
import { firstOpeningToRelease, isPieceGone } from '../rounds/boundaries.ts'
import { areVerdicts } from '../rounds/verdicts.ts'
import { AMOUNT_MAX } from '../schema.ts'
import { isLive, isRunning } from './live-deals.ts'
import { escrowNeeded, priceOfDeal } from './price.ts'
import { assignmentOf, findPiece } from './proof-rules.ts'
import type { Deal, LedgerState } from './state.ts'

/** @returns what is violated, with the facts; undefined while it holds */
export type Invariant = (state: LedgerState) => string | undefined

/** Every credit that the genesis made, wherever it is now. */
export function sumOfCredits(state: LedgerState): bigint {
  let sum = state.burned
  for (const [, amount] of amountsIn(state)) sum += amount
  return sum
}

/** Everything that holds credits, but for what is burned, with what it is called. */
function* amountsIn(state: LedgerState): Generator<readonly [what: string, amount: bigint]> {
  for (const [address, { free }] of state.accounts) yield [address, free]
  for (const [address, { stake, leaving }] of state.verifiers) {
    yield [`the stake of ${address}`, stake]
    for (const { amount } of leaving) yield [`leaving stake of ${address}`, amount]
  }
  for (const deal of state.deals.values()) {
    yield [`the escrow of deal ${deal.id}`, deal.escrow]
    yield [`the collateral of deal ${deal.id}`, deal.collateral]
    yield [`the repair budget of deal ${deal.id}`, deal.repairBudget]
    yield [`the repair reward of deal ${deal.id}`, deal.repairReward]
    if (deal.demand !== undefined) yield [`the bond on deal ${deal.id}`, deal.demand.bond]
  }
  for (const [key, { bond }] of state.disputes) yield [`the bond on ${key}`, bond]
}

/** No credit comes from nowhere, and none is lost. */
export function creditsAreConserved(state: LedgerState): string | undefined {
  const supply = state.parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n)
  const sum = sumOfCredits(state)
  return sum === supply ? undefined : `the supply is ${supply} atto, the sum of all balances ${sum}`
}

/** Every amount is one that a contract could hold too. */
export function nothingIsNegative(state: LedgerState): string | undefined {
  if (state.burned < 0n) return `${state.burned} atto are burned`
  for (const [what, amount] of amountsIn(state))
    if (amount < 0n || amount > AMOUNT_MAX) return `${what} is ${amount} atto`
  for (const { id, escrow, escrowFromRepair } of state.deals.values())
    if (escrowFromRepair < 0n || escrowFromRepair > escrow)
      return `deal ${id} has ${escrowFromRepair} atto of a repair budget in an escrow of ${escrow}`
  return undefined
}

/** Whatever entered a deal's escrow was paid, returned, burned, or is there. */
export function dealsBalance(state: LedgerState): string | undefined {
  for (const { id, escrow, totals } of state.deals.values()) {
    const spent = totals.paidToProvider + totals.paidToVerifiers + totals.refunded + totals.burned
    if (totals.funded !== spent + escrow)
      return `deal ${id} was funded with ${totals.funded}, spent ${spent} and holds ${escrow}`
  }
  return undefined
}

/** Money of a deal that is over has gone where it belongs, and nothing is asked of it any more. */
export function closedDealsHoldNothing(state: LedgerState): string | undefined {
  for (const deal of state.deals.values()) {
    if (isRunning(deal)) {
      if (deal.repairBudget !== 0n) return `deal ${deal.id} is ${deal.status} and has a repair budget`
      continue
    }
    if (deal.escrow !== 0n || deal.collateral !== 0n || deal.repairReward !== 0n || deal.demand !== undefined)
      return `deal ${deal.id} is ${deal.status} and still holds money`
    if (deal.status === 'ended' && deal.repairBudget !== 0n) return `deal ${deal.id} has ended with a repair budget`
    if (deal.docket.length > 0) return `deal ${deal.id} is ${deal.status} and still owes leaves`
  }
  return undefined
}

/** A deal can always pay for the rounds that are still to come if somebody gives notice now, or has given it. */
export function noticeIsCovered(state: LedgerState): string | undefined {
  const { money } = state.parameters
  for (const deal of state.deals.values()) {
    const price = priceOfDeal(money, deal)
    const needed =
      deal.status === 'active'
        ? escrowNeeded(money, price)
        : price * BigInt(Math.max(0, deal.endsAfterRound - lastPassedRound(state, deal)))
    if (isRunning(deal) && deal.escrow < needed)
      return `deal ${deal.id} holds ${deal.escrow} atto, less than the ${needed} that its rounds to come cost`
  }
  return undefined
}

/** The last round that a running deal has been settled for. */
function lastPassedRound(state: LedgerState, deal: Deal): number {
  const { closing, open, round } = state
  if (closing?.round !== undefined && deal.settledBoundary < closing.boundary) return closing.round.round - 1
  return open === undefined ? round : round - 1
}

/** The last opening that has closed for a running deal. */
function lastPassedOpening(state: LedgerState, deal: Deal): number {
  const { closing, open, openings } = state
  const closed = open === undefined ? openings : openings - 1
  return closing?.round !== undefined && deal.settledBoundary < closing.boundary ? closed - 1 : closed
}

/** Every live deal passes every boundary, once; the indexes name exactly the deals that they should. */
export function boundariesPassDeals(state: LedgerState): string | undefined {
  const waiting = new Set(state.closing?.dealIds.slice(state.closing.cursor))
  for (const deal of state.deals.values()) {
    if (isLive(deal) !== state.liveDeals.has(deal.id))
      return `deal ${deal.id} is ${deal.status}, and ${isLive(deal) ? 'no' : 'a'} boundary looks at it`
    if (isRunning(deal) !== (state.dealsByProvider.get(deal.provider)?.has(deal.id) ?? false))
      return `deal ${deal.id} is ${deal.status}, and its provider has it ${isRunning(deal) ? 'not' : 'still'}`
    if (isLive(deal) && deal.settledBoundary !== state.boundaries && !waiting.has(deal.id))
      return `deal ${deal.id} has passed boundary ${deal.settledBoundary} of ${state.boundaries}`
  }
  return undefined
}

/** The counts of rounds agree with each other, and with what is kept of them. */
export function roundsAgree(state: LedgerState): string | undefined {
  const { round, openings, boundaries, countedRounds, open, closing, closed, deals } = state
  if (countedRounds > openings || openings > boundaries || openings > round)
    return `${countedRounds} counted rounds of ${openings} openings in ${boundaries} boundaries up to round ${round}`
  if (open !== undefined && (open.round !== round || open.opening !== openings))
    return `round ${open.round} is open as opening ${open.opening}, and the newest is ${round}, opening ${openings}`
  if (closing !== undefined && closing.boundary !== boundaries) return `boundary ${closing.boundary} is not the newest`
  let before = 0
  for (const [key, { round: closedRound, opening }] of closed) {
    if (key !== closedRound || opening <= before || closedRound > round) return `round ${key} is kept out of order`
    before = opening
  }
  for (const one of open === undefined ? closed.values() : [...closed.values(), open])
    if (one.dealIds.some((id, index) => !deals.has(id) || id <= (one.dealIds[index - 1] ?? 0)))
      return `the challenged deals of round ${one.round} are not in order`
  return undefined
}

/** A deal has one outcome a round, whatever comes when. */
export function outcomesAreOneARound(state: LedgerState): string | undefined {
  for (const deal of state.deals.values()) {
    const { proved, faulted, void: passed } = deal.rounds
    const settled = proved + faulted + passed
    if (settled > lastPassedOpening(state, deal))
      return `deal ${deal.id} has ${settled} outcomes of ${state.openings} openings`
  }
  return undefined
}

/** What is challenged and paid is what the pieces say: nothing joins or leaves before its time. */
export function piecesAreCounted(state: LedgerState): string | undefined {
  const { openings } = state
  for (const deal of state.deals.values()) {
    let [leafCount, rawSize, lastId] = [0, 0, -1]
    for (const piece of deal.pieces) {
      if (piece.id <= lastId || piece.id >= deal.nextPieceId)
        return `piece ${piece.id} of deal ${deal.id} is out of order`
      lastId = piece.id
      if (piece.fromOpening > openings + 2 || (piece.untilOpening ?? 0) > openings + 1)
        return `piece ${piece.id} of deal ${deal.id} is challenged from opening ${piece.fromOpening} to ${piece.untilOpening}, and the newest is ${openings}`
      if (isPieceGone(piece, lastPassedOpening(state, deal))) continue
      leafCount += piece.leafCount
      rawSize += piece.rawSize
    }
    if (isRunning(deal) && (deal.leafCount !== leafCount || deal.rawSize !== rawSize))
      return `deal ${deal.id} counts ${deal.leafCount} leaves of ${deal.rawSize} bytes, its pieces have ${leafCount} of ${rawSize}`
  }
  return undefined
}

/** What a deal owes is bounded, is there, and is owed once; nothing is owed for longer than the time of cure. */
export function docketsAreBounded(state: LedgerState): string | undefined {
  const { docketLeavesMax, cureRounds } = state.parameters.proving
  for (const deal of state.deals.values()) {
    const { id, docket, pieces } = deal
    if (docket.length > docketLeavesMax) return `deal ${id} owes ${docket.length} leaves`
    const known = new Set(docket.map(({ pieceId, leafIndex }) => `${pieceId}/${leafIndex}`))
    if (known.size < docket.length) return `deal ${id} owes a leaf twice`
    for (const [index, { pieceId, leafIndex, sinceCountedRound }] of docket.entries()) {
      if (leafIndex >= (findPiece(pieces, pieceId)?.leafCount ?? 0)) return `deal ${id} owes what it does not hold`
      if (sinceCountedRound < (docket[index - 1]?.sinceCountedRound ?? 0))
        return `the docket of deal ${id} is not in order`
    }
    const isWaiting = deal.settledBoundary < state.boundaries
    if (docket.length > 0 && !isWaiting && state.countedRounds - docket[0]!.sinceCountedRound >= cureRounds)
      return `deal ${id} has not been cured and has not failed`
  }
  return undefined
}

/** Every locked credit comes free in time, whatever anybody else does. */
export function lockedMoneyHasAWayOut(state: LedgerState): string | undefined {
  const { parameters, round, openings, deals, verifiers, disputes, closed, boundaries } = state
  for (const deal of deals.values()) {
    if (deal.status === 'ending' && deal.endsAfterRound > round + parameters.money.noticeRounds)
      return `the notice of deal ${deal.id} runs to round ${deal.endsAfterRound}`
    const isWaiting = deal.settledBoundary < boundaries
    if (deal.repairBudget > 0n && !isWaiting && round > deal.repairUntilRound + 1)
      return `the repair budget of deal ${deal.id} was to be burned after round ${deal.repairUntilRound}`
  }
  const releaseOpeningMax = firstOpeningToRelease(openings, parameters.proving)
  for (const [address, { leaving }] of verifiers)
    for (const { releaseOpening } of leaving)
      if (releaseOpening > releaseOpeningMax) return `stake of ${address} leaves with opening ${releaseOpening}`
  for (const [key, { status, round: disputed, bond }] of disputes) {
    if (!closed.has(disputed)) return `${key} is disputed, and its round is not kept`
    if (status !== 'open' && bond !== 0n) return `${key} is ${status} and still holds a bond`
  }
  return undefined
}

/** Only assigned verifiers have attested, and of exactly the deals that they were assigned. */
export function attestationsFit(state: LedgerState): string | undefined {
  const { open } = state
  if (open === undefined || open.attestations.size === 0) return undefined
  const assignment = assignmentOf(state, open)
  for (const [verifier, { verdicts }] of open.attestations) {
    const count = countAssignedTo(assignment, verifier)
    if (count === 0 || !areVerdicts(verdicts, count)) return `${verifier} has not attested its ${count} deals`
  }
  return undefined
}

/** An id works once: those of statements that may still be valid are known, each will be forgotten, and none is older. */
export function idsAreRemembered(state: LedgerState): string | undefined {
  const listed = new Set<string>()
  for (const [validUntilRound, keys] of state.idsByRound) {
    if (validUntilRound < state.round) return `ids of round ${validUntilRound} are not expired`
    for (const key of keys) {
      listed.add(key)
      if (state.usedIds.get(key)?.validUntilRound !== validUntilRound) return `${key} is not remembered`
    }
  }
  for (const keys of state.expiredIds) for (const key of keys) listed.add(key)
  for (const [key, { sequence }] of state.usedIds) {
    if (!listed.has(key)) return `${key} will never be forgotten`
    if (sequence >= state.sequence) return `${key} was used by entry ${sequence}, which is not there yet`
  }
  return undefined
}

export const INVARIANTS: readonly Invariant[] = [
  creditsAreConserved,
  nothingIsNegative,
  dealsBalance,
  closedDealsHoldNothing,
  noticeIsCovered,
  boundariesPassDeals,
  roundsAgree,
  outcomesAreOneARound,
  piecesAreCounted,
  docketsAreBounded,
  lockedMoneyHasAWayOut,
  attestationsFit,
  idsAreRemembered
]

/** @returns every violation by the invariant's name; empty when all hold */
export function checkInvariants(state: LedgerState): { readonly invariant: string; readonly violation: string }[] {
  return INVARIANTS.flatMap(invariant => {
    const violation = invariant(state)
    return violation === undefined ? [] : [{ invariant: invariant.name, violation }]
  })
}
