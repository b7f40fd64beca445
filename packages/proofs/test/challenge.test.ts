import { describe, expect, test } from 'vitest'
import { CHALLENGE_COUNT_MAX, deriveChallenges, locateLeaf, locateLeaves, sumLeafCounts } from '../src/index.ts'
import { assertProperty, fc } from './property.ts'
import { counterBytes, fromHex, pdp } from './vectors.ts'

const seed = counterBytes(32)

describe('deriveChallenges', () => {
  test.each(pdp.challenges)('vector of deal $setId over $leafCount leaves', vector => {
    const options = { seed: fromHex(vector.seed), dealId: BigInt(vector.setId), range: BigInt(vector.leafCount) }
    expect(deriveChallenges({ ...options, count: vector.indices.length })).toEqual(vector.indices.map(BigInt))
  })

  test('a longer draw begins with the shorter one', () => {
    const options = { seed, dealId: 7n, range: 1n << 40n }
    expect(deriveChallenges({ ...options, count: 300 }).slice(0, 20)).toEqual(
      deriveChallenges({ ...options, count: 20 })
    )
  })

  test('reaches every leaf about as often as every other', () => {
    const drawn = deriveChallenges({ seed, dealId: 1n, range: 10n, count: 2000 })
    for (let leaf = 0n; leaf < 10n; leaf++) {
      const times = drawn.filter(index => index === leaf).length
      expect(times).toBeGreaterThan(140)
      expect(times).toBeLessThan(260)
    }
  })

  test('depends on every bit of seed and deal', () => {
    const range = 1n << 250n
    const [original] = deriveChallenges({ seed, dealId: 1n, range, count: 1 })
    for (let byte = 0; byte < 32; byte++) {
      const changed = seed.slice()
      changed[byte]! ^= 1
      expect(deriveChallenges({ seed: changed, dealId: 1n, range, count: 1 })).not.toEqual([original])
      const dealId = 1n ^ (1n << BigInt(8 * byte + 1))
      expect(deriveChallenges({ seed, dealId, range, count: 1 })).not.toEqual([original])
    }
  })

  test('refuses arguments outside their ranges', () => {
    const options = { seed, dealId: 1n, range: 5n, count: 1 }
    expect(deriveChallenges({ ...options, count: 0 })).toEqual([])
    expect(() => deriveChallenges({ ...options, seed: seed.subarray(1) })).toThrow(RangeError)
    expect(() => deriveChallenges({ ...options, seed: 'seed' as never })).toThrow(TypeError)
    expect(() => deriveChallenges({ ...options, dealId: -1n })).toThrow(RangeError)
    expect(() => deriveChallenges({ ...options, dealId: 1n << 256n })).toThrow(RangeError)
    expect(() => deriveChallenges({ ...options, dealId: 1 as never })).toThrow(
      new TypeError('dealId: expected bigint, got number 1')
    )
    expect(() => deriveChallenges({ ...options, range: 0n })).toThrow(RangeError)
    expect(() => deriveChallenges({ ...options, count: -1 })).toThrow(RangeError)
    expect(() => deriveChallenges({ ...options, count: CHALLENGE_COUNT_MAX + 1 })).toThrow(RangeError)
  })
})

/** Pieces with their leaves; 0 is a removed piece. */
const anyLeafCounts = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 })), {
  minLength: 1,
  maxLength: 40,
  size: 'max'
})

/** Every leaf of a deal, one after another: what prefix sums stand for. */
function everyLeaf(leafCounts: readonly number[]) {
  return leafCounts.flatMap((count, pieceIndex) =>
    Array.from({ length: count }, (_, leafIndex) => ({ pieceIndex, leafIndex }))
  )
}

describe('locating leaves', () => {
  test('finds each leaf where counting finds it, past removed pieces', () => {
    assertProperty(
      fc.property(anyLeafCounts, leafCounts => {
        const leaves = everyLeaf(leafCounts)
        expect(
          locateLeaves(
            leafCounts,
            leaves.map((_, i) => BigInt(i))
          )
        ).toEqual(leaves)
        expect(sumLeafCounts(leafCounts).at(-1)).toBe(BigInt(leaves.length))
      })
    )
  })

  test('a piece that comes later moves nothing below the frozen range', () => {
    assertProperty(
      fc.property(anyLeafCounts, fc.array(fc.nat(9)), (leafCounts, later) => {
        const below = everyLeaf(leafCounts).map((_, i) => BigInt(i))
        expect(locateLeaves([...leafCounts, ...later], below)).toEqual(locateLeaves(leafCounts, below))
      })
    )
  })

  test('adds up beyond 2^53', () => {
    const sums = sumLeafCounts([Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER])
    expect(sums.at(-1)).toBe(2n ** 54n - 2n)
    expect(locateLeaf(sums, 2n ** 54n - 3n)).toEqual({ pieceIndex: 2, leafIndex: Number.MAX_SAFE_INTEGER - 1 })
  })

  test('refuses leaves that the deal does not have', () => {
    expect(() => locateLeaf(sumLeafCounts([3, 0, 2]), 5n)).toThrow(new RangeError('index: expected 0 to 4, got 5'))
    expect(() => locateLeaf([3n], -1n)).toThrow(RangeError)
    expect(() => locateLeaf([], 0n)).toThrow(RangeError)
    expect(() => locateLeaf([0n], 0n)).toThrow(RangeError)
    expect(() => locateLeaf([3n], 1 as never)).toThrow(TypeError)
    expect(() => locateLeaf(5 as never, 1n)).toThrow(TypeError)
    expect(() => sumLeafCounts([1, -1])).toThrow(
      new RangeError('leafCounts[1]: expected an integer from 0 to 9007199254740991, got -1')
    )
    expect(() => sumLeafCounts('12' as never)).toThrow(TypeError)
    expect(() => locateLeaves([1], 0n as never)).toThrow(TypeError)
  })
})
