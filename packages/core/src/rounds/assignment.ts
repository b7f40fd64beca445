/**
 * Who checks whom: a pure function of the seed and the frozen state, so that every peer works it out alone.
 *
 * All places go through one shuffle; deals by ascending id take the next places in that order, skipping the deal's own
 * parties and operators that it already has. A verifier is its own operator until operators are registered.
 */
import type { Address } from '../schema.ts'
import { createDraw, shuffled } from './draw.ts'
import type { Freeze, FrozenDeal } from './freeze.ts'

/** Verifiers of each deal in the order of their places; a deal without enough of them has none and needs a self-proof. */
export type Assignment = ReadonlyMap<number, readonly Address[]>

/** @param seed - 32 bytes of the round that the freeze is for */
export function assignVerifiers(seed: Uint8Array, freeze: Freeze, verifiersPerDeal: number): Assignment {
  const places = shuffled(
    freeze.verifiers.flatMap(({ address, places }) => Array.from({ length: places }, () => address)),
    createDraw(seed, 'holdfast/places')
  )
  const assignment = new Map<number, readonly Address[]>()
  if (freeze.verifiers.length < verifiersPerDeal) {
    for (const { dealId } of freeze.deals) assignment.set(dealId, [])
    return assignment
  }
  let next = 0
  for (const deal of freeze.deals) {
    const { chosen, position } = takePlaces(places, next, deal, verifiersPerDeal)
    next = position
    assignment.set(deal.dealId, chosen.length === verifiersPerDeal ? chosen : [])
  }
  return assignment
}

function takePlaces(places: readonly Address[], from: number, deal: FrozenDeal, wanted: number) {
  const chosen: Address[] = []
  let taken = 0
  for (; taken < places.length && chosen.length < wanted; taken += 1) {
    const address = places[(from + taken) % places.length]!
    const isParty = address === deal.client || address === deal.provider
    if (!isParty && !chosen.includes(address)) chosen.push(address)
  }
  return { chosen, position: places.length === 0 ? 0 : (from + taken) % places.length }
}

/** The deals that a verifier checks, ascending: the order of the verdicts in its attestation. */
export function dealsAssignedTo(assignment: Assignment, verifier: Address): number[] {
  return [...assignment].filter(([, verifiers]) => verifiers.includes(verifier)).map(([dealId]) => dealId)
}
