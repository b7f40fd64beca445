/** Rules about proofs: what verifiers attest, and what providers prove to the ledger itself. */
import { decodePieceCid, type NodeHasher, verifyLeaves } from '@holdfast/proofs'
import { equalBytes } from '@noble/curves/utils.js'
import { type Assignment, assignVerifiers, dealsAssignedTo } from '../rounds/assignment.ts'
import { challengesOf, type PieceChallenge } from '../rounds/challenge.ts'
import { clearLeaves } from '../rounds/docket.ts'
import { decodeVerdicts } from '../rounds/verdicts.ts'
import { digestOfProofs, type PieceProof } from './commands.ts'
import { refuseNoDeal, refuseStranger } from './deal-rules.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import type { Deal, DealPiece, LedgerState, OpenRound } from './state.ts'

const assignments = new WeakMap<OpenRound, Assignment>()

/** Who checks whom in the open round. Worked out once a round; every peer gets the same. */
export function assignmentOf(state: LedgerState, open: OpenRound): Assignment {
  const known = assignments.get(open)
  if (known !== undefined) return known
  const assignment = assignVerifiers(open.seed, open.freeze, state.parameters.proving.verifiersPerDeal)
  assignments.set(open, assignment)
  return assignment
}

/** The leaves that the open round asks of a deal; undefined when the round does not challenge it. */
export function openChallengesOf(open: OpenRound, deal: Deal): PieceChallenge[] | undefined {
  const frozen = open.freeze.deals.find(({ dealId }) => dealId === deal.id)
  return frozen === undefined
    ? undefined
    : challengesOf(
        open.seed,
        frozen,
        deal.pieces.map(piece => piece.leafCount)
      )
}

export const attest: Rule<'Attestation'> = (state, { statement: { verifier, round, verdicts } }) => {
  if (state.open === undefined || round !== state.round) return refuseWrongRound(state, round)
  if (state.open.verdicts.has(verifier))
    return refuse('ALREADY_ATTESTED', `${verifier} has attested round ${round}`, { verifier, round })
  const dealIds = dealsAssignedTo(assignmentOf(state, state.open), verifier)
  if (dealIds.length === 0)
    return refuse('NOT_ASSIGNED', `${verifier} checks no deal in round ${round}`, { verifier, round })
  const decoded = decodeVerdicts(verdicts, dealIds.length)
  if (decoded === undefined)
    return refuse('BAD_VERDICTS', `expected ${dealIds.length} verdicts of two bits`, {
      expected: dealIds.length,
      sizeBytes: verdicts.length
    })
  state.open.verdicts.set(verifier, new Map(dealIds.map((dealId, index) => [dealId, decoded[index]!])))
  return applied({ kind: 'attested', verifier, round })
}

export const proveToLedger: Rule<'SelfProof'> = (state, { statement, proofs }, { nodeHasher }) => {
  const { dealId, provider, round, docket } = statement
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.provider !== provider) return refuseStranger(dealId, provider)
  if (round !== state.round) return refuseWrongRound(state, round)
  if (!equalBytes(digestOfProofs(proofs), statement.proofs)) {
    return refuse('BAD_PROOF', 'these proofs are not those that the statement signs', { dealId, round })
  }
  return docket ? clearDocket(deal, proofs, round, nodeHasher) : proveRound(state, deal, proofs, nodeHasher)
}

function proveRound(state: LedgerState, deal: Deal, proofs: readonly PieceProof[], nodeHasher: NodeHasher) {
  const challenges = state.open === undefined ? undefined : openChallengesOf(state.open, deal)
  if (state.open === undefined || challenges === undefined) {
    return refuse('NOT_CHALLENGED', `round ${state.round} does not challenge deal ${deal.id}`, {
      dealId: deal.id,
      round: state.round
    })
  }
  if (state.open.selfProved.has(deal.id))
    return refuse('ALREADY_PROVED', `deal ${deal.id} is proved in round ${state.round}`, { dealId: deal.id })
  if (!sameLeaves(challenges, proofs)) return refuseLeaves(deal, 'the leaves that the round asks for')
  const bad = checkProofs(deal.pieces, proofs, nodeHasher)
  if (bad !== undefined) return refuseProof(deal, bad)
  state.open.selfProved.add(deal.id)
  return applied({ kind: 'selfProved', dealId: deal.id, round: state.round, docketLeavesCleared: 0 })
}

function clearDocket(deal: Deal, proofs: readonly PieceProof[], round: number, nodeHasher: NodeHasher) {
  const owed = new Set(deal.docket.map(leaf => `${leaf.pieceIndex}/${leaf.leafIndex}`))
  const allOwed = proofs.every(proof => proof.leafIndices.every(leaf => owed.has(`${proof.pieceIndex}/${leaf}`)))
  if (!allOwed) return refuseLeaves(deal, 'leaves of its docket only')
  const bad = checkProofs(deal.pieces, proofs, nodeHasher)
  if (bad !== undefined) return refuseProof(deal, bad)
  const before = deal.docket.length
  deal.docket = clearLeaves(deal.docket, proofs)
  return applied({ kind: 'selfProved', dealId: deal.id, round, docketLeavesCleared: before - deal.docket.length })
}

/** Says whether proofs cover exactly the challenged leaves, in canonical order. */
export function sameLeaves(challenges: readonly PieceChallenge[], proofs: readonly PieceProof[]): boolean {
  return (
    challenges.length === proofs.length &&
    challenges.every(({ pieceIndex, leafIndices }, index) => {
      const proof = proofs[index]!
      return (
        proof.pieceIndex === pieceIndex &&
        proof.leafIndices.length === leafIndices.length &&
        leafIndices.every((leaf, position) => proof.leafIndices[position] === leaf)
      )
    })
  )
}

/** @returns why the first bad proof does not verify, or undefined when all do */
export function checkProofs(
  pieces: readonly DealPiece[],
  proofs: readonly PieceProof[],
  nodeHasher: NodeHasher
): string | undefined {
  for (const { pieceIndex, leafIndices, leaves, nodes } of proofs) {
    const piece = pieces[pieceIndex]
    if (piece === undefined) return `there is no piece ${pieceIndex}`
    const decoded = decodePieceCid(piece.cid)
    if (!decoded.ok) return decoded.reason
    const verdict = verifyLeaves({ commitment: decoded.commitment, leafIndices, proof: { leaves, nodes }, nodeHasher })
    if (!verdict.ok) return `${verdict.reason} in piece ${pieceIndex}`
  }
  return undefined
}

function refuseWrongRound(state: LedgerState, round: number): Refused {
  return refuse('WRONG_ROUND', `round ${round} is not open; ${state.round} is`, { open: state.round, got: round })
}

function refuseLeaves(deal: Deal, expected: string): Refused {
  return refuse('WRONG_LEAVES', `deal ${deal.id} must prove ${expected}`, { dealId: deal.id })
}

function refuseProof(deal: Deal, reason: string): Refused {
  return refuse('BAD_PROOF', `the proof of deal ${deal.id} does not verify: ${reason}`, { dealId: deal.id, reason })
}
