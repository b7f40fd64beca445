/** The machine's time, moved on by a row that does not want to wait for a round. */
import type { Clock } from '@holdfast/core'

export interface BenchClock extends Clock {
  /** Moves the hands on to a time, and wakes who sleeps: it looks at the clock again. */
  moveTo(timeMs: number): void
}

/** @param startMs - the time it shows now */
export function createBenchClock(startMs: number): BenchClock {
  let aheadMs = startMs - Date.now()
  let moved = Promise.withResolvers<void>()
  const now = () => Date.now() + aheadMs
  return {
    now,
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      const { promise: aborted, reject } = Promise.withResolvers<never>()
      const abort = () => reject(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      const slept = Promise.withResolvers<void>()
      const timer = setTimeout(slept.resolve, Math.max(0, ms))
      try {
        await Promise.race([slept.promise, moved.promise, aborted])
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
    },
    moveTo(timeMs) {
      aheadMs = Math.max(aheadMs, timeMs - Date.now())
      moved.resolve()
      moved = Promise.withResolvers()
    }
  }
}
