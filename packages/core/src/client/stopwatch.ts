/** Times how long a consumer waits for bytes, and not how long it works on them. */
export interface Stopwatch {
  readonly elapsedMs: number
  /** The chunks as they come, timed. */
  time(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>
}

/** @param now - milliseconds */
export function openStopwatch(now: () => number): Stopwatch {
  let elapsedMs = 0
  return {
    get elapsedMs() {
      return elapsedMs
    },
    async *time(chunks) {
      let waitsFrom = now()
      for await (const chunk of chunks) {
        elapsedMs += now() - waitsFrom
        yield chunk
        waitsFrom = now()
      }
      elapsedMs += now() - waitsFrom
    }
  }
}
