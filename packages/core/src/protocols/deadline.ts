import type { Clock } from '../clock.ts'
import { machineClock } from '../clock.ts'
import { CoreError } from '../error.ts'

/** Why a timer ends whose time is not over. Shared: an error made for each chunk of a transfer is seen in its speed. */
const NO_LONGER = new CoreError('ABORTED', 'the time no longer runs')

/** The one AbortController of one request or one served stream. */
export interface Deadline {
  /** aborts by time, by the caller's signal or by `abort`; use it for everything that waits */
  readonly signal: AbortSignal
  /** gives the other side `ms` from now on, in place of what it had left */
  restart(ms: number): void
  /** stops the time while the other side owes nothing */
  rest(): void
  abort(reason: unknown): void
  /** lets go of the timer and of the caller's signal */
  release(): void
}

/**
 * Opens a deadline that rests until its first `restart`.
 *
 * Listens to the caller's signal itself and lets go in `release`: `AbortSignal.any` over a signal that lives as long as
 * the process keeps every request in memory.
 */
export function openDeadline(options: { signal?: AbortSignal; clock?: Pick<Clock, 'sleep'> } = {}): Deadline {
  const { signal: parent, clock = machineClock } = options
  const controller = new AbortController()
  let running: AbortController | undefined

  const follow = () => controller.abort(parent?.reason)
  if (parent?.aborted) follow()
  parent?.addEventListener('abort', follow, { once: true })

  const rest = () => {
    running?.abort(NO_LONGER)
    running = undefined
  }
  return {
    signal: controller.signal,
    restart(ms) {
      rest()
      const current = new AbortController()
      running = current
      const expire = () => {
        if (running !== current) return
        controller.abort(new CoreError('TIMED_OUT', `the other side was silent for ${ms} ms`, { ms }))
      }
      clock.sleep(ms, current.signal).then(expire, () => {})
    },
    rest,
    abort(reason) {
      controller.abort(reason)
    },
    release() {
      rest()
      parent?.removeEventListener('abort', follow)
    }
  }
}

/** Waits for the promise or for the signal, whichever is first; the promise's late rejection is swallowed. */
export function untilAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    const release = () => signal.removeEventListener('abort', aborted)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    promise.then(
      value => {
        release()
        resolve(value)
      },
      error => {
        release()
        reject(error)
      }
    )
  })
}
