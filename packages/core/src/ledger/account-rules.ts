/** Rules about accounts and asks. */

import { firstOpeningOfAsk } from '../rounds/boundaries.ts'
import type { Address } from '../schema.ts'
import { askOf } from './asks.ts'
import { refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import { accountOf, type LedgerState, openAccount } from './state.ts'

/** Says that an account cannot spend an amount, or nothing when it can. */
export function refuseOverdraft(state: LedgerState, address: Address, amount: bigint) {
  const { free } = accountOf(state, address)
  if (free >= amount) return undefined
  return refuse('BALANCE_TOO_SMALL', `${address} has ${free} atto free and needs ${amount}`, {
    free: `${free}`,
    needed: `${amount}`
  })
}

export const transfer: Rule<'Transfer'> = (state, { statement: { from, to, amount, nonce } }) => {
  const expected = accountOf(state, from).nonce
  if (nonce !== expected)
    return refuse('WRONG_NONCE', `the next transfer of ${from} has nonce ${expected}, not ${nonce}`, {
      expected,
      got: nonce
    })
  const overdraft = refuseOverdraft(state, from, amount)
  if (overdraft !== undefined) return overdraft
  const sender = openAccount(state, from)
  sender.free -= amount
  sender.nonce += 1
  openAccount(state, to).free += amount
  return applied({ kind: 'transferred', from, to, amount })
}

export const setAsk: Rule<'Ask'> = (state, { statement }) => {
  const { provider } = statement
  const fromOpening = firstOpeningOfAsk(state.openings)
  state.asks.set(
    provider,
    fromOpening <= state.openings
      ? { current: statement, next: undefined }
      : { current: askOf(state, provider), next: { ask: statement, fromOpening } }
  )
  return applied({ kind: 'askSet', provider, fromOpening })
}
