import { deriveChallenges, locateLeaves } from '@holdfast/proofs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { challengesOf, countLeaves } from '../../src/rounds/challenge.ts'
import type { FrozenDeal } from '../../src/rounds/freeze.ts'

const frozen = (pieceCount: number, leafCount: number, leavesPerRound: number): FrozenDeal => ({
  dealId: 7,
  client: '0x00',
  provider: '0x01',
  pieceCount,
  leafCount,
  leavesPerRound,
  pricePerRound: 1n,
  mustOpen: false
})
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const leafCounts = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 })

describe('the leaves of a round', () => {
  it('are those of PDP’s formula, once each, gathered by piece', () => {
    fc.assert(
      fc.property(seeds, leafCounts, fc.integer({ min: 1, max: 30 }), (seed, counts, leavesPerRound) => {
        const deal = frozen(counts.length, sum(counts), leavesPerRound)
        const challenges = challengesOf(seed, deal, counts)
        const drawn = deriveChallenges({ seed, dealId: 7n, range: BigInt(sum(counts)), count: leavesPerRound })
        const expected = new Set(locateLeaves(counts, drawn).map(at => `${at.pieceIndex}/${at.leafIndex}`))
        const got = challenges.flatMap(({ pieceIndex, leafIndices }) =>
          leafIndices.map(leaf => `${pieceIndex}/${leaf}`)
        )
        expect(new Set(got)).toEqual(expected)
        expect(countLeaves(challenges)).toBe(expected.size)
        const ascending = (list: readonly number[]) => list.every((value, i) => i === 0 || list[i - 1]! < value)
        expect(ascending(challenges.map(({ pieceIndex }) => pieceIndex))).toBe(true)
        for (const { leafIndices } of challenges) expect(ascending(leafIndices)).toBe(true)
      })
    )
  })

  it('do not move when pieces join after the freeze', () => {
    fc.assert(
      fc.property(seeds, leafCounts, leafCounts, (seed, counts, later) => {
        const deal = frozen(counts.length, sum(counts), 20)
        expect(challengesOf(seed, deal, [...counts, ...later])).toEqual(challengesOf(seed, deal, counts))
      })
    )
  })
})
