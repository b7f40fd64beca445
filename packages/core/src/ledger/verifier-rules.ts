/** Rules about a verifier's stake: it buys places, and can be lost until everything it answers for is past dispute. */
import { firstOpeningToRelease } from '../rounds/boundaries.ts'
import { refuseOverdraft } from './account-rules.ts'
import { refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import { openAccount } from './state.ts'

/** Parts of a stake that one verifier may have on their way back. */
export const LEAVING_STAKES_MAX = 16

/** A stake of amount 0 only renews addresses and operator of a verifier that already has a place. */
export const stakeVerifier: Rule<'VerifierStake'> = (state, { statement }) => {
  const { verifier, amount, addresses, operator } = statement
  const overdraft = refuseOverdraft(state, verifier, amount)
  if (overdraft !== undefined) return overdraft
  const known = state.verifiers.get(verifier)
  const stake = (known?.stake ?? 0n) + amount
  const { stakeUnit } = state.parameters.money
  if (stake < stakeUnit)
    return refuse('STAKE_TOO_SMALL', `a place needs a stake of ${stakeUnit} atto`, {
      stake: `${stake}`,
      needed: `${stakeUnit}`
    })
  openAccount(state, verifier).free -= amount
  state.verifiers.set(verifier, { stake, leaving: known?.leaving ?? [], addresses, operator })
  return applied({ kind: 'staked', verifier, stake })
}

/** Takes part of a stake back, or all of it. Its places are gone from the next freeze on; the credits come later. */
export const unstake: Rule<'Unstake'> = (state, { statement: { verifier, amount } }) => {
  const record = state.verifiers.get(verifier)
  const stake = record?.stake ?? 0n
  const { stakeUnit } = state.parameters.money
  const rest = stake - amount
  if (record === undefined || amount === 0n || rest < 0n || (rest > 0n && rest < stakeUnit))
    return refuse(
      'STAKE_TOO_SMALL',
      `of a stake of ${stake} atto all of it or ${stakeUnit} must stay, and not ${rest}`,
      {
        stake: `${stake}`,
        needed: `${stakeUnit}`
      }
    )
  if (record.leaving.length >= LEAVING_STAKES_MAX)
    return refuse('TOO_MANY_PENDING', `wait until one of ${LEAVING_STAKES_MAX} parts that are leaving is released`, {
      pending: record.leaving.length
    })
  const releaseOpening = firstOpeningToRelease(state.openings, state.parameters.proving)
  record.stake = rest
  record.leaving = [...record.leaving, { amount, releaseOpening }]
  return applied({ kind: 'unstaked', verifier, amount, releaseOpening })
}
