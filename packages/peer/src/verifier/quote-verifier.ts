/** What verifying brings and costs, before anybody stakes: core's figures in the units of a day and of this machine. */
import { type Address, type ExpectedIncome, expectIncome, type LedgerState } from '@holdfast/core'
import type { CheckingCost } from './measure-checking.ts'

const DAY_MS = 24 * 60 * 60 * 1000

export interface VerifierQuote {
  readonly network: string
  readonly verifier: Address
  readonly round: number
  readonly roundMs: number
  readonly roundsPerDay: number
  readonly verifierFeePpm: number
  /** All of the stake that the figures are for, in atto. */
  readonly stake: bigint
  readonly expected: ExpectedIncome
  /** In atto, on average. */
  readonly perDay: bigint
  readonly cost: {
    readonly hasher: string
    /** Of this machine's CPU, for one deal in one round. */
    readonly cpuMsPerDeal: number
    readonly cpuMsPerDay: number
    readonly receivedBytesPerDay: number
    /** Transcripts that can still be asked for, on disk. */
    readonly keptBytes: number
    readonly attestationsPerDay: number
  }
  /** Rounds of income that one round of silence takes; undefined when nothing is earned. */
  readonly roundsLostBySilence: number | undefined
}

export function quoteVerifier(
  state: LedgerState,
  { verifier, stake }: { readonly verifier: Address; readonly stake: bigint },
  checking: CheckingCost
): VerifierQuote {
  const { name, roundMs, proving, money } = state.parameters
  const expected = expectIncome(state, { verifier, stake })
  const { dealsAssigned, perRound, cost, risk } = expected
  const roundsPerDay = Math.max(1, Math.floor(DAY_MS / roundMs))
  const dealsPerDay = dealsAssigned * roundsPerDay
  const cpuMsPerDeal = dealsAssigned === 0 ? 0 : cost.nodeHashes * checking.hashMs + checking.signatureMs
  return {
    network: name,
    verifier,
    round: state.round,
    roundMs,
    roundsPerDay,
    verifierFeePpm: money.verifierFeePpm,
    stake,
    expected,
    perDay: perRound * BigInt(roundsPerDay),
    cost: {
      hasher: checking.hasher,
      cpuMsPerDeal,
      cpuMsPerDay: cpuMsPerDeal * dealsPerDay,
      receivedBytesPerDay: Math.ceil(cost.proofBytes * dealsPerDay),
      keptBytes: Math.ceil(cost.proofBytes * dealsAssigned * (proving.disputeRounds + 1)),
      attestationsPerDay: dealsAssigned === 0 ? 0 : roundsPerDay
    },
    roundsLostBySilence: perRound === 0n ? undefined : Number.parseInt(`${risk.silence / perRound}`, 10)
  }
}
