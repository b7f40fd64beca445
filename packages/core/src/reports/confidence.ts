/**
 * What a sample allows to claim: lower confidence bounds of a share, after Clopper and Pearson (1934).
 *
 * The bound is one-sided and exact: whatever the true share is, it lies below the bound in at most 5 % of samples. Wilson's
 * interval is narrower on average and breaks that promise for some shares: of samples of five, its lower limit at z = 1.96
 * is too high in up to 16 %. A report that people act on must not claim too much, so that we pay the width.
 */

/** Of every bound that is reported, unless it says otherwise. */
export const REPORT_CONFIDENCE = 0.95

/** How often something went well, and what that shows. */
export interface Share {
  readonly good: number
  readonly trials: number
  /** The true share is at least this, with `REPORT_CONFIDENCE`; 0 of an empty sample, which shows nothing. */
  readonly lowerBound: number
}

/** @throws {RangeError} unless 0 ≤ good ≤ trials, both whole */
export function shareOf(good: number, trials: number): Share {
  return { good, trials, lowerBound: lowerBoundOf(good, trials) }
}

/**
 * The largest share p such that so many good trials, or more, come up with probability 1 − confidence at most.
 *
 * When all n trials were good it is (1 − confidence)^(1/n): had a smaller share been good, n draws would all have hit it
 * with less than that probability.
 *
 * Holds for trials that are independent of each other, and for draws with different shares in place of their mean.
 *
 * @param confidence - 0 < confidence < 1
 * @throws {RangeError} unless 0 ≤ good ≤ trials, both whole
 */
export function lowerBoundOf(good: number, trials: number, confidence = REPORT_CONFIDENCE): number {
  if (!Number.isSafeInteger(trials) || !Number.isSafeInteger(good) || good < 0 || good > trials)
    throw new RangeError(`expected 0 ≤ good ≤ trials in whole numbers, got ${good} of ${trials}`)
  if (!(confidence > 0 && confidence < 1)) throw new RangeError(`expected 0 < confidence < 1, got ${confidence}`)
  if (good === 0) return 0
  if (good === trials) return (1 - confidence) ** (1 / trials)
  let low = 0
  let high = good / trials
  // Each step halves the width: after 60 it is below what a number can hold.
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2
    if (atLeast(good, trials, middle) <= 1 - confidence) low = middle
    else high = middle
  }
  return low
}

/** P(at least `good` of `trials` | p): the regularised incomplete beta function I_p(good, trials − good + 1). */
function atLeast(good: number, trials: number, p: number): number {
  return incompleteBeta(p, good, trials - good + 1)
}

/** @param x - 0 ≤ x ≤ 1 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  // The fraction converges fast on this side of the mean, and slowly on the other.
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b
}

const FRACTION_STEPS_MAX = 100_000
const TINY = 1e-300

/** The continued fraction of the incomplete beta function by Lentz's method (Abramowitz and Stegun, 26.5.8). */
function fraction(x: number, a: number, b: number): number {
  const nonZero = (value: number) => (Math.abs(value) < TINY ? TINY : value)
  let c = 1
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= FRACTION_STEPS_MAX; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / nonZero(1 + even * d)
    c = nonZero(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / nonZero(1 + odd * d)
    c = nonZero(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-14) return result
  }
  return result
}

/** Below this, the recurrence raises the argument until Stirling's series is exact to the last digits. */
const STIRLING_MIN = 10

/** ln Γ(x) for x > 0, by Stirling's series (Abramowitz and Stegun, 6.1.41). */
function logGamma(x: number): number {
  let shift = 0
  let z = x
  for (; z < STIRLING_MIN; z += 1) shift += Math.log(z)
  const inverse = 1 / z
  const square = inverse * inverse
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - shift
}
