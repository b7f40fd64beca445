/** Rules about accounts, asks and stakes. */

import type { Address } from '../schema.ts'
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
  state.asks.set(statement.provider, statement)
  return applied({ kind: 'askSet', provider: statement.provider })
}

/** A stake of amount 0 only renews the addresses of a verifier that already has a place. */
export const stakeVerifier: Rule<'VerifierStake'> = (state, { statement: { verifier, amount, addresses } }) => {
  const overdraft = refuseOverdraft(state, verifier, amount)
  if (overdraft !== undefined) return overdraft
  const stake = (state.verifiers.get(verifier)?.stake ?? 0n) + amount
  const { stakeUnit } = state.parameters.money
  if (stake < stakeUnit)
    return refuse('STAKE_TOO_SMALL', `a place needs a stake of ${stakeUnit} atto`, {
      stake: `${stake}`,
      needed: `${stakeUnit}`
    })
  openAccount(state, verifier).free -= amount
  state.verifiers.set(verifier, { stake, addresses })
  return applied({ kind: 'staked', verifier, stake })
}
