/** What of an object stands already, by the ledger: where a store goes on. */
import type { Deal, LedgerState } from '../ledger/state.ts'
import { REPLICAS_PER_OBJECT_MAX } from '../pieces/index.ts'
import type { Address } from '../schema.ts'
import type { ReplicaPiece, StorableObject } from './components.ts'
import { holds } from './plan-replica.ts'

export interface StoredReplica {
  readonly provider: Address
  readonly dealId: number
  /** Which replica it is: 0 of all where replicas are identical. */
  readonly index: number
}

export interface Survey {
  /** Whole replicas, at most as many as are wanted, of providers that owe no proof. */
  readonly standing: readonly StoredReplica[]
  /** Providers that hold a part of a replica, and which. */
  readonly partial: ReadonlyMap<Address, number>
  /** Providers that hold something and may not get more now, with the reason. */
  readonly unfit: ReadonlyMap<Address, string>
  /** Replicas of which something is on the ledger. */
  readonly used: ReadonlySet<number>
}

/** Replicas in a row of which nothing is on the ledger, beyond the wanted ones, before it is believed that there are no more. */
const GAP_MAX = 8

export function surveyObject(state: LedgerState, client: Address, object: StorableObject, wanted: number): Survey {
  const deals = [...state.deals.values()].filter(deal => deal.client === client && deal.status === 'active')
  const end = object.areReplicasIdentical ? 1 : REPLICAS_PER_OBJECT_MAX
  const standing: StoredReplica[] = []
  const partial = new Map<Address, number>()
  const unfit = new Map<Address, string>()
  const used = new Set<number>()
  let latest = wanted
  for (let index = 0; index < end && index - latest < GAP_MAX; index++) {
    const pieces = object.replica(index)
    for (const deal of deals) {
      const held = countHeld(deal, pieces)
      if (held === 0) continue
      used.add(index)
      latest = Math.max(latest, index)
      const { provider, id: dealId, docket } = deal
      if (docket.length > 0)
        unfit.set(provider, `has not proved ${docket.length} leaves that it owes in deal ${dealId}`)
      else if (held < pieces.length) partial.set(provider, index)
      else if (standing.length < wanted && !standing.some(replica => replica.provider === provider))
        standing.push({ provider, dealId, index })
    }
  }
  return { standing, partial, unfit, used }
}

/** Pieces go out in order: a deal without the first holds none, and nobody computes the labels of the others. */
function countHeld(deal: Deal, pieces: readonly ReplicaPiece[]): number {
  if (pieces.length > 0 && !holds(deal, pieces[0]!)) return 0
  return pieces.filter(piece => holds(deal, piece)).length
}
