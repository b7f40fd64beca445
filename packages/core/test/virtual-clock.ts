import type { Clock } from '../src/clock.ts'

interface Sleeper {
  readonly wakesMs: number
  readonly wake: () => void
}

/** Everything that can run without time passing has run. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Time that moves when a test says so. */
export class VirtualClock implements Clock {
  #nowMs: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  /** How many are asleep: none, once everything is stopped. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const abort = () => {
        this.#sleepers.delete(sleeper)
        reject(signal?.reason)
      }
      const sleeper: Sleeper = {
        wakesMs: this.#nowMs + Math.max(0, ms),
        wake: () => {
          this.#sleepers.delete(sleeper)
          signal?.removeEventListener('abort', abort)
          resolve()
        }
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#sleepers.add(sleeper)
    })
  }

  /** Moves on to a time, waking each sleeper at its own and letting it run before the next one. */
  async advanceTo(timeMs: number): Promise<void> {
    await settled()
    for (let next = this.#nextBefore(timeMs); next !== undefined; next = this.#nextBefore(timeMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.wakesMs)
      next.wake()
      await settled()
    }
    this.jumpTo(timeMs)
  }

  /** Moves the hands and wakes nobody: a machine that was suspended. */
  jumpTo(timeMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, timeMs)
  }

  #nextBefore(timeMs: number): Sleeper | undefined {
    return [...this.#sleepers].filter(({ wakesMs }) => wakesMs <= timeMs).sort((a, b) => a.wakesMs - b.wakesMs)[0]
  }
}
