/** What a verifier loses, and who gets it. */
import type { Address } from '../schema.ts'
import { type LedgerState, openAccount, type VerifierRecord } from './state.ts'

const PPM = 1_000_000n

export interface Forfeit {
  readonly lost: bigint
  /** Of it, what the refuter earned; the rest is burned. */
  readonly reward: bigint
}

/**
 * Takes one place's stake from a verifier, or what it still has. `refuterPpm` of it, rounded down, goes to the refuter, the
 * rest is burned: whoever refutes a friend loses more than it earns.
 */
export function forfeitStake(state: LedgerState, verifier: Address, refuter: Address): Forfeit {
  const { stakeUnit, refuterPpm } = state.parameters.money
  const record = state.verifiers.get(verifier)
  const lost = record === undefined ? 0n : takeStake(record, stakeUnit)
  const reward = (lost * BigInt(refuterPpm)) / PPM
  openAccount(state, refuter).free += reward
  state.burned += lost - reward
  return { lost, reward }
}

/**
 * Takes an amount out of a record, or what is there: from the stake first, then from what is leaving, the oldest first,
 * which would be out of reach the soonest. The credits are the caller's to book.
 *
 * @returns how much was taken
 */
export function takeStake(record: VerifierRecord, amount: bigint): bigint {
  let owed = amount
  const take = (from: bigint) => {
    const taken = from < owed ? from : owed
    owed -= taken
    return from - taken
  }
  record.stake = take(record.stake)
  record.leaving = record.leaving.map(part => ({ ...part, amount: take(part.amount) })).filter(part => part.amount > 0n)
  return amount - owed
}
