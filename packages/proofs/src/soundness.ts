/**
 * How many leaves must be drawn so that a loss is found: draws are uniform with repetition, so n of them miss a lost
 * fraction f with probability (1 − f)^n.
 *
 * @see SPEC.md §5 for a table
 */

export interface SamplingTarget {
  /** Part of the challengeable leaves that is lost, 0 < lossFraction < 1. */
  lossFraction: number
  /** Wanted probability that at least one draw hits a lost leaf, 0 < confidence < 1. */
  confidence: number
}

/**
 * The number of draws for a target: the smallest n with 1 − (1 − lossFraction)^n ≥ confidence, which is
 * `ceil(ln(1 − confidence) / ln(1 − lossFraction))`.
 *
 * Says nothing about data that anyone can compute again, or about a provider that fetches leaves from another.
 */
export function samplesFor({ lossFraction, confidence }: SamplingTarget): number {
  expectFraction('lossFraction', lossFraction)
  expectFraction('confidence', confidence)
  const samples = Math.max(1, Math.ceil(Math.log1p(-confidence) / Math.log1p(-lossFraction)))
  // The quotient of two rounded logarithms can lie a hair above a whole number.
  return samples > 1 && detectionProbability({ lossFraction, samples: samples - 1 }) >= confidence
    ? samples - 1
    : samples
}

/** The probability that `samples` draws hit at least one lost leaf: 1 − (1 − lossFraction)^samples. */
export function detectionProbability({ lossFraction, samples }: { lossFraction: number; samples: number }): number {
  expectFraction('lossFraction', lossFraction)
  if (!Number.isSafeInteger(samples) || samples < 0)
    throw new RangeError(`samples: expected a whole number of at least 0, got ${samples}`)
  return -Math.expm1(samples * Math.log1p(-lossFraction))
}

function expectFraction(name: string, value: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected number, got ${typeof value}`)
  if (!(value > 0 && value < 1)) throw new RangeError(`${name}: expected more than 0 and less than 1, got ${value}`)
}
