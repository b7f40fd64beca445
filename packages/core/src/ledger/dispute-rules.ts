/**
 * Rules that hold a verifier to its word: anyone demands the transcript under a verdict against a bond, the verifier
 * answers on the ledger, and whoever shows that a transcript does not bear its verdict out refutes it.
 *
 * Only *pass* and *bad proof* can be disputed. An honest verifier loses nothing by it, and wins nothing: the bond of a demand
 * that it answers is burned, or verifiers would hide their transcripts to be asked for them.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { type AttestedVerdict, judgeTranscript, type ShownTranscript } from '../evidence/judge-transcript.ts'
import { digestOfTranscript } from '../evidence/transcript.ts'
import { isDisputable } from '../rounds/boundaries.ts'
import type { Address } from '../schema.ts'
import { refuseOverdraft } from './account-rules.ts'
import type { LedgerEvent } from './event.ts'
import { forfeitStake } from './forfeit-stake.ts'
import { type Refused, refuse } from './refusal.ts'
import { attestedVerdictOf, roundEvidenceOf } from './round-evidence.ts'
import { applied, type LedgerTools, type Rule } from './rules.ts'
import { type Dispute, disputeKey, type LedgerState, openAccount } from './state.ts'
import { statementDigestOf } from './statements.ts'

export const demandTranscript: Rule<'DemandTranscript'> = (state, { statement }) => {
  const { demander, verifier, round, dealId, bond } = statement
  const found = findDisputable(state, verifier, round, dealId)
  if ('refusal' in found) return found
  const known = state.disputes.get(disputeKey(verifier, round, dealId))
  if (known !== undefined) return refuseAgain(known)
  const { transcriptBond } = state.parameters.money
  if (bond < transcriptBond)
    return refuse('BOND_TOO_SMALL', `a demand for a transcript needs a bond of ${transcriptBond} atto`, {
      bond: `${bond}`,
      needed: `${transcriptBond}`
    })
  const overdraft = refuseOverdraft(state, demander, bond)
  if (overdraft !== undefined) return overdraft
  openAccount(state, demander).free -= bond
  enterDispute(state, { verifier, round, dealId, demander, status: 'open', bond })
  return applied({ kind: 'transcriptDemanded', demander, verifier, round, dealId, bond })
}

export const answerTranscript: Rule<'AnswerTranscript'> = (state, { statement, ...shown }, tools) => {
  const { verifier, round, dealId, transcript } = statement
  const dispute = state.disputes.get(disputeKey(verifier, round, dealId))
  if (dispute?.status !== 'open')
    return refuse('NOT_DEMANDED', `nobody waits for the transcript of deal ${dealId} in round ${round}`, {
      round,
      dealId
    })
  const attested = attestedOf(state, verifier, round, dealId)
  const problem =
    attested === undefined
      ? 'the round is not known any more'
      : (problemWithDigest(shown.transcript, transcript) ?? problemOfAnswer(judge(state, attested, shown, tools)))
  if (problem !== undefined)
    return refuse('BAD_TRANSCRIPT', `this does not bear out the verdict: ${problem}`, {
      round,
      dealId,
      reason: problem
    })
  const { bond, demander } = dispute
  dispute.status = 'answered'
  dispute.bond = 0n
  state.burned += bond
  return applied({ kind: 'transcriptAnswered', demander, verifier, round, dealId, bond })
}

export const refute: Rule<'Refute'> = (state, { statement, ...shown }, tools) => {
  const { refuter, verifier, round, dealId, transcript } = statement
  const found = findDisputable(state, verifier, round, dealId)
  if ('refusal' in found) return found
  const known = state.disputes.get(disputeKey(verifier, round, dealId))
  if (known?.status === 'refuted') return refuseAgain(known)
  const problem = problemWithDigest(shown.transcript, transcript)
  const judgement = problem === undefined ? judge(state, found, shown, tools) : undefined
  if (judgement?.kind !== 'refuted') {
    const reason = problem ?? (judgement?.kind === 'undecided' ? judgement.reason : 'the transcript bears it out')
    return refuse('NOT_REFUTED', `this does not refute the verdict: ${reason}`, { verifier, round, dealId, reason })
  }
  const dispute = known ?? enterDispute(state, { verifier, round, dealId, demander: refuter, status: 'open', bond: 0n })
  return applied(settleRefuted(state, dispute, refuter, judgement.reason))
}

/**
 * Refutes those whose answer is overdue, when a round has closed in time: nobody but the verifier can have what it
 * attested by.
 */
export function refuteSilent(state: LedgerState): LedgerEvent[] {
  const { answerRounds } = state.parameters.proving
  const events: LedgerEvent[] = []
  for (const dispute of state.disputes.values()) {
    if (!isOpen(dispute) || state.countedRounds - dispute.sinceCountedRound < answerRounds) continue
    events.push(settleRefuted(state, dispute, dispute.demander, 'no answer'))
  }
  return events
}

/** Says whether a dispute waits for an answer. */
export function isOpen({ status }: Dispute): boolean {
  return status === 'open'
}

/** A verdict that can be disputed: of a round that is over and known, *pass* or *bad proof*. */
function findDisputable(
  state: LedgerState,
  verifier: Address,
  round: number,
  dealId: number
): AttestedVerdict | Refused {
  const { disputeRounds } = state.parameters.proving
  const evidence = state.open?.round === round ? undefined : roundEvidenceOf(state, round, dealId)
  if (evidence === undefined || !isDisputable(evidence.round.opening, state.openings, disputeRounds))
    return refuse('NOT_DISPUTABLE', `deal ${dealId} in round ${round} is not known here: not over, or too long ago`, {
      round,
      dealId,
      disputeRounds
    })
  const attested = attestedVerdictOf(state, evidence, verifier)
  if (attested === undefined || attested.verdict === 'no answer')
    return refuse('NO_VERDICT', `${verifier} has said neither “pass” nor “bad proof” of deal ${dealId}`, {
      verifier,
      round,
      dealId
    })
  return attested
}

function attestedOf(state: LedgerState, verifier: Address, round: number, dealId: number) {
  const evidence = roundEvidenceOf(state, round, dealId)
  return evidence && attestedVerdictOf(state, evidence, verifier)
}

function judge(state: LedgerState, attested: AttestedVerdict, shown: ShownTranscript, tools: LedgerTools) {
  return judgeTranscript(attested, shown, { ...tools, digestOf: statementDigestOf(state) })
}

/** The statement is signed, what comes with it is not. */
function problemWithDigest(transcript: ShownTranscript['transcript'], digest: Uint8Array): string | undefined {
  return equalBytes(digestOfTranscript(transcript), digest) ? undefined : 'it is not the transcript that is signed for'
}

function problemOfAnswer(judgement: ReturnType<typeof judgeTranscript>): string | undefined {
  return judgement.kind === 'supports' ? undefined : judgement.reason
}

function enterDispute(state: LedgerState, dispute: Omit<Dispute, 'sinceCountedRound'>): Dispute {
  // The round that is open may be about to close: who has to answer has whole rounds for it.
  const sinceCountedRound = state.countedRounds + (state.open === undefined ? 0 : 1)
  const entered = { ...dispute, sinceCountedRound }
  state.disputes.set(disputeKey(dispute.verifier, dispute.round, dispute.dealId), entered)
  return entered
}

/** Ends a dispute against the verifier; a demander's bond goes back. */
function settleRefuted(state: LedgerState, dispute: Dispute, refuter: Address, reason: string): LedgerEvent {
  const { verifier, round, dealId, demander, bond } = dispute
  dispute.status = 'refuted'
  dispute.bond = 0n
  openAccount(state, demander).free += bond
  const lost = forfeitStake(state, verifier, refuter)
  return { kind: 'refuted', verifier, refuter, demander, round, dealId, reason, bond, ...lost }
}

function refuseAgain({ status, verifier, round, dealId }: Dispute): Refused {
  const facts = { verifier, round, dealId }
  if (status === 'open') return refuse('ALREADY_DEMANDED', 'this transcript is demanded already', facts)
  if (status === 'answered') return refuse('ALREADY_ANSWERED', 'this transcript stands on the ledger', facts)
  return refuse('ALREADY_REFUTED', 'this verdict is refuted already', facts)
}
