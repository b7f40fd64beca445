/**
 * What a past round asked and what was said in it, worked out again from the state for as long as the round can be
 * disputed: the ledger keeps seeds, verifiers, deal numbers and attestations, and everything else follows.
 */
import type { AskedLeaves, AttestedVerdict } from '../evidence/judge-transcript.ts'
import { countAssignedTo, positionOf, rankOf, verifiersOfDeal } from '../rounds/assignment.ts'
import { challengesOf } from '../rounds/challenge.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import { verdictAt } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import { askedPiecesOf } from './asked-pieces.ts'
import { assignmentOf } from './proof-rules.ts'
import type { Deal, DealPiece, LedgerState, OpenRound } from './state.ts'

export { askedPiecesOf }

/** One deal in one round. */
export interface DealRound extends AskedLeaves {
  readonly round: OpenRound
  readonly deal: Deal
  readonly pieces: readonly DealPiece[]
  /** In the order of their places; none when the deal could only be proved to the ledger. */
  readonly verifiers: readonly Address[]
}

/** @returns undefined for a round that is not known any more or was never opened, and for a deal that it did not challenge */
export function roundEvidenceOf(state: LedgerState, round: number, dealId: number): DealRound | undefined {
  const known = state.open?.round === round ? state.open : state.closed.get(round)
  const deal = state.deals.get(dealId)
  if (known === undefined || deal === undefined || rankOf(known.dealIds, dealId) === -1) return undefined
  return {
    round: known,
    deal,
    provider: deal.provider,
    leavesPerRound: deal.leavesPerRound,
    pieces: askedPiecesOf(deal, known.opening),
    challenges: challengesOf(known.seed, frozenDealOf(deal, known.opening)),
    verifiers: verifiersOfDeal(assignmentOf(state, known), dealId)
  }
}

/**
 * What a verifier said about a deal in a round.
 *
 * @returns undefined when it was not asked, or did not attest
 */
export function attestedVerdictOf(
  state: LedgerState,
  { round, deal, leavesPerRound, challenges, pieces }: DealRound,
  verifier: Address
): AttestedVerdict | undefined {
  const assignment = assignmentOf(state, round)
  const index = positionOf(assignment, verifier, deal.id)
  const attestation = round.attestations.get(verifier)
  if (index === -1 || attestation === undefined) return undefined
  return {
    round: round.round,
    dealId: deal.id,
    provider: deal.provider,
    verifier,
    verdict: verdictAt(attestation.verdicts, index),
    transcripts: attestation.transcripts,
    index,
    size: countAssignedTo(assignment, verifier),
    leavesPerRound,
    challenges,
    pieces
  }
}
