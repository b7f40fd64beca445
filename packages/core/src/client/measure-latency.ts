/** How soon providers answer, asked of those that a store with such a wish could go to. */
import { machineClock } from '../clock.ts'
import { asksInForce } from '../ledger/asks.ts'
import type { Offer } from '../placement/failure-domains.ts'
import { unfitBecause } from '../placement/needs.ts'
import { ANY_NETWORK, networkInfo } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { StoreComponents } from './components.ts'
import { placementNeedsOf, type StoreNeeds } from './place-store.ts'
import { surveyObject } from './survey.ts'

/** The cheapest are asked; a store that finds too few among so many says what is near. */
const ASKED_MAX = 64

/** At once: each takes a connection. */
const ASKED_AT_ONCE = 8

/** Who takes longer for an answer of a few hundred bytes is slow enough for everybody. */
const ANSWER_MS_MAX = 3_000

export type MeasureComponents = Pick<StoreComponents, 'node' | 'ledger' | 'measurements' | 'clock'> & {
  readonly signer: Pick<StoreComponents['signer'], 'address'>
}

/**
 * Records the time of one round trip to each provider that fits but for its latency, on a connection that is open already.
 * Whoever gives no answer stays as he was, unknown or known. Asks nobody when the needs name no latency.
 */
export async function measureLatencies(
  components: MeasureComponents,
  needs: StoreNeeds,
  signal?: AbortSignal
): Promise<void> {
  signal?.throwIfAborted()
  const { ledger, signer, measurements } = components
  if (needs.latencyMsMax === undefined || measurements === undefined) return
  const { state } = ledger
  const survey = surveyObject(state, signer.address, needs.object, needs.replicas)
  const context = { survey, tried: new Map(), beside: [] }
  const placement = placementNeedsOf(components, { ...needs, latencyMsMax: undefined }, context, 1)
  const waiting = [...asksInForce(state)]
    .filter(offer => unfitBecause(offer, placement) === undefined)
    .sort((a, b) => (a.pricePerLeafRound < b.pricePerLeafRound ? -1 : 1))
    .slice(0, ASKED_MAX)
    .values()
  const measure = async () => {
    for (const offer of waiting) {
      const ms = await roundTripMs(components, offer, signal)
      if (ms !== undefined) measurements.record(offer.provider, { kind: 'latency', ms })
    }
  }
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, measure))
}

async function roundTripMs(
  { node, clock = machineClock }: MeasureComponents,
  { addresses }: Offer,
  signal: AbortSignal | undefined
): Promise<number | undefined> {
  const terms = { networkId: ANY_NETWORK, clock, ...(signal !== undefined && { signal }) }
  const ask = () =>
    request(node, parsePeerAddresses(addresses), { ...networkInfo, timeoutMs: ANSWER_MS_MAX }, {}, terms)
  if ((await ask()).kind === 'no-answer') return undefined
  const askedMs = clock.now()
  return (await ask()).kind === 'no-answer' ? undefined : clock.now() - askedMs
}
