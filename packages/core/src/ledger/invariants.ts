/** What must hold after every entry. Each is a named function that says what is wrong, or nothing. */
import { AMOUNT_MAX } from '../schema.ts'
import type { LedgerState } from './state.ts'

/** @returns what is violated, with the facts; undefined while it holds */
export type Invariant = (state: LedgerState) => string | undefined

/** Every credit that the genesis made, wherever it is now. */
export function sumOfCredits(state: LedgerState): bigint {
  let sum = state.burned
  for (const { free } of state.accounts.values()) sum += free
  for (const { stake } of state.verifiers.values()) sum += stake
  for (const { escrow, collateral, repairBudget } of state.deals.values()) sum += escrow + collateral + repairBudget
  return sum
}

export function creditsAreConserved(state: LedgerState): string | undefined {
  const supply = state.parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n)
  const sum = sumOfCredits(state)
  return sum === supply ? undefined : `the supply is ${supply} atto, the sum of all balances ${sum}`
}

export function nothingIsNegative(state: LedgerState): string | undefined {
  for (const [address, { free }] of state.accounts)
    if (free < 0n || free > AMOUNT_MAX) return `${address} has ${free} atto`
  for (const [address, { stake }] of state.verifiers) if (stake < 0n) return `${address} has a stake of ${stake} atto`
  for (const { id, escrow, collateral, repairBudget } of state.deals.values()) {
    if (escrow < 0n || collateral < 0n || repairBudget < 0n)
      return `deal ${id} has escrow ${escrow}, collateral ${collateral}, repair budget ${repairBudget}`
  }
  return undefined
}

export function dealsBalance(state: LedgerState): string | undefined {
  for (const { id, escrow, totals } of state.deals.values()) {
    const spent = totals.paidToProvider + totals.paidToVerifiers + totals.refunded
    if (totals.funded !== spent + escrow)
      return `deal ${id} was funded with ${totals.funded}, spent ${spent} and holds ${escrow}`
  }
  return undefined
}

export function closedDealsHoldNothing(state: LedgerState): string | undefined {
  for (const { id, status, escrow, collateral } of state.deals.values()) {
    if ((status === 'ended' || status === 'failed') && (escrow !== 0n || collateral !== 0n))
      return `deal ${id} is ${status} and still holds money`
  }
  return undefined
}

export function noticeIsCovered(state: LedgerState): string | undefined {
  const { noticeRounds, pricePerRoundMin } = state.parameters.money
  for (const { id, status, escrow, leafCount, pricePerLeafRound } of state.deals.values()) {
    if (status !== 'active' || leafCount === 0) continue
    const price =
      pricePerLeafRound * BigInt(leafCount) > pricePerRoundMin
        ? pricePerLeafRound * BigInt(leafCount)
        : pricePerRoundMin
    if (escrow < price * BigInt(noticeRounds + 1))
      return `deal ${id} holds ${escrow} atto, less than its notice period costs`
  }
  return undefined
}

export const INVARIANTS: readonly Invariant[] = [
  creditsAreConserved,
  nothingIsNegative,
  dealsBalance,
  closedDealsHoldNothing,
  noticeIsCovered
]

/** @returns every violation by the invariant's name; empty when all hold */
export function checkInvariants(state: LedgerState): { readonly invariant: string; readonly violation: string }[] {
  return INVARIANTS.flatMap(invariant => {
    const violation = invariant(state)
    return violation === undefined ? [] : [{ invariant: invariant.name, violation }]
  })
}
