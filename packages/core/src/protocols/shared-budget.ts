/** Something that all share and nobody may use up: bytes in memory, streams. */

export interface SharedBudget {
  /** Takes as much, or nothing when that is more than there is, or than the key's share. */
  take(key: string, amount: number): boolean
  /** @throws {RangeError} when the key has not taken as much */
  giveBack(key: string, amount: number): void
  readonly taken: number
}

/**
 * @param max - of all keys together
 * @param maxPerKey - of one, so that it takes several to use up what others need
 */
export function createSharedBudget(max: number, maxPerKey: number): SharedBudget {
  const takenBy = new Map<string, number>()
  let taken = 0

  return {
    take(key, amount) {
      const own = (takenBy.get(key) ?? 0) + amount
      if (own > maxPerKey || taken + amount > max) return false
      takenBy.set(key, own)
      taken += amount
      return true
    },
    giveBack(key, amount) {
      const own = (takenBy.get(key) ?? 0) - amount
      if (own < 0) throw new RangeError(`${key} gives back ${amount}, more than it has taken`)
      taken -= amount
      if (own === 0) takenBy.delete(key)
      else takenBy.set(key, own)
    },
    get taken() {
      return taken
    }
  }
}
