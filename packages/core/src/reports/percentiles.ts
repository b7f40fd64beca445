/** Of times in milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** How many values they are of: of fewer than 100, p99 is the largest. */
  readonly count: number
}

/** By nearest rank, so that each is a value that occurred. @returns undefined without values */
export function percentilesOf(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), count: sorted.length }
}
