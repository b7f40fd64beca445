/** Pieces that this provider is paid for and no longer has whole: found by the audit, healed or waiting for somebody. */

export interface Wound {
  /** PieceCIDv2 as text. */
  readonly piece: string
  readonly foundMs: number
  /** What is wrong, for people. */
  readonly how: string
  readonly tries: number
  readonly nextTryMs: number
  /** Why it could not be healed; undefined before the first try. */
  readonly obstacle: string | undefined
}

export interface Wounds {
  list(): readonly Wound[]
  /** @returns false for one that is known already */
  add(piece: string, how: string): boolean
  /** The one whose time has come first. */
  next(): Wound | undefined
  /** Makes the time of one come now: something may have changed. */
  hurry(piece: string): void
  postpone(piece: string, obstacle: string, pauseMs: (tries: number) => number): void
  /** Nothing is wrong with a piece any more, or nobody pays for it. */
  close(piece: string): void
  noteHealed(): void
  /** Pieces fetched again since the start. */
  readonly healed: number
  /** Calls back when one is added or hurried. @returns a function that ends it */
  subscribe(listener: () => void): () => void
}

export function createWounds(clock: { now(): number }): Wounds {
  const wounds = new Map<string, Wound>()
  const listeners = new Set<() => void>()
  /** Hurried since their last try began: that try may have looked too early. */
  const hurried = new Set<string>()
  let healed = 0
  const tell = () => {
    for (const listener of listeners) listener()
  }
  return {
    list: () => [...wounds.values()],
    get healed() {
      return healed
    },
    add(piece, how) {
      if (wounds.has(piece)) return false
      const nowMs = clock.now()
      wounds.set(piece, { piece, foundMs: nowMs, how, tries: 0, nextTryMs: nowMs, obstacle: undefined })
      tell()
      return true
    },
    hurry(piece) {
      const wound = wounds.get(piece)
      if (wound === undefined) return
      wounds.set(piece, { ...wound, nextTryMs: clock.now() })
      hurried.add(piece)
      tell()
    },
    next: () => [...wounds.values()].sort((a, b) => a.nextTryMs - b.nextTryMs)[0],
    postpone(piece, obstacle, pauseMs) {
      const wound = wounds.get(piece)
      if (wound === undefined) return
      const tries = wound.tries + 1
      wounds.set(piece, {
        ...wound,
        tries,
        obstacle,
        nextTryMs: clock.now() + (hurried.delete(piece) ? 0 : pauseMs(tries))
      })
    },
    close(piece) {
      wounds.delete(piece)
      hurried.delete(piece)
    },
    noteHealed() {
      healed += 1
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}
