/** Time, passed in: the machine's in a peer, a virtual one in the simulator and in tests. */
export interface Clock {
  /** Milliseconds of Unix time. */
  now(): number
  /** Resolves after `ms` milliseconds, at once for zero and less. @throws the signal's reason when it aborts first */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. */
export const machineClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const abort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
        Math.max(0, ms)
      )
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}
