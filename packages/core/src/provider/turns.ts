/** Work that is done a few at a time, first come first served. */

/** @returns what runs work when it is its turn; work that throws ends its turn like any other */
export function createTurns(atOnceMax: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let running = 0
  return async work => {
    if (running >= atOnceMax) await new Promise<void>(resolve => queue.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = queue.shift()
      // A turn is handed on, or it is free.
      if (next === undefined) running -= 1
      else next()
    }
  }
}
