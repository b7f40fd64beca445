import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import { lowerBoundOf, REPORT_CONFIDENCE, shareOf } from '../../src/reports/confidence.ts'
import { percentilesOf } from '../../src/reports/percentiles.ts'

describe('the lower bound of a share', () => {
  // Limits of two-sided 95 % Clopper–Pearson intervals, each a one-sided bound at 97.5 %, as tables of the binomial print
  // them; and, for samples without a failure, the "rule of three" and its exact form.
  it.each([
    [1, 10, 0.975, 0.0025],
    [5, 10, 0.975, 0.1871],
    [8, 10, 0.975, 0.4439],
    [9, 10, 0.975, 0.555],
    [10, 10, 0.975, 0.6915],
    [15, 20, 0.975, 0.509],
    [81, 263, 0.975, 0.2527],
    [90, 100, 0.975, 0.8238],
    [95, 100, 0.975, 0.8872],
    [99, 100, 0.975, 0.9455],
    [59, 59, 0.95, 0.9505],
    [299, 299, 0.95, 0.99],
    [459, 459, 0.99, 0.99]
  ])('of %i in %i at %f is %f, as published', (good, trials, confidence, expected) => {
    expect(lowerBoundOf(good, trials, confidence)).toBeCloseTo(expected, 4)
  })

  it('of a sample without failures is the n-th root, and of an empty one nothing', () => {
    expect(lowerBoundOf(20, 20)).toBeCloseTo(0.05 ** (1 / 20), 12)
    expect(shareOf(0, 0)).toEqual({ good: 0, trials: 0, lowerBound: 0 })
    expect(lowerBoundOf(0, 50)).toBe(0)
  })

  it('refuses counts that cannot be', () => {
    for (const [good, trials] of [
      [2, 1],
      [-1, 5],
      [0.5, 5],
      [1, Number.NaN]
    ] as const)
      expect(() => lowerBoundOf(good, trials)).toThrow(RangeError)
    expect(() => lowerBoundOf(1, 2, 1)).toThrow(RangeError)
  })

  it('is above the true share in at most 5 % of all samples, whatever the share: added up, not sampled', () => {
    for (const trials of [1, 2, 5, 10, 20, 60, 200]) {
      const bounds = Array.from({ length: trials + 1 }, (_, good) => lowerBoundOf(good, trials))
      for (let percent = 1; percent < 100; percent += 1) {
        const covered = bounds.reduce(
          (sum, bound, good) => (bound <= percent / 100 ? sum + chanceOf(good, trials, percent / 100) : sum),
          0
        )
        expect(covered).toBeGreaterThanOrEqual(REPORT_CONFIDENCE - 1e-9)
      }
    }
  })

  property.prop([fc.integer({ min: 1, max: 1_000_000 }), fc.double({ min: 0, max: 1, noNaN: true })], { numRuns: 300 })(
    'lies below the observed share, and rises with every good trial',
    (trials, part) => {
      const good = Math.floor(trials * part)
      const bound = lowerBoundOf(good, trials)
      expect(bound).toBeLessThanOrEqual(good / trials)
      if (good < trials) expect(lowerBoundOf(good + 1, trials)).toBeGreaterThan(bound)
    }
  )

  it('is one that simulated providers keep: of 2,000 that hold 97 %, at most 5 % and noise are reported above it', () => {
    const held = 0.97
    const draws = 100
    const providers = 2_000
    let state = 12_345
    const next = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state / 2 ** 32
    }
    let above = 0
    for (let provider = 0; provider < providers; provider += 1) {
      let good = 0
      for (let draw = 0; draw < draws; draw += 1) if (next() < held) good += 1
      if (lowerBoundOf(good, draws) > held) above += 1
    }
    // Three standard deviations of the count.
    expect(above).toBeLessThanOrEqual(0.05 * providers + 3 * Math.sqrt(providers * 0.05 * 0.95))
  })
})

/** Of exactly so many good trials. */
function chanceOf(good: number, trials: number, share: number): number {
  let logarithm = good * Math.log(share) + (trials - good) * Math.log1p(-share)
  for (let i = 1; i <= good; i += 1) logarithm += Math.log((trials - good + i) / i)
  return Math.exp(logarithm)
}

describe('percentiles', () => {
  it('are values that occurred, by nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index)
    expect(percentilesOf(values)).toEqual({ p50: 100, p90: 180, p99: 198, count: 200 })
    expect(percentilesOf([7])).toEqual({ p50: 7, p90: 7, p99: 7, count: 1 })
    expect(percentilesOf([])).toBeUndefined()
  })
})
