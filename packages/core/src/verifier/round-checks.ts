/**
 * What one verifier finds in one round: a verdict for each of its deals, from the first proof that the provider signed for
 * it. Decides and remembers; keeps nothing on disk and talks to nobody.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { faultsOfProofs } from '../evidence/judge-transcript.ts'
import type { Transcript } from '../evidence/transcript.ts'
import type { SignatureVerifier } from '../identity.ts'
import { askedDigestOf } from '../ledger/asked-pieces.ts'
import { boundOfProofs, digestOfProofs, PROOFS_SIZE_BYTES_MAX } from '../ledger/commands.ts'
import { assignmentOf } from '../ledger/proof-rules.ts'
import { type DealRound, roundEvidenceOf } from '../ledger/round-evidence.ts'
import type { SignedDigest } from '../ledger/signed-digests.ts'
import type { LedgerState, OpenRound } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import type { PushedProof } from '../protocols/definitions.ts'
import { dealsAssignedTo } from '../rounds/assignment.ts'
import type { Address } from '../schema.ts'
import type { KeptTranscript } from './transcript-store.ts'

/** What a pushed proof was found to be. `not asked`: this verifier did not want it, and it counts for nothing. */
export interface CheckedProof {
  readonly dealId: number
  readonly verdict: 'pass' | 'bad proof' | 'not asked'
  readonly reason: string
}

export interface Finding {
  readonly checked: CheckedProof
  readonly kept?: KeptTranscript
}

/** What the provider signed and what was asked for: only the proofs themselves remain to be checked. */
interface SignedPush {
  readonly item: PushedProof
  readonly asked: DealRound
}

export interface RoundChecks {
  /** The verifier's deals in the order of its verdicts. */
  readonly dealIds: readonly number[]
  /** Those that nothing which counts has come from. */
  unanswered(): number[]
  /** What to recover the signer of before `check`, so that many are recovered at once; undefined for what cannot count. */
  signedBy(item: PushedProof): SignedDigest | undefined
  /**
   * The proofs of all items are hashed together.
   *
   * @returns for each, same order, what the proof is, and what to keep when it is the first that counts
   */
  check(items: readonly PushedProof[]): Finding[]
  /** Takes a finding back that could not be kept. */
  forget(dealId: number): void
  /** What is attested: from here on nothing counts any more. */
  close(): Transcript[]
}

export interface RoundChecksOptions {
  readonly state: LedgerState
  readonly open: OpenRound
  readonly round: number
  readonly verifier: Address
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
}

export function createRoundChecks(options: RoundChecksOptions): RoundChecks {
  const { state, open, round, verifier, signatures, nodeHasher } = options
  const dealIds = dealsAssignedTo(assignmentOf(state, open), verifier)
  const assigned = new Set(dealIds)
  const transcripts = new Map<number, Transcript>()
  const pushes = new WeakMap<PushedProof, { readonly proofs: Uint8Array; readonly digest: Uint8Array }>()
  let closed = false

  /** Why nothing about an item is worth a look. */
  function refusalOf({ dealId, proofs }: PushedProof): string | undefined {
    if (!assigned.has(dealId)) return 'the deal is not assigned to this verifier'
    if (closed || state.open !== open || open.attestations.has(verifier)) return 'this verifier has attested already'
    // Signed or not, what the verifier could not show on the ledger must not bind it.
    if (boundOfProofs(proofs) > PROOFS_SIZE_BYTES_MAX) return 'no honest proof is as large as this'
    return undefined
  }

  /** Digests of the proofs and of what the provider signs over them. */
  function pushOf(item: PushedProof) {
    const known = pushes.get(item)
    if (known !== undefined) return known
    const { dealId } = item
    const { provider } = state.deals.get(dealId)!
    const proofs = digestOfProofs(item.proofs)
    const push = {
      proofs,
      digest: statementDigestOf(state)('ProofPush', { provider, verifier, dealId, round, proofs })
    }
    pushes.set(item, push)
    return push
  }

  /** @returns what an item is without a look at its proofs, or what is to be looked at */
  function judgeItem(item: PushedProof): CheckedProof | SignedPush {
    const { dealId, signature } = item
    const notAsked = (reason: string): CheckedProof => ({ dealId, verdict: 'not asked', reason })
    const refusal = refusalOf(item)
    if (refusal !== undefined) return notAsked(refusal)
    const known = transcripts.get(dealId)
    if (known !== undefined) return findingOf(known)
    const { provider } = state.deals.get(dealId)!
    if (signatures.recover(pushOf(item).digest, signature) !== provider)
      return notAsked('the provider did not sign this')
    return { item, asked: roundEvidenceOf(state, round, dealId)! }
  }

  /** The first proof of a deal counts, also within a message. */
  function take({ item }: SignedPush, fault: string | undefined): Finding {
    const { dealId, proofs, signature } = item
    const known = transcripts.get(dealId)
    if (known !== undefined) return { checked: findingOf(known) }
    const transcript: Transcript = {
      version: 1,
      round,
      dealId,
      verifier,
      asked: askedIn(dealId),
      verdict: fault === undefined ? 'pass' : 'bad proof',
      reason: fault ?? '',
      push: { proofs: pushOf(item).proofs, signature }
    }
    transcripts.set(dealId, transcript)
    return { checked: findingOf(transcript), kept: { transcript, proofs } }
  }

  function check(items: readonly PushedProof[]): Finding[] {
    const judged = items.map(judgeItem)
    const signed = judged.filter(one => 'item' in one)
    const faults = faultsOfProofs(
      signed.map(({ item, asked }) => ({ asked, proofs: item.proofs })),
      nodeHasher
    ).values()
    return judged.map(one => ('item' in one ? take(one, faults.next().value) : { checked: one }))
  }

  function askedIn(dealId: number): Uint8Array {
    return askedDigestOf(state.deals.get(dealId)!, open.opening)
  }

  return {
    dealIds,
    signedBy: item =>
      refusalOf(item) !== undefined || transcripts.has(item.dealId)
        ? undefined
        : { digest: pushOf(item).digest, signature: item.signature },
    check,
    unanswered: () => dealIds.filter(dealId => !transcripts.has(dealId)),
    forget: dealId => transcripts.delete(dealId),
    close() {
      closed = true
      return dealIds.map(
        dealId =>
          transcripts.get(dealId) ?? {
            version: 1,
            round,
            dealId,
            verifier,
            asked: askedIn(dealId),
            verdict: 'no answer',
            reason: '',
            push: null
          }
      )
    }
  }
}

function findingOf({ dealId, verdict, reason }: Transcript): CheckedProof {
  return { dealId, verdict: verdict === 'pass' ? 'pass' : 'bad proof', reason }
}
