/**
 * A Level database that is opened again when a write fails.
 *
 * LevelDB's handle stays failed after one full disk, also when there is room again, and loses nothing that it had
 * acknowledged when it is reopened. So a failed write first frees what may be freed, reopens, and tries once more; what
 * it writes may be written twice. Reads wait while it reopens.
 */
import { Level } from 'level'
import type { IndexLevel, IndexOperation, IndexRange, IndexWriteOptions } from './index-level.ts'

/** An index with a life of its own. */
export interface HealingLevel extends IndexLevel, AsyncDisposable {
  close(): Promise<void>
}

/** @param makeRoom - called before a failed write is tried again: gives back what was held for this */
export async function openHealingLevel(
  path: string,
  makeRoom: () => Promise<void> = async () => undefined
): Promise<HealingLevel> {
  const level = new Level<string, string>(path)
  await level.open()
  return new OpenHealingLevel(level, makeRoom)
}

class OpenHealingLevel implements HealingLevel {
  readonly #level: Level<string, string>
  readonly #makeRoom: () => Promise<void>
  /** Reopening, or nothing to wait for. */
  #healing: Promise<void> = Promise.resolve()
  #isClosed = false
  /** Counts reopenings, so that writes that failed together heal it once. */
  #generation = 0

  constructor(level: Level<string, string>, makeRoom: () => Promise<void>) {
    this.#level = level
    this.#makeRoom = makeRoom
  }

  async get(key: string): Promise<string | undefined> {
    await this.#ready()
    return this.#level.get(key)
  }

  async batch(operations: IndexOperation[], options: IndexWriteOptions): Promise<void> {
    await this.#ready()
    const generation = this.#generation
    try {
      await this.#level.batch(operations, options)
    } catch (error) {
      if (this.#isClosed) throw error
      await this.#heal(generation)
      await this.#level.batch(operations, options)
    }
  }

  async *iterator(range: IndexRange): AsyncIterable<[string, string]> {
    await this.#ready()
    yield* this.#level.iterator(range)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#healing.catch(() => undefined)
    await this.#level.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Opens it again where that failed before: there may be room now. */
  async #ready(): Promise<void> {
    await this.#healing.catch(() => undefined)
    if (this.#level.status !== 'open' && !this.#isClosed) await this.#heal(this.#generation)
  }

  #heal(generation: number): Promise<void> {
    if (generation === this.#generation) {
      this.#generation += 1
      this.#healing = this.#reopen()
      this.#healing.catch(() => undefined) // whoever waits for it hears of it
    }
    return this.#healing
  }

  async #reopen(): Promise<void> {
    await this.#makeRoom()
    await this.#level.close()
    await this.#level.open()
  }
}
