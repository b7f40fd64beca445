import { expect } from 'vitest'
import type { LedgerState } from '../../src/ledger/state.ts'

/** Every credit there is, wherever it is locked, added up by hand: must be what genesis made. */
export function expectAllCredits(state: LedgerState): void {
  const supply = state.parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n)
  let sum = state.burned
  for (const { free } of state.accounts.values()) sum += free
  for (const { stake, leaving } of state.verifiers.values())
    sum += leaving.reduce((total, { amount }) => total + amount, stake)
  for (const { escrow, collateral, repairBudget, repairReward, demand } of state.deals.values())
    sum += escrow + collateral + repairBudget + repairReward + (demand?.bond ?? 0n)
  for (const { bond } of state.disputes.values()) sum += bond
  expect(sum).toBe(supply)
}
