/**
 * Closes rounds: every live deal passes the boundary once, in slices, so that no entry is long however many deals there are.
 *
 * An entry that opens or passes over rounds begins a boundary and settles the first deals; the host's `settle` entries and
 * commands that touch a deal settle more; the next boundary settles what is left. Nothing depends on who does it when,
 * because a deal that has not passed is settled before anything else looks at it.
 */

import { rankOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { isDealChallenged, isDisputable } from '../rounds/boundaries.ts'
import type { FrozenVerifier } from '../rounds/freeze.ts'
import { isOpen } from './dispute-rules.ts'
import type { DealResult, LedgerEvent } from './event.ts'
import { dropIfOver, isLive, isRunning } from './live-deals.ts'
import { passBoundary } from './pass-boundary.ts'
import { unitsIn } from './price.ts'
import { assignmentOf } from './proof-rules.ts'
import { settleDeal } from './settle-deal.ts'
import { type Closing, type Deal, disputeKey, type LedgerState } from './state.ts'
import { passVerifiers } from './verifier-boundary.ts'

/** Deals that the entry which closes their round settles itself: all of them on most networks. */
export const SETTLE_DEALS_MAX = 64

/** Leaves of faults after which an entry settles no further deal: deriving them is what costs time in a bad round. */
export const SETTLE_LEAVES_MAX = 2048

/** The state as it stands when a round is about to be opened; everything of the boundary before has been settled. */
export function openRoundOf(state: LedgerState, round: number, seed: Uint8Array): LedgerEvent[] {
  const before = settleRest(state)
  const dealIds = challengedDeals(state, state.openings + 1, round)
  const events = closeRound(state, round - 1, false)
  state.round = round
  state.openings += 1
  state.open = {
    opening: state.openings,
    round,
    seed,
    verifiers: state.nextVerifiers,
    dealIds,
    attestations: new Map(),
    selfProved: new Set()
  }
  state.nextVerifiers = freezeVerifiers(state)
  return [...before, ...events]
}

/** Passes over rounds that nobody could open in time, up to and including `to`. */
export function passRounds(state: LedgerState, to: number): LedgerEvent[] {
  const before = settleRest(state)
  const events = closeRound(state, to, true)
  state.round = to
  return [...before, ...events]
}

/**
 * Begins a boundary; no other is under way.
 *
 * @param through - the last round that is over with it
 * @param late - nobody could open the next round in time
 */
function closeRound(state: LedgerState, through: number, late: boolean): LedgerEvent[] {
  const round = state.open
  if (round !== undefined && !late) state.countedRounds += 1
  state.boundaries += 1
  state.open = undefined
  if (round !== undefined) state.closed.set(round.round, round)
  const dealIds = [...state.liveDeals]
  const closing: Closing = { boundary: state.boundaries, round, late, through, dealIds, cursor: 0 }
  state.closing = closing
  forgetClosed(state)
  const verifiers = passVerifiers(state, closing)
  const { results, events } = settleSlice(state, closing, SETTLE_DEALS_MAX)
  const closed: LedgerEvent[] = round === undefined ? [] : [{ kind: 'roundClosed', round: round.round, late, results }]
  return [...closed, ...verifiers, ...events]
}

/**
 * The deals that an opening challenges, ascending, as they stand before the boundary to it. One that fails at that boundary
 * keeps its place among them, so that who checks whom does not depend on how much of it has been settled.
 */
function challengedDeals(state: LedgerState, opening: number, round: number): readonly number[] {
  const dealIds: number[] = []
  for (const id of state.liveDeals) if (isDealChallenged(state.deals.get(id)!, opening, round)) dealIds.push(id)
  // The same list as the round before, when it says the same: rounds that are kept for disputes then share one.
  const known = state.open?.dealIds
  const isSame = known?.length === dealIds.length && dealIds.every((id, index) => id === known[index])
  return isSame ? known : dealIds
}

/** Settles the next deals of the boundary that is under way: so many, or fewer when many of them are faults. */
export function settleNext(state: LedgerState, count: number): LedgerEvent[] {
  const { closing } = state
  if (closing === undefined) return []
  const { results, events } = settleSlice(state, closing, count)
  return [...settledEvents(closing, results), ...events]
}

/** Settles whatever the boundary before has left. */
function settleRest(state: LedgerState): LedgerEvent[] {
  const events: LedgerEvent[] = []
  while (state.closing !== undefined) events.push(...settleNext(state, Number.POSITIVE_INFINITY))
  return events
}

function settleSlice(state: LedgerState, closing: Closing, count: number) {
  const { dealIds } = closing
  const end = Math.min(dealIds.length, closing.cursor + count)
  const results: DealResult[] = []
  const events: LedgerEvent[] = []
  let leaves = 0
  for (; closing.cursor < end && leaves < SETTLE_LEAVES_MAX; closing.cursor += 1) {
    const deal = state.deals.get(dealIds[closing.cursor]!)!
    if (hasPassed(deal, closing)) continue
    const settled = settleOne(state, closing, deal)
    results.push(...settled.results)
    events.push(...settled.events)
    for (const { outcome, leavesAsked } of settled.results) if (outcome.kind === 'fault') leaves += leavesAsked
    dropIfOver(state, deal)
  }
  if (closing.cursor === dealIds.length) state.closing = undefined
  return { results, events }
}

function hasPassed(deal: Deal, closing: Closing): boolean {
  return deal.settledBoundary >= closing.boundary || !isLive(deal)
}

function settleOne(state: LedgerState, closing: Closing, deal: Deal) {
  deal.settledBoundary = closing.boundary
  const { round } = closing
  const isChallenged = round !== undefined && isRunning(deal) && rankOf(round.dealIds, deal.id) !== -1
  const settled = isChallenged ? settleDeal(state, round, deal, closing.late) : undefined
  return {
    results: settled === undefined ? [] : [settled.result],
    events: [...(settled?.events ?? []), ...passBoundary(state, deal, closing)]
  }
}

function settledEvents({ round, late }: Closing, results: readonly DealResult[]): LedgerEvent[] {
  return round === undefined || results.length === 0
    ? []
    : [{ kind: 'dealsSettled', round: round.round, late, results }]
}

/** A deal that was settled for the sake of a command; one of the two must be called. */
export interface TouchedDeal {
  readonly events: readonly LedgerEvent[]
  commit(): void
  /** The command was refused, and a refusal changes nothing. */
  undo(): void
}

/** Lets a deal pass the boundary before a command looks at it. @returns undefined when there is nothing to do */
export function settleTouched(state: LedgerState, dealId: number): TouchedDeal | undefined {
  const { closing } = state
  const deal = state.deals.get(dealId)
  if (closing === undefined || deal === undefined || hasPassed(deal, closing)) return undefined
  const dealBefore = { ...deal, totals: { ...deal.totals }, rounds: { ...deal.rounds } }
  const { burned } = state
  const verifiers = closing.round === undefined ? [] : verifiersOfDeal(assignmentOf(state, closing.round), dealId)
  const accountsBefore = [deal.client, deal.provider, ...verifiers].map(address => {
    const account = state.accounts.get(address)
    return { address, account: account && { ...account } }
  })
  const { results, events } = settleOne(state, closing, deal)
  return {
    events: [...settledEvents(closing, results), ...events],
    commit: () => dropIfOver(state, deal),
    undo() {
      Object.assign(deal, dealBefore)
      state.burned = burned
      for (const { address, account } of accountsBefore.reverse()) {
        if (account === undefined) state.accounts.delete(address)
        else Object.assign(state.accounts.get(address)!, account)
      }
    }
  }
}

function freezeVerifiers(state: LedgerState): FrozenVerifier[] {
  const { stakeUnit } = state.parameters.money
  return [...state.verifiers]
    .map(([address, { stake, operator }]) => ({ address, operator, places: unitsIn(stake, stakeUnit) }))
    .filter(({ places }) => places > 0)
    .sort((a, b) => (a.address < b.address ? -1 : 1))
}

/** Rounds stay for as long as they can be disputed, and for as long as somebody disputes them. */
function forgetClosed(state: LedgerState): void {
  const { disputeRounds } = state.parameters.proving
  const disputed = new Set([...state.disputes.values()].filter(isOpen).map(({ round }) => round))
  const forgotten = new Set<number>()
  for (const [round, { opening }] of state.closed) {
    if (isDisputable(opening, state.openings, disputeRounds)) break
    if (disputed.has(round)) continue
    state.closed.delete(round)
    forgotten.add(round)
  }
  if (forgotten.size === 0) return
  for (const { verifier, round, dealId } of state.disputes.values())
    if (forgotten.has(round)) state.disputes.delete(disputeKey(verifier, round, dealId))
}
