/**
 * Rates for many: one token bucket for each key, in bounded memory.
 *
 * A bucket that has filled up again says nothing that a new one would not, so it is forgotten; when strangers come
 * faster than buckets fill, all newcomers share one, and those who were there before keep theirs.
 */
import type { Clock } from '../clock.ts'

/** How much at once, and how much for ever. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export interface TokenBuckets {
  /** Takes tokens when there are as many; takes nothing otherwise. */
  take(key: string, tokens: number): boolean
  /**
   * Takes tokens in any case, and says how long to wait until the bucket owes nothing: a pace instead of a refusal.
   *
   * @returns milliseconds, 0 when there were enough
   */
  owe(key: string, tokens: number): number
  /** Milliseconds until the bucket owes nothing; takes nothing. */
  waitMs(key: string): number
  /** Buckets that are kept. */
  readonly size: number
}

/** Under this key stand all who come when there are too many buckets; no peer and no subnet is called so. */
const NEWCOMERS = ''

/**
 * @param keysMax - buckets of their own; at least 1
 * @throws {RangeError} for a rate that never lets anybody through
 */
export function createTokenBuckets(
  { burst, perSecond }: Rate,
  keysMax: number,
  clock: Pick<Clock, 'now'>
): TokenBuckets {
  if (!(burst > 0 && perSecond > 0 && keysMax >= 1)) {
    throw new RangeError(`expected a rate above zero, got a burst of ${burst} and ${perSecond} a second`)
  }
  /** Tokens as they stood at a time; below zero when owed. */
  const buckets = new Map<string, { tokens: number; atMs: number }>()

  /** A clock that was set back gives nothing and takes nothing. */
  function refill(bucket: { tokens: number; atMs: number }): void {
    const nowMs = clock.now()
    const elapsedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * perSecond) / 1000)
    bucket.atMs = nowMs
  }

  function forgetFull(): void {
    for (const [key, bucket] of buckets) {
      refill(bucket)
      if (bucket.tokens >= burst) buckets.delete(key)
    }
  }

  function bucketOf(key: string) {
    const known = buckets.get(key)
    if (known !== undefined) return known
    if (buckets.size >= keysMax) forgetFull()
    const at = buckets.size >= keysMax ? NEWCOMERS : key
    const shared = buckets.get(at)
    if (shared !== undefined) return shared
    const bucket = { tokens: burst, atMs: clock.now() }
    buckets.set(at, bucket)
    return bucket
  }

  function debtMs({ tokens }: { tokens: number }): number {
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000
  }

  return {
    take(key, tokens) {
      const bucket = bucketOf(key)
      refill(bucket)
      if (bucket.tokens < tokens) return false
      bucket.tokens -= tokens
      return true
    },
    owe(key, tokens) {
      const bucket = bucketOf(key)
      refill(bucket)
      bucket.tokens -= tokens
      return debtMs(bucket)
    },
    waitMs(key) {
      const bucket = buckets.get(key)
      if (bucket === undefined) return 0
      refill(bucket)
      return debtMs(bucket)
    },
    get size() {
      return buckets.size
    }
  }
}
