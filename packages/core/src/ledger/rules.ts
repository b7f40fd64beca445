/** The shape of a rule: how one kind of command changes the state. */
import type { NodeHasher } from '@holdfast/proofs'
import type { SignatureVerifier } from '../identity.ts'
import type { CommandKind, CommandOf } from './commands.ts'
import type { LedgerEvent } from './event.ts'
import type { Refused } from './refusal.ts'
import type { LedgerState } from './state.ts'

/** Mechanisms that a machine runs with; they differ in speed, never in what they answer. */
export interface LedgerTools {
  readonly signatures: SignatureVerifier
  readonly nodeHasher: NodeHasher
}

export type Applied = { readonly ok: true; readonly events: readonly LedgerEvent[] } | Refused

/**
 * Checks everything, then changes the state, then says what happened. Called after signatures, ids and validity have
 * been checked. A rule that refuses has changed nothing.
 */
export type Rule<Kind extends CommandKind> = (
  state: LedgerState,
  command: CommandOf<Kind>,
  tools: LedgerTools
) => Applied

export function applied(...events: LedgerEvent[]): Applied {
  return { ok: true, events }
}
