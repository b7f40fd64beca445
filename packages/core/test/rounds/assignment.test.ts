import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AssignmentOptions,
  assignVerifiers,
  countAssignedTo,
  dealsAssignedTo,
  positionOf,
  verifiersOfDeal
} from '../../src/rounds/assignment.ts'
import { createDraw, shuffle } from '../../src/rounds/draw.ts'
import type { FrozenVerifier } from '../../src/rounds/freeze.ts'
import type { Address } from '../../src/schema.ts'

const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}` as Address
const SEED = new Uint8Array(32).fill(1)
const STRANGERS = [100, 101, 102] as const

type Parties = readonly [client: number, provider: number, operator: number]

/** Verifiers with so many places each, run by whom they name; deals of parties that may be verifiers or operators too. */
function optionsOf(
  seed: Uint8Array,
  places: readonly (number | readonly [places: number, operator: number])[],
  parties: readonly Parties[],
  verifiersPerDeal: number
): AssignmentOptions {
  const verifiers = places.map((one, index): FrozenVerifier => {
    const [count, operator] = typeof one === 'number' ? [one, index] : one
    return { address: addressOf(index), operator: addressOf(operator), places: count }
  })
  return {
    seed,
    verifiers,
    dealIds: parties.map((_, index) => 3 * index + 1),
    partiesOf(dealId) {
      const [client, provider, operator] = parties[(dealId - 1) / 3]!.map(addressOf) as [Address, Address, Address]
      return { client, provider, operator }
    },
    verifiersPerDeal
  }
}

/** The rule as PROTOCOLS.md says it, walked place by place. */
function assignByHand({ seed, verifiers, dealIds, partiesOf, verifiersPerDeal }: AssignmentOptions): Address[][] {
  const places = verifiers.flatMap(one => Array.from({ length: one.places }, () => one))
  shuffle(places, createDraw(seed, 'holdfast/places'))
  return dealIds.map((dealId, rank) => {
    const { client, provider, operator } = partiesOf(dealId)
    const named = [client, provider, operator]
    const parties = [...named, ...verifiers.filter(one => named.includes(one.address)).map(one => one.operator)]
    const chosen: FrozenVerifier[] = []
    for (let step = 0; step < places.length && chosen.length < verifiersPerDeal; step += 1) {
      const one = places[(rank * verifiersPerDeal + step) % places.length]!
      if (!parties.includes(one.operator) && chosen.every(other => other.operator !== one.operator)) chosen.push(one)
    }
    return chosen.length === verifiersPerDeal ? chosen.map(({ address }) => address) : []
  })
}

const party = fc.nat(10)
const options = fc
  .tuple(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(8)), { maxLength: 9 }),
    fc.array(fc.tuple(party, party, party), { maxLength: 12 }),
    fc.integer({ min: 1, max: 4 })
  )
  .map(all => optionsOf(...all))

describe('the assignment of verifiers', () => {
  it('is what the rule says, place by place', () => {
    fc.assert(
      fc.property(options, all => {
        const assignment = assignVerifiers(all)
        const expected = assignByHand(all)
        expect(all.dealIds.map(dealId => verifiersOfDeal(assignment, dealId))).toEqual(expected)
        for (const { address } of all.verifiers) {
          const own = all.dealIds.filter((_, rank) => expected[rank]!.includes(address))
          expect(dealsAssignedTo(assignment, address)).toEqual(own)
          expect(countAssignedTo(assignment, address)).toBe(own.length)
          for (const dealId of all.dealIds) expect(positionOf(assignment, address, dealId)).toBe(own.indexOf(dealId))
        }
      }),
      { numRuns: 500 }
    )
  })

  it('gives a deal distinct operators, none of which is, or runs, one of its parties', () => {
    fc.assert(
      fc.property(options, all => {
        const assignment = assignVerifiers(all)
        const runBy = (address: Address) => all.verifiers.find(one => one.address === address)?.operator
        for (const dealId of all.dealIds) {
          const operators = verifiersOfDeal(assignment, dealId).map(address => runBy(address)!)
          expect(new Set(operators).size).toBe(operators.length)
          const { client, provider, operator } = all.partiesOf(dealId)
          for (const one of [client, provider, operator]) {
            expect(verifiersOfDeal(assignment, dealId)).not.toContain(one)
            expect(operators).not.toContain(one)
            expect(operators).not.toContain(runBy(one) ?? 'nobody')
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it('says nothing about deals and verifiers that are not in it', () => {
    const assignment = assignVerifiers(optionsOf(SEED, [1, 1], [STRANGERS], 1))
    expect(verifiersOfDeal(assignment, 2)).toEqual([])
    expect(dealsAssignedTo(assignment, addressOf(9))).toEqual([])
    expect(positionOf(assignment, addressOf(9), 1)).toBe(-1)
    expect(positionOf(assignment, addressOf(0), 2)).toBe(-1)
  })

  it('goes through one shuffle: n verifiers of one place take turns', () => {
    const all = optionsOf(SEED, [1, 1, 1, 1, 1], new Array<Parties>(10).fill(STRANGERS), 2)
    const assignment = assignVerifiers(all)
    const taken = all.dealIds.flatMap(dealId => verifiersOfDeal(assignment, dealId))
    expect(new Set(taken.slice(0, 5)).size).toBe(5)
    for (let index = 5; index < taken.length; index += 1) expect(taken[index]).toBe(taken[index - 5])
  })

  it('gives work in proportion to places', () => {
    const assignment = assignVerifiers(optionsOf(SEED, [1, 3], new Array<Parties>(400).fill(STRANGERS), 1))
    expect(dealsAssignedTo(assignment, addressOf(0))).toHaveLength(100)
    expect(dealsAssignedTo(assignment, addressOf(1))).toHaveLength(300)
  })

  it('depends on the seed', () => {
    const first = (seed: Uint8Array) =>
      verifiersOfDeal(assignVerifiers(optionsOf(seed, [1, 1, 1, 1, 1, 1, 1, 1], [STRANGERS], 1)), 1)[0]
    expect(new Set(Array.from({ length: 40 }, (_, index) => first(SEED.with(0, index)))).size).toBeGreaterThan(4)
  })

  it('moves no other deal when one joins behind it, or its parties change', () => {
    const parties: Parties[] = [STRANGERS, [0, 1, 2], STRANGERS]
    const all = optionsOf(SEED, [1, 2, 3, 4, 5], parties, 2)
    const other = optionsOf(SEED, [1, 2, 3, 4, 5], [STRANGERS, STRANGERS, STRANGERS, STRANGERS], 2)
    const [one, two] = [assignVerifiers(all), assignVerifiers(other)]
    for (const dealId of [1, 7]) expect(verifiersOfDeal(one, dealId)).toEqual(verifiersOfDeal(two, dealId))
  })
})
