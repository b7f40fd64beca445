import { describe, expect, it } from 'vitest'
import { createDraw, shuffle } from '../../src/rounds/draw.ts'

const SEED = new Uint8Array(32).fill(5)

describe('draws', () => {
  it('are the same for the same seed and label, and others for others', () => {
    const take = (seed: Uint8Array, label: string) => {
      const draw = createDraw(seed, label)
      return Array.from({ length: 20 }, () => draw.below(2 ** 32))
    }
    const first = take(SEED, 'a')
    expect(take(SEED, 'a')).toEqual(first)
    expect(take(SEED, 'b')).not.toEqual(first)
    expect(take(SEED.with(31, 6), 'a')).not.toEqual(first)
  })

  it.each([3, 7, 100])('are uniform below %i', below => {
    const draw = createDraw(SEED, `uniform ${below}`)
    const counts = new Array<number>(below).fill(0)
    const expected = 300
    for (let drawn = 0; drawn < expected * below; drawn += 1) counts[draw.below(below)]! += 1
    // Chi-squared with below − 1 degrees of freedom: mean below − 1, deviation √(2 (below − 1)). The seed is fixed.
    const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    expect(Math.abs(chiSquared - (below - 1))).toBeLessThan(4 * Math.sqrt(2 * (below - 1)))
  })

  it('throw away the words that would make a remainder unfair', () => {
    // 2^48 leaves below − 1 of this number. The first word of this label, found by search, lies in what is left over and
    // would give 2566778305; computed apart, with node's SHA-256, the second gives 2091741011.
    expect(createDraw(SEED, 'unfair 79231').below(4_294_901_761)).toBe(2_091_741_011)
  })

  it.each([0, -1, 1.5, 2 ** 32 + 1, Number.NaN])('below %d are a caller’s mistake', below => {
    expect(() => createDraw(SEED, 'x').below(below)).toThrow(RangeError)
  })

  it('below one are zero', () => {
    expect(createDraw(SEED, 'x').below(1)).toBe(0)
  })
})

const shuffled = <T>(items: readonly T[], draw: ReturnType<typeof createDraw>): T[] => {
  const result = [...items]
  shuffle(result, draw)
  return result
}

describe('a shuffle', () => {
  it('keeps every item', () => {
    const items = Array.from({ length: 50 }, (_, index) => index)
    const result = shuffled(items, createDraw(SEED, 'shuffle'))
    expect(result).not.toEqual(items)
    expect([...result].sort((a, b) => a - b)).toEqual(items)
    expect(shuffled([], createDraw(SEED, 'shuffle'))).toEqual([])
  })

  it('gives every order of three the same chance', () => {
    const draw = createDraw(SEED, 'orders')
    const counts = new Map<string, number>()
    for (let drawn = 0; drawn < 6000; drawn += 1) {
      const order = shuffled(['a', 'b', 'c'], draw).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * Math.sqrt(1000))
  })
})
