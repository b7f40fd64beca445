import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignVerifiers, dealsAssignedTo } from '../../src/rounds/assignment.ts'
import type { Freeze } from '../../src/rounds/freeze.ts'
import type { Address } from '../../src/schema.ts'

const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}` as Address
const SEED = new Uint8Array(32).fill(1)

/** Verifiers with so many places each, deals between parties that may be verifiers too. */
function freezeOf(places: readonly number[], parties: readonly (readonly [number, number])[]): Freeze {
  return {
    madeInRound: 1,
    verifiers: places.map((count, index) => ({ address: addressOf(index), places: count })),
    deals: parties.map(([client, provider], index) => ({
      dealId: index + 1,
      client: addressOf(client),
      provider: addressOf(provider),
      pieceCount: 1,
      leafCount: 1,
      leavesPerRound: 1,
      pricePerRound: 1n,
      mustOpen: false
    }))
  }
}

const freezes = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }),
    fc.array(fc.tuple(fc.nat(12), fc.nat(12)), { maxLength: 12 })
  )
  .map(([places, parties]) => freezeOf(places, parties))
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('the assignment of verifiers', () => {
  it('gives each deal v distinct verifiers that are no party, or none', () => {
    fc.assert(
      fc.property(freezes, seeds, fc.integer({ min: 1, max: 4 }), (freeze, seed, verifiersPerDeal) => {
        const assignment = assignVerifiers(seed, freeze, verifiersPerDeal)
        expect([...assignment.keys()]).toEqual(freeze.deals.map(({ dealId }) => dealId))
        for (const { dealId, client, provider } of freeze.deals) {
          const verifiers = assignment.get(dealId)!
          const eligible = freeze.verifiers.filter(({ address }) => address !== client && address !== provider)
          expect(verifiers.length).toBe(eligible.length >= verifiersPerDeal ? verifiersPerDeal : 0)
          expect(new Set(verifiers).size).toBe(verifiers.length)
          for (const verifier of verifiers) expect(eligible.map(({ address }) => address)).toContain(verifier)
        }
        expect(assignVerifiers(seed, freeze, verifiersPerDeal)).toEqual(assignment)
      }),
      { numRuns: 300 }
    )
  })

  it('goes through one shuffle: n verifiers of one place take turns', () => {
    const strangers = Array.from({ length: 10 }, () => [100, 101] as const)
    const assignment = assignVerifiers(SEED, freezeOf([1, 1, 1, 1, 1], strangers), 2)
    const taken = [...assignment.values()].flat()
    expect(new Set(taken.slice(0, 5)).size).toBe(5)
    for (let index = 5; index < taken.length; index += 1) expect(taken[index]).toBe(taken[index - 5])
  })

  it('gives work in proportion to places', () => {
    const strangers = Array.from({ length: 400 }, () => [100, 101] as const)
    const assignment = assignVerifiers(SEED, freezeOf([1, 3], strangers), 1)
    expect(dealsAssignedTo(assignment, addressOf(0))).toHaveLength(100)
    expect(dealsAssignedTo(assignment, addressOf(1))).toHaveLength(300)
  })

  it('depends on the seed', () => {
    const freeze = freezeOf([1, 1, 1, 1, 1, 1, 1, 1], [[100, 101]])
    const assignments = Array.from(
      { length: 40 },
      (_, index) => assignVerifiers(SEED.with(0, index), freeze, 1).get(1)![0]
    )
    expect(new Set(assignments).size).toBeGreaterThan(4)
  })

  it('lists the deals of a verifier in ascending order', () => {
    const strangers = Array.from({ length: 30 }, () => [100, 101] as const)
    const assignment = assignVerifiers(SEED, freezeOf([1, 1, 1], strangers), 2)
    const deals = dealsAssignedTo(assignment, addressOf(1))
    expect(deals).toEqual([...deals].sort((a, b) => a - b))
    expect(deals).toHaveLength(20)
  })
})
