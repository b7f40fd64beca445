/** PROTOCOLS.md §6, Disputes. */

import type { Transcript } from '../../../../src/evidence/transcript.ts'
import type { Command, CommandOf } from '../../../../src/ledger/commands.ts'
import type { RefusalCode } from '../../../../src/ledger/refusal.ts'
import { refuteDispute } from './boundary.ts'
import { pay } from './deal-rules.ts'
import type { CommandFacts, TranscriptFacts } from './facts.ts'
import { dealsOf, findRound, type ModelDispute, type ModelState, verdictOf } from './state.ts'

/** Changes the state, also where it then refuses: the caller drops it. */
export function applyDisputeRule(state: ModelState, command: Command, facts: CommandFacts): RefusalCode | undefined {
  switch (command.kind) {
    case 'DemandTranscript':
      return demandTranscript(state, command)
    case 'AnswerTranscript':
      return answerTranscript(state, command, facts.transcript!)
    case 'Refute':
      return refute(state, command, facts.transcript!)
    default:
      return undefined
  }
}

type Disputed = Pick<ModelDispute, 'verifier' | 'round' | 'dealId'>

function findDispute(state: ModelState, { verifier, round, dealId }: Disputed): ModelDispute | undefined {
  return state.disputes.find(one => one.verifier === verifier && one.round === round && one.dealId === dealId)
}

function refuseUndisputable(state: ModelState, { verifier, round, dealId }: Disputed): RefusalCode | undefined {
  const known = state.open?.round === round ? undefined : findRound(state, round)
  if (known === undefined || !known.deals.some(one => one.dealId === dealId)) return 'NOT_DISPUTABLE'
  if (state.openings - known.opening > state.parameters.proving.disputeRounds) return 'NOT_DISPUTABLE'
  const verdict = verdictOf(known, verifier, dealId)
  return verdict === undefined || verdict === 'no answer' ? 'NO_VERDICT' : undefined
}

function demandTranscript(state: ModelState, { statement }: CommandOf<'DemandTranscript'>): RefusalCode | undefined {
  const { demander, verifier, round, dealId, bond } = statement
  const refused = refuseUndisputable(state, statement)
  if (refused !== undefined) return refused
  const known = findDispute(state, statement)
  if (known?.status === 'open') return 'ALREADY_DEMANDED'
  if (known?.status === 'answered') return 'ALREADY_ANSWERED'
  if (known?.status === 'refuted') return 'ALREADY_REFUTED'
  if (bond < state.parameters.money.transcriptBond) return 'BOND_TOO_SMALL'
  state.disputes.push({
    verifier,
    round,
    dealId,
    demander,
    status: 'open',
    bond,
    since: state.counted + (state.open === undefined ? 0 : 1)
  })
  return pay(state, demander, bond)
}

function answerTranscript(
  state: ModelState,
  { statement, transcript }: CommandOf<'AnswerTranscript'>,
  facts: TranscriptFacts
): RefusalCode | undefined {
  const dispute = findDispute(state, statement)
  if (dispute?.status !== 'open') return 'NOT_DEMANDED'
  if (judge(state, dispute, transcript, facts) !== 'supported') return 'BAD_TRANSCRIPT'
  state.burned += dispute.bond
  dispute.bond = 0n
  dispute.status = 'answered'
  return undefined
}

function refute(state: ModelState, command: CommandOf<'Refute'>, facts: TranscriptFacts): RefusalCode | undefined {
  const { refuter, verifier, round, dealId } = command.statement
  const refused = refuseUndisputable(state, command.statement)
  if (refused !== undefined) return refused
  const known = findDispute(state, command.statement)
  if (known?.status === 'refuted') return 'ALREADY_REFUTED'
  if (judge(state, command.statement, command.transcript, facts) !== 'refuted') return 'NOT_REFUTED'
  const dispute: ModelDispute = known ?? {
    verifier,
    round,
    dealId,
    demander: refuter,
    status: 'open',
    bond: 0n,
    since: state.counted + (state.open === undefined ? 0 : 1)
  }
  if (known === undefined) state.disputes.push(dispute)
  refuteDispute(state, dispute, refuter)
  return undefined
}

/** What a transcript shows about a verdict that was said. */
function judge(
  state: ModelState,
  { verifier, round, dealId }: Disputed,
  transcript: Transcript,
  { digestFits, under, askedFits, push, proofs }: TranscriptFacts
): 'supported' | 'refuted' | 'undecided' {
  const known = findRound(state, round)!
  const attestation = known.attested.find(one => one.verifier === verifier)!
  const own = dealsOf(known, verifier)
  const stands =
    under?.root === attestation.root && under.index === own.indexOf(dealId) && under.size === own.length && digestFits
  if (!stands) return 'undecided'
  const verdict = verdictOf(known, verifier, dealId)!
  const isAboutIt =
    transcript.round === round && transcript.dealId === dealId && transcript.verifier === verifier && askedFits
  if (!isAboutIt || transcript.verdict !== verdict || push !== 'signed') return 'refuted'
  if (proofs === 'none' || proofs === 'others') return 'undecided'
  return (proofs === 'good') === (verdict === 'pass') ? 'supported' : 'refuted'
}
