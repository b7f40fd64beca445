/** Rules about proofs: what verifiers attest, and what providers prove to the ledger itself. */
import { decodePieceCid, type MultiProofClaim, type NodeHasher, verifyEachMultiProof } from '@holdfast/proofs'
import { equalBytes } from '@noble/curves/utils.js'
import { type Assignment, assignVerifiers, countAssignedTo, dealsAssignedTo, rankOf } from '../rounds/assignment.ts'
import { firstOpeningToAnswer } from '../rounds/boundaries.ts'
import { challengesOf, type PieceChallenge } from '../rounds/challenge.ts'
import { clearLeaves } from '../rounds/docket.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import { areVerdicts, badProofsIn } from '../rounds/verdicts.ts'
import { ASKED_OF_DOCKET, askedDigestOf } from './asked-pieces.ts'
import { digestOfProofs, type PieceProof } from './commands.ts'
import { refuseNoDeal, refuseStranger } from './deal-rules.ts'
import { isRunning } from './live-deals.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import type { Deal, DealPiece, LedgerState, OpenRound } from './state.ts'

const assignments = new WeakMap<OpenRound, Assignment>()

/** Who checks whom in a round, open or closed. Worked out once; every peer gets the same. */
export function assignmentOf(state: LedgerState, round: OpenRound): Assignment {
  const known = assignments.get(round)
  if (known !== undefined) return known
  const assignment = assignVerifiers({
    seed: round.seed,
    verifiers: round.verifiers,
    dealIds: round.dealIds,
    partiesOf: dealId => state.deals.get(dealId)!,
    verifiersPerDeal: state.parameters.proving.verifiersPerDeal
  })
  assignments.set(round, assignment)
  return assignment
}

/** The leaves that a round, open or closed, asks of a deal; undefined when it does not challenge it. */
export function openChallengesOf(round: OpenRound, deal: Deal): PieceChallenge[] | undefined {
  return rankOf(round.dealIds, deal.id) === -1 ? undefined : challengesOf(round.seed, frozenDealOf(deal, round.opening))
}

export const attest: Rule<'Attestation'> = (state, { statement: { verifier, round, verdicts, transcripts } }) => {
  const { open } = state
  if (open === undefined || round !== state.round) return refuseWrongRound(state, round)
  if (open.attestations.has(verifier))
    return refuse('ALREADY_ATTESTED', `${verifier} has attested round ${round}`, { verifier, round })
  const assignment = assignmentOf(state, open)
  const expected = countAssignedTo(assignment, verifier)
  if (expected === 0) return refuse('NOT_ASSIGNED', `${verifier} checks no deal in round ${round}`, { verifier, round })
  if (!areVerdicts(verdicts, expected))
    return refuse('BAD_VERDICTS', `expected ${expected} verdicts of two bits`, { expected, sizeBytes: verdicts.length })
  open.attestations.set(verifier, { verdicts, transcripts })
  const bad = badProofsIn(verdicts)
  const dealIds = bad.length === 0 ? [] : dealsAssignedTo(assignment, verifier)
  // A debt that is older stands: closing its round enters this one after it.
  for (const position of bad) state.deals.get(dealIds[position]!)!.mustOpenFrom ??= firstOpeningToAnswer(open.opening)
  return applied({ kind: 'attested', verifier, round })
}

export const proveToLedger: Rule<'SelfProof'> = (state, { statement, proofs }, { nodeHasher }) => {
  const { dealId, provider, round, docket, asked } = statement
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.provider !== provider) return refuseStranger(dealId, provider)
  if (round !== state.round) return refuseWrongRound(state, round)
  if (!equalBytes(digestOfProofs(proofs), statement.proofs)) {
    return refuse('BAD_PROOF', 'these proofs are not those that the statement signs', { dealId, round })
  }
  const shown = { asked, proofs, nodeHasher }
  return docket ? clearDocket(deal, round, shown) : proveRound(state, deal, shown)
}

interface ShownProofs {
  readonly asked: Uint8Array
  readonly proofs: readonly PieceProof[]
  readonly nodeHasher: NodeHasher
}

function proveRound(state: LedgerState, deal: Deal, { asked, proofs, nodeHasher }: ShownProofs) {
  const { open } = state
  const challenges = open === undefined || !isRunning(deal) ? undefined : openChallengesOf(open, deal)
  if (open === undefined || challenges === undefined) {
    return refuse('NOT_CHALLENGED', `round ${state.round} does not challenge deal ${deal.id}`, {
      dealId: deal.id,
      round: state.round
    })
  }
  if (open.selfProved.has(deal.id))
    return refuse('ALREADY_PROVED', `deal ${deal.id} is proved in round ${state.round}`, { dealId: deal.id })
  if (!sameLeaves(challenges, proofs)) return refuseLeaves(deal, 'the leaves that the round asks for')
  if (!equalBytes(asked, askedDigestOf(deal, open.opening))) return refusePieces(deal)
  const bad = checkProofs(deal.pieces, proofs, nodeHasher)
  if (bad !== undefined) return refuseProof(deal, bad)
  open.selfProved.add(deal.id)
  return applied({ kind: 'selfProved', dealId: deal.id, round: state.round, docketLeavesCleared: 0 })
}

function clearDocket(deal: Deal, round: number, { asked, proofs, nodeHasher }: ShownProofs) {
  const owed = new Set(deal.docket.map(leaf => `${leaf.pieceId}/${leaf.leafIndex}`))
  const allOwed = proofs.every(proof => proof.leafIndices.every(leaf => owed.has(`${proof.pieceId}/${leaf}`)))
  if (!allOwed) return refuseLeaves(deal, 'leaves of its docket only')
  if (!equalBytes(asked, ASKED_OF_DOCKET)) return refusePieces(deal)
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
    challenges.every(({ pieceId, leafIndices }, index) => {
      const proof = proofs[index]!
      return (
        proof.pieceId === pieceId &&
        proof.leafIndices.length === leafIndices.length &&
        leafIndices.every((leaf, position) => proof.leafIndices[position] === leaf)
      )
    })
  )
}

/** @returns why the first bad proof does not verify, or undefined when all do */
export function checkProofs(
  pieces: readonly Pick<DealPiece, 'id' | 'cid'>[],
  proofs: readonly PieceProof[],
  nodeHasher: NodeHasher
): string | undefined {
  return checkEachProofs([{ pieces, proofs }], nodeHasher)[0]
}

/** The same for many deals: all proofs climb together, so that a native hasher fills its lanes. */
export function checkEachProofs(
  deals: readonly {
    readonly pieces: readonly Pick<DealPiece, 'id' | 'cid'>[]
    readonly proofs: readonly PieceProof[]
  }[],
  nodeHasher: NodeHasher
): (string | undefined)[] {
  const claims: MultiProofClaim[] = []
  /** Of each deal: a fault that shows without hashing, or where its proofs stand among the claims. */
  const parts = deals.map(({ pieces, proofs }) => {
    const from = claims.length
    for (const { pieceId, leafIndices, leaves, nodes } of proofs) {
      const commitment = commitmentOf(pieces, pieceId)
      if (typeof commitment === 'string') return commitment
      claims.push({ commitment, leafIndices, proof: { leaves, nodes } })
    }
    return { from, proofs }
  })
  const verdicts = verifyEachMultiProof({ claims, nodeHasher })
  return parts.map(part => {
    if (typeof part === 'string') return part
    for (const [index, { pieceId }] of part.proofs.entries()) {
      const verdict = verdicts[part.from + index]!
      if (!verdict.ok) return `${verdict.reason} in piece ${pieceId}`
    }
    return undefined
  })
}

function commitmentOf(pieces: readonly Pick<DealPiece, 'id' | 'cid'>[], pieceId: number) {
  const piece = findPiece(pieces, pieceId)
  if (piece === undefined) return `there is no piece ${pieceId}`
  const decoded = decodePieceCid(piece.cid)
  return decoded.ok ? decoded.commitment : decoded.reason
}

/** The piece of that number in a deal, if it is still known. */
export function findPiece<Piece extends Pick<DealPiece, 'id'>>(
  pieces: readonly Piece[],
  pieceId: number
): Piece | undefined {
  let low = 0
  let high = pieces.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const piece = pieces[middle]!
    if (piece.id === pieceId) return piece
    if (piece.id < pieceId) low = middle + 1
    else high = middle - 1
  }
  return undefined
}

function refuseWrongRound(state: LedgerState, round: number): Refused {
  return refuse('WRONG_ROUND', `round ${round} is not open; ${state.round} is`, { open: state.round, got: round })
}

function refuseLeaves(deal: Deal, expected: string): Refused {
  return refuse('WRONG_LEAVES', `deal ${deal.id} must prove ${expected}`, { dealId: deal.id })
}

function refusePieces({ id }: Deal): Refused {
  return refuse('WRONG_PIECES', `the statement signs other pieces than were asked of deal ${id}`, { dealId: id })
}

function refuseProof(deal: Deal, reason: string): Refused {
  return refuse('BAD_PROOF', `the proof of deal ${deal.id} does not verify: ${reason}`, { dealId: deal.id, reason })
}
