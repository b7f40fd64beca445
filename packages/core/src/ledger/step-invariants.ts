/**
 * What must hold between two looks at one ledger, whatever was applied in between: what never goes back, and who may become
 * what. What holds of one state alone stands in invariants.ts.
 */
import type { Address } from '../schema.ts'
import type { Deal, DealStatus, LedgerState } from './state.ts'

/** What a look keeps of a state: everything that only grows, and where each deal stands. */
export interface Look {
  readonly counts: Readonly<Record<Count, number>>
  readonly burned: bigint
  readonly nonces: ReadonlyMap<Address, number>
  readonly deals: ReadonlyMap<number, DealLook>
}

interface DealLook {
  readonly status: DealStatus
  readonly totals: Deal['totals']
  readonly rounds: Deal['rounds']
  readonly terms: string
}

/** @returns what is violated, with the facts; undefined while it holds */
export type StepInvariant = (before: Look, state: LedgerState) => string | undefined

const COUNTS = ['sequence', 'timeMs', 'round', 'openings', 'countedRounds', 'boundaries', 'nextDealId'] as const
type Count = (typeof COUNTS)[number]

/** What each status can have become by the next look; `ended` and `failed` absorb. */
const BECOMES: Readonly<Record<DealStatus, readonly DealStatus[]>> = {
  active: ['active', 'ending', 'ended', 'failed'],
  ending: ['ending', 'ended', 'failed'],
  ended: ['ended'],
  failed: ['failed']
}

/** Takes a few numbers a deal and a nonce an account; holds on to nothing of the state. */
export function lookAt(state: LedgerState): Look {
  return {
    counts: Object.fromEntries(COUNTS.map(count => [count, state[count]])) as Record<Count, number>,
    burned: state.burned,
    nonces: new Map([...state.accounts].map(([address, { nonce }]) => [address, nonce])),
    deals: new Map([...state.deals.values()].map(deal => [deal.id, lookAtDeal(deal)]))
  }
}

function lookAtDeal(deal: Deal): DealLook {
  return { status: deal.status, totals: { ...deal.totals }, rounds: { ...deal.rounds }, terms: termsOf(deal) }
}

/** What was agreed on when the deal was opened. */
function termsOf({ orderId, client, provider, pricePerLeafRound, leavesPerRound }: Deal): string {
  return [orderId, client, provider, pricePerLeafRound, leavesPerRound].join(' ')
}

/** Entries, time and rounds only go on. */
export function countsGoOn({ counts }: Look, state: LedgerState): string | undefined {
  const gone = COUNTS.find(count => state[count] < counts[count])
  return gone && `${gone} went from ${counts[gone]} back to ${state[gone]}`
}

/** No transfer counts twice: an account's nonce only grows, and nobody forgets it. */
export function noncesGoOn({ nonces }: Look, { accounts }: LedgerState): string | undefined {
  for (const [address, before] of nonces) {
    const now = accounts.get(address)?.nonce ?? 0
    if (now < before) return `the nonce of ${address} went from ${before} back to ${now}`
  }
  return undefined
}

/** A deal goes forward only: it is never forgotten, never alive again, and its terms are those that were signed. */
export function dealsGoForward({ deals, counts }: Look, state: LedgerState): string | undefined {
  for (const [id, before] of deals) {
    const deal = state.deals.get(id)
    if (deal === undefined) return `deal ${id} is gone`
    if (!BECOMES[before.status].includes(deal.status)) return `deal ${id} was ${before.status} and is ${deal.status}`
    if (termsOf(deal) !== before.terms) return `the terms of deal ${id} were ${before.terms} and are ${termsOf(deal)}`
  }
  for (const id of state.deals.keys())
    if (!deals.has(id) && id < counts.nextDealId) return `deal ${id} has an older number than others that were there`
  return undefined
}

/** What was paid, refunded or burned stays so, and nothing more is once a deal has ended. */
export function moneyMovesOnce({ deals, burned }: Look, state: LedgerState): string | undefined {
  if (state.burned < burned) return `${burned} atto were burned, and now ${state.burned}`
  for (const [id, before] of deals) {
    const { totals } = state.deals.get(id) ?? before
    for (const name of Object.keys(totals) as (keyof Deal['totals'])[]) {
      if (totals[name] < before.totals[name])
        return `deal ${id}: ${name} went from ${before.totals[name]} back to ${totals[name]}`
      if (before.status === 'ended' && totals[name] > before.totals[name])
        return `deal ${id} has ended, and ${name} went from ${before.totals[name]} to ${totals[name]}`
    }
  }
  return undefined
}

/** An outcome is never taken back, and a deal gets at most one more for each boundary that has begun since. */
export function outcomesStay({ deals, counts }: Look, state: LedgerState): string | undefined {
  // One more: the boundary that was under way at the look before.
  const boundaries = state.boundaries - counts.boundaries + 1
  for (const [id, { rounds: before }] of deals) {
    const { rounds } = state.deals.get(id) ?? { rounds: before }
    const gained = (['proved', 'faulted', 'void'] as const).map(kind => rounds[kind] - before[kind])
    const sum = gained.reduce((total, one) => total + one, 0)
    if (gained.some(one => one < 0) || sum > boundaries)
      return `deal ${id} gained ${gained.join(', ')} proved, faulted and void rounds in ${boundaries} boundaries`
  }
  return undefined
}

export const STEP_INVARIANTS: readonly StepInvariant[] = [
  countsGoOn,
  noncesGoOn,
  dealsGoForward,
  moneyMovesOnce,
  outcomesStay
]

/** @returns every violation by the invariant's name; empty when all hold */
export function checkStep(
  before: Look,
  state: LedgerState
): { readonly invariant: string; readonly violation: string }[] {
  return STEP_INVARIANTS.flatMap(invariant => {
    const violation = invariant(before, state)
    return violation === undefined ? [] : [{ invariant: invariant.name, violation }]
  })
}
