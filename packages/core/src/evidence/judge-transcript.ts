/**
 * Whether a transcript bears out the verdict that its verifier attested: what answers and refutations on the ledger, and
 * watchers beside it, all go by.
 *
 * Pure. Only what stands under the verifier's own root can be held against it; what does not, whoever shows it, decides
 * nothing. *Pass* and *bad proof* need a proof that the provider signed for this verifier; *no answer* is never refuted,
 * because nobody can show what did not come.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { equalBytes } from '@noble/curves/utils.js'
import type { SignatureVerifier } from '../identity.ts'
import { digestOfProofs, type PieceProof } from '../ledger/commands.ts'
import { checkEachProofs, sameLeaves } from '../ledger/proof-rules.ts'
import type { StatementDigest } from '../ledger/statements.ts'
import type { PieceChallenge } from '../rounds/challenge.ts'
import type { Verdict } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'
import { verifyMerklePath } from './merkle-path.ts'
import { hashMerkleLeaf } from './merkle-root.ts'
import { type AskedPieces, digestOfAsked, digestOfTranscript, type Transcript } from './transcript.ts'

/** What a round asked of a deal. */
export interface AskedLeaves extends AskedPieces {
  readonly challenges: readonly PieceChallenge[]
}

/** One verifier, one deal, one round: what the ledger knows about the verdict. */
export interface AttestedVerdict extends AskedLeaves {
  readonly round: number
  readonly dealId: number
  readonly verifier: Address
  /** As the attestation says it. */
  readonly verdict: Verdict
  /** The attestation's root over the digests of its transcripts. */
  readonly transcripts: Uint8Array
  /** Place of the deal among those that the verifier was assigned, and how many those are. */
  readonly index: number
  readonly size: number
}

/** A transcript as somebody shows it: all of it is foreign. */
export interface ShownTranscript {
  readonly transcript: Transcript
  readonly path: readonly Uint8Array[]
  /** What the provider pushed, whole. */
  readonly proofs?: readonly PieceProof[] | undefined
}

export type TranscriptJudgement =
  | { readonly kind: 'supports' }
  /** The verifier attested what it cannot have seen. */
  | { readonly kind: 'refuted'; readonly reason: string }
  /** Neither: it is not the verifier's own, or what would decide is missing. */
  | { readonly kind: 'undecided'; readonly reason: string }

export interface JudgeTools {
  readonly digestOf: StatementDigest
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
}

const supports: TranscriptJudgement = { kind: 'supports' }
const refuted = (reason: string): TranscriptJudgement => ({ kind: 'refuted', reason })
const undecided = (reason: string): TranscriptJudgement => ({ kind: 'undecided', reason })

export function judgeTranscript(
  attested: AttestedVerdict,
  shown: ShownTranscript,
  tools: JudgeTools
): TranscriptJudgement {
  if (!standsUnderRoot(attested, shown)) return undecided('this transcript is not under the root that was attested')
  const judgement = judgeOwn(attested, shown, tools)
  return attested.verdict === 'no answer' && judgement.kind === 'refuted'
    ? undecided('nobody can show what did not come')
    : judgement
}

/** Why proofs are not what a round asked for; undefined when they are: the one check of verifiers and of their judges. */
export function faultOfProofs(
  asked: Pick<AskedLeaves, 'challenges' | 'pieces'>,
  proofs: readonly PieceProof[],
  nodeHasher: NodeHasher
): string | undefined {
  return faultsOfProofs([{ asked, proofs }], nodeHasher)[0]
}

/** The same for many deals, whose proofs are hashed together. @returns one for each, same order */
export function faultsOfProofs(
  given: readonly {
    readonly asked: Pick<AskedLeaves, 'challenges' | 'pieces'>
    readonly proofs: readonly PieceProof[]
  }[],
  nodeHasher: NodeHasher
): (string | undefined)[] {
  const rightLeaves = given.map(({ asked, proofs }) => sameLeaves(asked.challenges, proofs))
  const checkable = given.filter((_, index) => rightLeaves[index])
  const faults = checkEachProofs(
    checkable.map(({ asked: { pieces }, proofs }) => ({ pieces, proofs })),
    nodeHasher
  ).values()
  return rightLeaves.map(isRight => (isRight ? faults.next().value : 'these are not the leaves that were asked for'))
}

function standsUnderRoot({ transcripts, index, size }: AttestedVerdict, { transcript, path }: ShownTranscript) {
  const leafHash = hashMerkleLeaf(digestOfTranscript(transcript))
  return verifyMerklePath({ root: transcripts, leafHash, index, size, path })
}

/** Of a transcript that its verifier has committed to. */
function judgeOwn(attested: AttestedVerdict, shown: ShownTranscript, tools: JudgeTools): TranscriptJudgement {
  const { round, dealId, verifier, verdict } = attested
  const { transcript } = shown
  if (transcript.round !== round) return refuted(`it is about round ${transcript.round}`)
  if (transcript.dealId !== dealId) return refuted(`it is about deal ${transcript.dealId}`)
  if (transcript.verifier !== verifier) return refuted(`it is ${transcript.verifier}’s`)
  if (!equalBytes(transcript.asked, digestOfAsked(attested))) return refuted('it is about other pieces')
  if (transcript.verdict !== verdict) return refuted(`it says “${transcript.verdict}”`)
  return verdict === 'no answer' ? supports : judgePush(attested, shown, tools)
}

function judgePush(
  attested: AttestedVerdict,
  { transcript: { push }, proofs }: ShownTranscript,
  { digestOf, signatures, nodeHasher }: JudgeTools
): TranscriptJudgement {
  const { provider, verifier, dealId, round, verdict } = attested
  if (push === null) return refuted('it holds no proof')
  const statement = { provider, verifier, dealId, round, proofs: push.proofs }
  if (signatures.recover(digestOf('ProofPush', statement), push.signature) !== provider)
    return refuted('the provider has not signed its proof')
  if (proofs === undefined) return undecided('the proofs decide, and are not here')
  if (!equalBytes(digestOfProofs(proofs), push.proofs)) return undecided('these are not the proofs of the transcript')
  const fault = faultOfProofs(attested, proofs, nodeHasher)
  if (verdict === 'pass') return fault === undefined ? supports : refuted(`its proof is bad: ${fault}`)
  return fault === undefined ? refuted('its proof is good') : supports
}
