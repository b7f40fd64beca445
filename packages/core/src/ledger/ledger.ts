/**
 * The ledger as its users see it. Memory, host and follower implement it here; a chain may later.
 */

import type { NetworkParameters } from '../network.ts'
import { apply } from './apply.ts'
import type { Command } from './commands.ts'
import type { Entry, EntryBody } from './entry.ts'
import type { LedgerEvent } from './event.ts'
import type { Refusal } from './refusal.ts'
import type { LedgerTools } from './rules.ts'
import { createLedgerState, type LedgerState } from './state.ts'

/** An acknowledged command survives `kill -9` and power cuts. */
export type Receipt =
  | { readonly ok: true; readonly sequence: number }
  | { readonly ok: false; readonly refusal: Refusal }

/** An entry that was applied, and what it did. */
export interface AppliedEntry {
  readonly entry: Entry
  readonly events: readonly LedgerEvent[]
}

export type AppliedListener = (applied: AppliedEntry) => void

export interface Ledger {
  /** As of the last durable entry that this peer has applied. Not to be written to. */
  readonly state: LedgerState
  /**
   * Resolves when the ledger has decided. A command that is already there gives its first receipt again; of transfers,
   * which have no id, the newest of each account does.
   *
   * @throws {CoreError} `LEDGER_UNREACHABLE` when nobody answered; the command may or may not have been taken, and
   * submitting the same one again is safe
   */
  submit(command: Command, options?: { readonly signal?: AbortSignal }): Promise<Receipt>
  /** Calls back for each entry once it is durable, in order. @returns a function that ends it */
  subscribe(listener: AppliedListener): () => void
}

/** State, listeners and `apply` in one place: what every implementation of `Ledger` is made of. */
export interface LedgerMachine {
  readonly state: LedgerState
  /** Applies one body as the next entry; tells nobody yet. */
  applyNext(
    body: EntryBody,
    timeMs: number
  ): { readonly ok: true; readonly applied: AppliedEntry } | { readonly ok: false; readonly refusal: Refusal }
  /** Applies an entry that someone else numbered; tells nobody yet. */
  applyEntry(
    entry: Entry
  ): { readonly ok: true; readonly applied: AppliedEntry } | { readonly ok: false; readonly refusal: Refusal }
  /** Tells the listeners, once the entries are durable. */
  announce(applied: readonly AppliedEntry[]): void
  subscribe(listener: AppliedListener): () => void
}

/** @param state - where to go on, from a snapshot say; the machine owns it from then on. Default: before genesis */
export function createLedgerMachine(
  parameters: NetworkParameters,
  tools: LedgerTools,
  state: LedgerState = createLedgerState(parameters)
): LedgerMachine {
  const listeners = new Set<AppliedListener>()
  function applyEntry(entry: Entry) {
    const result = apply(state, entry, tools)
    return result.ok ? ({ ok: true, applied: { entry, events: result.events } } as const) : result
  }
  return {
    state,
    applyEntry,
    applyNext: (body, timeMs) =>
      applyEntry({ version: 1, sequence: state.sequence, timeMs: Math.max(timeMs, state.timeMs), body }),
    announce(appliedEntries) {
      for (const appliedEntry of appliedEntries) for (const listener of [...listeners]) listener(appliedEntry)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

/** A receipt for what a machine answered; a repeated command gets its first receipt again. */
export function receiptOf(result: ReturnType<LedgerMachine['applyNext']>): Receipt {
  if (result.ok) return { ok: true, sequence: result.applied.entry.sequence }
  const { code, details } = result.refusal
  return code === 'ALREADY_APPLIED' && typeof details.sequence === 'number'
    ? { ok: true, sequence: details.sequence }
    : { ok: false, refusal: result.refusal }
}
