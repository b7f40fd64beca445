/** What the last rounds said of each deal: the state counts rounds, and the log says which. Kept while a ledger is followed. */
import { resultsIn } from '../ledger/event.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Outcome } from '../rounds/outcome.ts'
import type { Address } from '../schema.ts'

export interface RoundOfDeal {
  readonly round: number
  /** When the round was closed, milliseconds of Unix time by the host's clock. */
  readonly timeMs: number
  readonly outcome: Outcome
  /** Who checked it and was paid for that; none for a self-proof, which everybody checks. */
  readonly verifiers: readonly Address[]
}

export interface DealHistory {
  readonly last: RoundOfDeal | undefined
  readonly lastProved: RoundOfDeal | undefined
}

export interface ProofHistory extends Disposable {
  of(dealId: number): DealHistory
}

const NOTHING: DealHistory = { last: undefined, lastProved: undefined }

/** Begin before the ledger is caught up with, or know less. Two rounds a deal are kept. */
export function createProofHistory(ledger: Pick<Ledger, 'subscribe'>): ProofHistory {
  const known = new Map<number, DealHistory>()
  const end = ledger.subscribe(({ entry, events }) => {
    for (const event of events) {
      for (const { dealId, outcome, paidVerifiers } of resultsIn(event)) {
        const { round } = event as { readonly round: number }
        const last = { round, timeMs: entry.timeMs, outcome, verifiers: paidVerifiers }
        const lastProved = outcome.kind === 'proved' ? last : known.get(dealId)?.lastProved
        known.set(dealId, { last, lastProved })
      }
    }
  })
  return {
    of: dealId => known.get(dealId) ?? NOTHING,
    [Symbol.dispose]: end
  }
}
