/** A verifier as its operator asks about it: stake, what it can expect, what it did. Pure functions of the ledger. */
import {
  type Address,
  type ExpectedIncome,
  expectIncome,
  type LedgerState,
  roundOpensMs,
  unitsIn
} from '@holdfast/core'
import type { VerifierRound } from '../verifier/round-book.ts'

export interface LeavingView {
  readonly amount: bigint
  /** The last opening in which it can be lost. */
  readonly releaseOpening: number
  /** When it is free at the earliest, if no round is void: milliseconds of Unix time. */
  readonly releaseMs: number
}

export interface VerifierView {
  readonly address: Address
  readonly network: string
  readonly stake: bigint
  readonly places: number
  readonly leaving: readonly LeavingView[]
  readonly round: number
  readonly roundMs: number
  readonly nextRoundMs: number
  /** At the stake as it is. */
  readonly expected: ExpectedIncome
  /** All fees since genesis. */
  readonly fees: bigint
  /** The newest in which something was assigned, oldest first. */
  readonly rounds: readonly VerifierRound[]
}

export function viewVerifier(
  state: LedgerState,
  address: Address,
  { fees, rounds }: Pick<VerifierView, 'fees' | 'rounds'>
): VerifierView {
  const stake = state.verifiers.get(address)?.stake ?? 0n
  return {
    address,
    network: state.parameters.name,
    stake,
    places: unitsIn(stake, state.parameters.money.stakeUnit),
    leaving: viewLeaving(state, address),
    round: state.round,
    roundMs: state.parameters.roundMs,
    nextRoundMs: roundOpensMs(state.parameters, state.round + 1),
    expected: expectIncome(state, { verifier: address, stake }),
    fees,
    rounds
  }
}

/** Stake on its way back, the oldest first. */
export function viewLeaving({ verifiers, openings, round, parameters }: LedgerState, address: Address): LeavingView[] {
  return (verifiers.get(address)?.leaving ?? []).map(({ amount, releaseOpening }) => ({
    amount,
    releaseOpening,
    // The boundary after that opening credits it.
    releaseMs: roundOpensMs(parameters, round + Math.max(1, releaseOpening - openings + 1))
  }))
}
