/** Makes receipts from the ledger's memory, its log, and what verifiers show. Checks nothing: `checkReceipt` does. */
import type { CommandOf } from '../ledger/commands.ts'
import type { Entry } from '../ledger/entry.ts'
import { attestedVerdictOf, roundEvidenceOf } from '../ledger/round-evidence.ts'
import type { LedgerState } from '../ledger/state.ts'
import type { ShownTranscript } from './judge-transcript.ts'
import type { DealReceipt } from './receipt.ts'

/** A command with its place in the log. */
export interface LoggedCommand<Kind extends 'Attestation' | 'SelfProof'> {
  readonly command: CommandOf<Kind>
  readonly sequence: number
  readonly timeMs: number
}

/** What the log holds of one round, as far as receipts need it. */
export interface RoundEntries {
  readonly beaconSignature: Uint8Array
  readonly attestations: readonly LoggedCommand<'Attestation'>[]
  /** Of the round's leaves; those of dockets are left out. */
  readonly selfProofs: readonly LoggedCommand<'SelfProof'>[]
}

/**
 * Reads a round out of the log.
 *
 * @param entries - in order; may begin before the round, and are read no further than its end
 * @returns undefined when the round was not opened in them
 */
export async function readRoundEntries(
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  round: number
): Promise<RoundEntries | undefined> {
  let beaconSignature: Uint8Array | undefined
  const attestations: LoggedCommand<'Attestation'>[] = []
  const selfProofs: LoggedCommand<'SelfProof'>[] = []
  for await (const { body, sequence, timeMs } of entries) {
    if (body.kind === 'openRound' && body.round === round) beaconSignature = body.beaconSignature
    else if (beaconSignature !== undefined && (body.kind === 'openRound' || body.kind === 'voidRounds')) break
    if (beaconSignature === undefined || body.kind !== 'command') continue
    const { command } = body
    if (command.kind === 'Attestation') attestations.push({ command, sequence, timeMs })
    if (command.kind === 'SelfProof' && !command.statement.docket) selfProofs.push({ command, sequence, timeMs })
  }
  return beaconSignature === undefined ? undefined : { beaconSignature, attestations, selfProofs }
}

/** That a command stands in the log. */
export interface LogProof {
  /** Encoded and signed. */
  readonly head: Uint8Array
  /** From the command's entry to the head's root. */
  readonly path: readonly Uint8Array[]
}

interface ReceiptOptions {
  readonly state: LedgerState
  readonly round: number
  readonly dealId: number
  readonly beaconSignature: Uint8Array
  readonly logProof?: LogProof | undefined
}

/** @returns undefined when the ledger does not remember that this verifier attested the deal in this round */
export function receiptOfAttestation(
  options: ReceiptOptions & { readonly logged: LoggedCommand<'Attestation'>; readonly shown: ShownTranscript }
): DealReceipt | undefined {
  const { state, round, dealId, logged, shown } = options
  const { command } = logged
  const evidence = roundEvidenceOf(state, round, dealId)
  const attested = evidence && attestedVerdictOf(state, evidence, command.statement.verifier)
  const frame = frameOf(options, logged)
  if (attested === undefined || frame === undefined) return undefined
  const { index, size } = attested
  const { transcript, path, proofs } = shown
  return {
    ...frame,
    evidence: {
      kind: 'attestation',
      command,
      index,
      size,
      transcript,
      path: [...path],
      proofs: proofs === undefined ? null : [...proofs]
    }
  }
}

/** @returns undefined when the ledger does not remember that this round challenged the deal */
export function receiptOfSelfProof(
  options: ReceiptOptions & { readonly logged: LoggedCommand<'SelfProof'> }
): DealReceipt | undefined {
  const frame = frameOf(options, options.logged)
  return frame && { ...frame, evidence: { kind: 'self-proof', command: options.logged.command } }
}

function frameOf(
  { state, round, dealId, beaconSignature, logProof }: ReceiptOptions,
  { sequence, timeMs }: Pick<LoggedCommand<'SelfProof'>, 'sequence' | 'timeMs'>
): Omit<DealReceipt, 'evidence'> | undefined {
  const evidence = roundEvidenceOf(state, round, dealId)
  if (evidence === undefined) return undefined
  return {
    version: 1,
    parameters: state.parameters,
    round,
    beaconSignature,
    dealId,
    provider: evidence.provider,
    leavesPerRound: evidence.leavesPerRound,
    pieces: evidence.pieces.map(({ id, cid }) => ({ id, cid })),
    log: logProof === undefined ? null : { head: logProof.head, sequence, timeMs, path: [...logProof.path] }
  }
}
