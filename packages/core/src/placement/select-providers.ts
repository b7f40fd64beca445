/**
 * Which providers a store goes to, and why; or why not, and what would help. A pure function of asks, measurements and
 * needs, the draw among them: the same data gives the same choice.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { Address } from '../schema.ts'
import { chooseDistinct } from './choose-distinct.ts'
import type { FailureDomain, Offer } from './failure-domains.ts'
import { DISTINCT_DEFAULT, formatRate, measurementOf, type PlacementNeeds, unfitBecause } from './needs.ts'
import { findRelaxations, type Relaxation } from './relaxation.ts'

export interface ChosenProvider {
  readonly offer: Offer
  /** What speaks for it, in words. */
  readonly why: string
}

export type Placement =
  | {
      readonly ok: true
      readonly chosen: readonly ChosenProvider[]
      /** Others that fit by themselves, best first. */
      readonly spare: readonly Offer[]
    }
  | {
      readonly ok: false
      readonly reason: string
      readonly rejected: readonly { readonly provider: Address; readonly why: string }[]
      /** Each would be enough by itself; the least first. */
      readonly relaxations: readonly Relaxation[]
    }

/**
 * Preferred first, then those without failures, then the cheapest, then the fastest, then as it is drawn. At least one of
 * the replicas can be reached without a relay.
 */
export function selectProviders(offers: Iterable<Offer>, needs: PlacementNeeds): Placement {
  const all = [...offers]
  const { fit, rejected } = sift(all, needs)
  const { chosen, isEnough } = choose(fit, needs)
  if (isEnough) {
    const spare = fit.filter(offer => !chosen.includes(offer))
    return { ok: true, chosen: chosen.map(offer => ({ offer, why: whyChosen(offer, needs) })), spare }
  }
  const relaxations = findRelaxations(all, needs, relaxed => choose(sift(all, relaxed).fit, relaxed).isEnough)
  return { ok: false, reason: refusal(fit.length, chosen.length, needs, rejected, relaxations), rejected, relaxations }
}

function sift(offers: readonly Offer[], needs: PlacementNeeds) {
  const rejected: { provider: Address; why: string }[] = []
  const fit: Offer[] = []
  for (const offer of offers) {
    const why = unfitBecause(offer, needs)
    if (why === undefined) fit.push(offer)
    else rejected.push({ provider: offer.provider, why })
  }
  const lots = new Map(fit.map(({ provider }) => [provider, lotOf(provider, needs)]))
  return { fit: fit.sort((a, b) => compareOffers(a, b, needs) || compareLots(a, b, lots)), rejected }
}

function lotOf(provider: Address, { draw }: PlacementNeeds): string {
  return draw === undefined ? provider : bytesToHex(sha256(utf8ToBytes(`${draw}/${provider}`)))
}

function compareLots(a: Offer, b: Offer, lots: ReadonlyMap<Address, string>): number {
  return lots.get(a.provider)! < lots.get(b.provider)! ? -1 : 1
}

function choose(ranked: readonly Offer[], { count, distinct = DISTINCT_DEFAULT, standing = [] }: PlacementNeeds) {
  return chooseDistinct(ranked, { count, distinct, standing })
}

function compareOffers(a: Offer, b: Offer, needs: PlacementNeeds): number {
  const { preferred } = needs
  const preference = Number(preferred?.has(b.provider) === true) - Number(preferred?.has(a.provider) === true)
  if (preference !== 0) return preference
  const [measuredA, measuredB] = [measurementOf(needs, a.provider), measurementOf(needs, b.provider)]
  const failing = Number(measuredA.failures > 0) - Number(measuredB.failures > 0)
  if (failing !== 0) return failing
  if (a.pricePerLeafRound !== b.pricePerLeafRound) return a.pricePerLeafRound < b.pricePerLeafRound ? -1 : 1
  return (measuredB.uploadBytesPerSecond ?? 0) - (measuredA.uploadBytesPerSecond ?? 0)
}

function whyChosen(offer: Offer, needs: PlacementNeeds): string {
  const { latencyMs, uploadBytesPerSecond, failures } = measurementOf(needs, offer.provider)
  return [
    needs.preferred?.has(offer.provider) === true ? 'has part of it already' : undefined,
    `asks ${offer.pricePerLeafRound} atto for a leaf and round`,
    offer.region === '' ? undefined : `region ${offer.region}`,
    latencyMs === undefined ? undefined : `answers after ${Math.round(latencyMs)} ms`,
    uploadBytesPerSecond === undefined ? undefined : `takes ${formatRate(uploadBytesPerSecond)}`,
    failures === 0 ? undefined : `failed ${failures} times lately, and nobody else fits`
  ]
    .filter(part => part !== undefined)
    .join(', ')
}

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth']

function refusal(
  fitting: number,
  together: number,
  needs: PlacementNeeds,
  rejected: readonly { readonly provider: Address; readonly why: string }[],
  [nearest]: readonly Relaxation[]
): string {
  const wanted = needs.count === 1 ? '1 provider is' : `${needs.count} providers are`
  const count = `${wanted} needed and ${fitting} ${fitting === 1 ? 'fits' : 'fit'}`
  const apart = together < fitting ? `, ${together} of them together` : ''
  const place = (needs.standing?.length ?? 0) + together
  const thing =
    nearest === undefined
      ? ''
      : `: no ${ORDINALS[place] ?? `${place + 1}th`} ${thingOf(needs)} ${nearest.wanted}; the nearest relaxation is ${nearest.nearest}`
  const reasons = rejected.map(({ provider, why }) => `${provider} ${why}`).join('; ')
  return `${count}${apart}${thing}${reasons === '' ? '' : `${thing === '' ? ': ' : '. '}${reasons}`}`
}

/** What is missing is another of the widest domain in which replicas must be distinct. */
function thingOf({ distinct = DISTINCT_DEFAULT }: PlacementNeeds): FailureDomain | 'provider' {
  return distinct.includes('region') ? 'region' : 'provider'
}
