/** Which ask of a provider counts: a new one not before the next opening, so that nobody moves what is drawn already. */
import type { Address } from '../schema.ts'
import type { AskRecord, LedgerState } from './state.ts'
import type { Statement } from './statements.ts'

function inForce({ current, next }: AskRecord, openings: number): Statement<'Ask'> | undefined {
  return next !== undefined && next.fromOpening <= openings ? next.ask : current
}

/** The ask of a provider that is in force; undefined when it has none yet. */
export function askOf(state: LedgerState, provider: Address): Statement<'Ask'> | undefined {
  const record = state.asks.get(provider)
  return record === undefined ? undefined : inForce(record, state.openings)
}

/** All asks that are in force, in the order in which their providers first came. */
export function* asksInForce(state: LedgerState): Generator<Statement<'Ask'>> {
  for (const record of state.asks.values()) {
    const ask = inForce(record, state.openings)
    if (ask !== undefined) yield ask
  }
}

/** What a provider said last, in force or not yet: where it is reached now. */
export function newestAskOf(state: LedgerState, provider: Address): Statement<'Ask'> | undefined {
  const record = state.asks.get(provider)
  return record?.next?.ask ?? record?.current
}
