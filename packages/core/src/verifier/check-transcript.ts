/**
 * Checks a verifier's word without the ledger's help: asks it by what it attested, judges what it shows, and makes the
 * commands that hold it to its word. Whoever has something at stake in a deal may do so, and earns when it finds a lie.
 */

import type { NodeHasher } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import { type JudgeTools, judgeTranscript, type ShownTranscript } from '../evidence/judge-transcript.ts'
import { digestOfTranscript } from '../evidence/transcript.ts'
import type { SignatureVerifier, Signer } from '../identity.ts'
import type { CommandOf } from '../ledger/commands.ts'
import { attestedVerdictOf, roundEvidenceOf } from '../ledger/round-evidence.ts'
import type { LedgerState } from '../ledger/state.ts'
import { statementDigestOf } from '../ledger/statements.ts'
import type { TranscriptAnswer } from '../protocols/definitions.ts'
import type { Answer } from '../protocols/protocol.ts'
import type { Address } from '../schema.ts'

/** Which verdict. */
export interface VerdictTarget {
  readonly verifier: Address
  readonly round: number
  readonly dealId: number
}

export type CheckedTranscript =
  | { readonly kind: 'supports' }
  /** What is shown is enough to refute it on the ledger. */
  | { readonly kind: 'refuted'; readonly reason: string; readonly shown: ShownTranscript }
  /** It showed something that decides nothing, or nothing: only a demand on the ledger makes it answer. */
  | { readonly kind: 'undecided'; readonly reason: string }
  /** It said neither *pass* nor *bad proof*, or the ledger does not remember the round any more. */
  | { readonly kind: 'nothing to check' }

export interface CheckTranscriptOptions {
  readonly state: LedgerState
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
  /** Asks a verifier at its addresses on the ledger. */
  readonly ask: (
    addresses: readonly string[],
    message: { round: number; dealId: number },
    signal: AbortSignal
  ) => Promise<Answer<TranscriptAnswer>>
}

/** @throws the signal's reason */
export async function checkTranscript(
  { state, signatures, nodeHasher, ask }: CheckTranscriptOptions,
  { verifier, round, dealId }: VerdictTarget,
  signal: AbortSignal
): Promise<CheckedTranscript> {
  const evidence = roundEvidenceOf(state, round, dealId)
  const attested = evidence && attestedVerdictOf(state, evidence, verifier)
  if (attested === undefined || attested.verdict === 'no answer') return { kind: 'nothing to check' }
  const answer = await ask(state.verifiers.get(verifier)?.addresses ?? [], { round, dealId }, signal)
  if (answer.kind !== 'answer')
    return { kind: 'undecided', reason: answer.kind === 'refused' ? answer.message : answer.reason }
  const { transcript, path, proofs } = answer.value
  const shown = { transcript, path, proofs: proofs ?? undefined }
  const tools: JudgeTools = { digestOf: statementDigestOf(state), signatures, nodeHasher }
  const judgement = judgeTranscript(attested, shown, tools)
  return judgement.kind === 'refuted' ? { ...judgement, shown } : judgement
}

/** Who makes a command, and by what chance. */
export interface CommandMaker {
  readonly state: LedgerState
  readonly signer: Signer
  readonly random: (sizeBytes: number) => Uint8Array
}

/** The command that refutes a verdict by what its verifier showed. */
export function refutationOf(
  maker: CommandMaker,
  { verifier, round, dealId }: VerdictTarget,
  { transcript, path, proofs }: ShownTranscript
): CommandOf<'Refute'> {
  const { state, signer } = maker
  const statement = {
    refuter: signer.address,
    ...validityOf(maker),
    verifier,
    round,
    dealId,
    transcript: digestOfTranscript(transcript)
  }
  const signature = signer.sign(statementDigestOf(state)('Refute', statement))
  const rest = proofs === undefined ? {} : { proofs: [...proofs] }
  return { kind: 'Refute', statement, signature, transcript, path: [...path], ...rest }
}

/** The command that makes a verifier answer on the ledger, against the least bond. */
export function demandOf(
  maker: CommandMaker,
  { verifier, round, dealId }: VerdictTarget
): CommandOf<'DemandTranscript'> {
  const { state, signer } = maker
  const { transcriptBond: bond } = state.parameters.money
  const statement = { demander: signer.address, ...validityOf(maker), verifier, round, dealId, bond }
  return {
    kind: 'DemandTranscript',
    statement,
    signature: signer.sign(statementDigestOf(state)('DemandTranscript', statement))
  }
}

function validityOf({ state, random }: CommandMaker) {
  return { id: bytesToHex(random(16)), validUntilRound: state.round + 1 }
}
