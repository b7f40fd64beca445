import { CoreError } from '../error.ts'

/**
 * Calls `elapsed` once after `ms`, unless the returned function is called first.
 *
 * The engine's only view of time; tests and the simulator pass their own.
 */
export type Timer = (ms: number, elapsed: () => void) => () => void

export const realTimer: Timer = (ms, elapsed) => {
  const handle = setTimeout(elapsed, ms)
  return () => clearTimeout(handle)
}

/** The one AbortController of one request or one served stream. */
export interface Deadline {
  /** aborts by time, by the caller's signal or by `abort`; use it for everything that waits */
  readonly signal: AbortSignal
  /** the time was up, as opposed to every other reason to abort */
  readonly expired: boolean
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
export function openDeadline(options: { signal?: AbortSignal; timer?: Timer } = {}): Deadline {
  const { signal: parent, timer = realTimer } = options
  const controller = new AbortController()
  let stop = () => {}
  let expired = false

  const follow = () => controller.abort(parent?.reason)
  if (parent?.aborted) follow()
  parent?.addEventListener('abort', follow, { once: true })

  const rest = () => {
    stop()
    stop = () => {}
  }
  return {
    signal: controller.signal,
    get expired() {
      return expired
    },
    restart(ms) {
      rest()
      stop = timer(ms, () => {
        expired = !controller.signal.aborted
        controller.abort(new CoreError('TIMED_OUT', `the other side was silent for ${ms} ms`, { ms }))
      })
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
