/** A ledger in memory, for tests and the simulator: nothing is durable, and whoever made it opens the rounds. */
import type { NetworkParameters } from '../network.ts'
import type { EntryBody } from './entry.ts'
import { createLedgerMachine, type Ledger, type Receipt, receiptOf } from './ledger.ts'
import type { LedgerTools } from './rules.ts'

export interface MemoryLedger extends Ledger {
  /** Appends what only a host may: genesis is there already; opens and voids rounds. */
  append(body: EntryBody, timeMs: number): Receipt
}

/** @param now - the clock of entries that are submitted, milliseconds of Unix time */
export function createMemoryLedger(parameters: NetworkParameters, tools: LedgerTools, now: () => number): MemoryLedger {
  const machine = createLedgerMachine(parameters, tools)
  function append(body: EntryBody, timeMs: number): Receipt {
    const result = machine.applyNext(body, timeMs)
    if (result.ok) machine.announce([result.applied])
    return receiptOf(result)
  }
  append({ kind: 'genesis', networkId: machine.state.networkId }, now())
  return {
    state: machine.state,
    append,
    submit: async command => append({ kind: 'command', command }, now()),
    subscribe: listener => machine.subscribe(listener)
  }
}
