import type { Address } from '../schema.ts'
import { type PlaceComponents, placeStore, type StoreNeeds, standingOffer } from './place-store.ts'
import { planReplica } from './plan-replica.ts'
import { surveyObject } from './survey.ts'

/** What storing an object on n providers costs, at the prices that they ask now, beside what the client pays them already. */
export interface StoreQuote {
  /** Of replicas that stand, then of those that would be new. */
  readonly providers: readonly Address[]
  /** For each provider that would be new, in words why it was chosen. */
  readonly reasons: ReadonlyMap<Address, string>
  /** Of all replicas together, in atto. */
  readonly pricePerRound: bigint
  /** Moved to escrow at once; what is not used comes back. */
  readonly escrow: bigint
  /** Of the deal that is funded for the fewest. */
  readonly fundedRounds: number
}

/** @throws {CoreError} `NO_PLACEMENT` with the reason, when there are not enough providers that fit */
export function quoteStore(components: PlaceComponents, needs: StoreNeeds): StoreQuote {
  const { state } = components.ledger
  const { address } = components.signer
  const { object, replicas, rounds } = needs
  const survey = surveyObject(state, address, object, replicas)
  const { standing, partial } = survey
  const chosen = placeStore(components, needs, { survey, tried: new Map(), beside: [] }, replicas - standing.length)
  const plans = [
    ...standing.map(({ dealId, index }) =>
      planReplica(state, address, standingOffer(state, dealId), object.replica(index), rounds)
    ),
    ...chosen.map(({ offer }) =>
      planReplica(state, address, offer, object.replica(partial.get(offer.provider) ?? 0), rounds)
    )
  ]
  return {
    providers: [...standing.map(({ provider }) => provider), ...chosen.map(({ offer }) => offer.provider)],
    reasons: new Map(chosen.map(({ offer, why }) => [offer.provider, why])),
    pricePerRound: plans.reduce((sum, plan) => sum + plan.pricePerRound, 0n),
    escrow: plans.reduce((sum, plan) => sum + plan.deposit, 0n),
    fundedRounds: Math.min(...plans.map(plan => plan.fundedRounds))
  }
}
