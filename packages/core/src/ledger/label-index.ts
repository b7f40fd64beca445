/**
 * Which deals hold pieces under a label, kept from the ledger's events: a lookup that scans all deals would let any reader
 * cost a host a second. Derived and never stored; a restart makes it again.
 */
import type { AppliedEntry, Ledger } from './ledger.ts'
import { isRunning } from './live-deals.ts'
import { isPresent } from './piece-rules.ts'
import type { Deal, LedgerState } from './state.ts'

export interface LabelIndex {
  /** Numbers of running deals that hold, or lately held, pieces under a label in hex; in the order in which they took them. */
  dealsWith(label: string): Iterable<number>
  /** Ends it. */
  [Symbol.dispose](): void
}

/** Looks at every deal once, and then at those of each entry. */
export function createLabelIndex(ledger: Pick<Ledger, 'state' | 'subscribe'>): LabelIndex {
  const { state } = ledger
  const deals = new Map<string, Set<number>>()

  function add({ id, pieces }: Deal, count = pieces.length): void {
    for (const { label } of pieces.slice(-count).filter(isPresent)) {
      const known = deals.get(label)
      if (known === undefined) deals.set(label, new Set([id]))
      else known.add(id)
    }
  }

  function remove(dealId: number, isGone: (label: string) => boolean): void {
    for (const { label } of state.deals.get(dealId)?.pieces ?? []) {
      if (!isGone(label)) continue
      const known = deals.get(label)
      known?.delete(dealId)
      if (known?.size === 0) deals.delete(label)
    }
  }

  for (const deal of state.deals.values()) if (isRunning(deal)) add(deal)
  const end = ledger.subscribe(applied => {
    for (const event of applied.events) follow(event, state, add, remove)
  })
  return { dealsWith: label => deals.get(label) ?? [], [Symbol.dispose]: end }
}

function follow(
  event: AppliedEntry['events'][number],
  state: LedgerState,
  add: (deal: Deal, count?: number) => void,
  remove: (dealId: number, isGone: (label: string) => boolean) => void
): void {
  if (event.kind === 'piecesAdded') {
    const deal = state.deals.get(event.dealId)
    if (deal !== undefined) add(deal, event.pieces)
  } else if (event.kind === 'handedOver') {
    const successor = state.deals.get(event.successor)
    if (successor !== undefined) add(successor)
  } else if (event.kind === 'dealEnded' || event.kind === 'dealFailed') {
    remove(event.dealId, () => true)
  } else if (event.kind === 'piecesGone') {
    const pieces = state.deals.get(event.dealId)?.pieces ?? []
    const present = new Set(pieces.filter(isPresent).map(({ label }) => label))
    remove(event.dealId, label => !present.has(label))
  }
}
