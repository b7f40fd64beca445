/** What became of a deal in a round: a pure function of what the ledger holds when the round closes. Moves no money. */
import type { Verdict } from './verdicts.ts'

export type FaultReason =
  /** The assigned verifiers got nothing, and the ledger got no self-proof. */
  | 'no answer'
  /** A verifier got a proof that does not verify, and the ledger got no self-proof. */
  | 'bad proof'
  /** The deal had to be opened on the ledger and was not. */
  | 'not opened'
  /** Too few passes, and no verifier said why. */
  | 'no quorum'

export type Outcome =
  | { readonly kind: 'proved'; readonly by: 'quorum' | 'self-proof' }
  | { readonly kind: 'fault'; readonly reason: FaultReason }
  /** The round closed late and the deal was not proved by then: no pay, no fault. */
  | { readonly kind: 'void' }

export interface RoundEvidence {
  /** Of the assigned verifiers in place order; undefined for one that did not attest. */
  readonly verdicts: readonly (Verdict | undefined)[]
  readonly quorum: number
  readonly selfProved: boolean
  readonly mustOpen: boolean
  readonly closedLate: boolean
}

export function decideOutcome({ verdicts, quorum, selfProved, mustOpen, closedLate }: RoundEvidence): Outcome {
  if (selfProved) return { kind: 'proved', by: 'self-proof' }
  const passes = verdicts.filter(verdict => verdict === 'pass').length
  if (!mustOpen && passes >= quorum) return { kind: 'proved', by: 'quorum' }
  if (closedLate) return { kind: 'void' }
  return { kind: 'fault', reason: faultReason(verdicts, passes, quorum) }
}

function faultReason(verdicts: readonly (Verdict | undefined)[], passes: number, quorum: number): FaultReason {
  if (verdicts.includes('bad proof')) return 'bad proof'
  if (passes >= quorum && quorum > 0) return 'not opened'
  const silent = verdicts.every(verdict => verdict === 'no answer' || verdict === undefined)
  return silent ? 'no answer' : 'no quorum'
}
