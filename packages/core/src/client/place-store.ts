/** Which providers the replicas go to that do not stand yet: the ledger's asks, and what the client knows of them. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { CoreError } from '../error.ts'
import type { Signer } from '../identity.ts'
import { askOf, asksInForce } from '../ledger/asks.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { refuseUncollateralised } from '../ledger/piece-rules.ts'
import type { LedgerState } from '../ledger/state.ts'
import type { Offer } from '../placement/failure-domains.ts'
import type { PlacementConstraints, PlacementNeeds } from '../placement/needs.ts'
import { type ChosenProvider, selectProviders } from '../placement/select-providers.ts'
import type { Address } from '../schema.ts'
import type { StorableObject } from './components.ts'
import type { Measurements } from './measurements.ts'
import { findDeal } from './plan-replica.ts'
import type { Survey } from './survey.ts'

export interface StoreNeeds extends PlacementConstraints {
  readonly object: StorableObject
  readonly replicas: number
  /** Rounds to fund at least; never less than the notice period. */
  readonly rounds: number
  /** Providers that are out, with the reason that is shown when not enough are left. */
  readonly excluded?: ReadonlyMap<Address, string> | undefined
  /** Providers that are taken before others, for whatever reason. */
  readonly preferred?: ReadonlySet<Address> | undefined
}

/** Whose store it is, and on which ledger. */
export interface PlaceComponents {
  readonly ledger: Pick<Ledger, 'state'>
  readonly signer: Pick<Signer, 'address'>
  readonly measurements?: Measurements
}

/** What a store knows beyond its needs. */
export interface PlaceContext {
  readonly survey: Survey
  /** Providers that were tried in this store, with what came of it. */
  readonly tried: ReadonlyMap<Address, string>
  /** Providers that other replicas of this store are being sent to. */
  readonly beside: readonly Offer[]
}

/** @throws {CoreError} `NO_PLACEMENT` with the reason, when there are not enough providers that fit */
export function placeStore(
  components: PlaceComponents,
  needs: StoreNeeds,
  context: PlaceContext,
  count: number
): readonly ChosenProvider[] {
  const placement = selectProviders(
    asksInForce(components.ledger.state),
    placementNeedsOf(components, needs, context, count)
  )
  if (placement.ok) return placement.chosen
  const { reason, rejected, relaxations } = placement
  throw new CoreError('NO_PLACEMENT', reason, {
    rejected,
    relaxations: relaxations.map(({ constraint, wanted, nearest }) => ({ constraint, wanted, nearest }))
  })
}

/** What a store wants, with all that the ledger and its own course add to it. */
export function placementNeedsOf(
  { ledger, signer, measurements }: PlaceComponents,
  needs: StoreNeeds,
  { survey, tried, beside }: PlaceContext,
  count: number
): PlacementNeeds {
  const { state } = ledger
  const pieces = needs.object.replica(0)
  const sizeBytes = pieces.reduce((sum, { rawSize }) => sum + rawSize, 0)
  const excluded = new Map<Address, string>([
    ...cappedProviders(state, signer.address, sizeBytes, survey),
    ...(needs.excluded ?? []),
    ...survey.unfit,
    ...survey.standing.map(({ provider }) => [provider, 'has a replica'] as const),
    ...tried
  ])
  const standing = survey.standing.flatMap(({ provider }) => askOf(state, provider) ?? [])
  return {
    ...needs,
    count,
    sizeBytes,
    excluded,
    preferred: new Set([...survey.partial.keys(), ...(needs.preferred ?? [])]),
    standing: [...standing, ...beside],
    // Of the object and its owner: quote and store, and a store that goes on, draw alike.
    draw: `${signer.address}/${pieces[0] === undefined ? '' : bytesToHex(pieces[0].label)}`,
    ...(measurements !== undefined && { measurements: measurements.snapshot() })
  }
}

/** Providers that the ledger would not let take so much more yet: better known before the bytes are sent. */
function* cappedProviders(
  state: LedgerState,
  client: Address,
  sizeBytes: number,
  { partial }: Survey
): Generator<[Address, string]> {
  for (const { provider } of asksInForce(state)) {
    if (partial.has(provider)) continue
    const deal = findDeal(state, client, provider) ?? { id: 0, provider, rawSize: 0 }
    const refused = refuseUncollateralised(state, deal, sizeBytes)
    if (refused !== undefined) yield [provider, `has too little collateral (${refused.refusal.message})`]
  }
}

/** What is offered to a client that has a deal with the provider is the deal's price, whatever the provider asks now. */
export function standingOffer(state: LedgerState, dealId: number) {
  const { provider, pricePerLeafRound } = state.deals.get(dealId)!
  return { provider, pricePerLeafRound }
}
