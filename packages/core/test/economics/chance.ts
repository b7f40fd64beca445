/** Seeded chance for simulations: named streams, so that one decision more in one play moves no draw of the other. */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { createDraw } from '../../src/rounds/draw.ts'

export interface Chance {
  /** @returns an integer, 0 ≤ n < below */
  below(below: number): number
  /** @returns an integer, from ≤ n ≤ to */
  between(from: number, to: number): number
  oneIn(count: number): boolean
  pick<T>(items: readonly T[]): T
}

/** @param name - the seed and what is drawn: the same name, the same draws */
export function chanceOf(name: string): Chance {
  const draw = createDraw(sha256(utf8ToBytes(name)), 'economics')
  return {
    below: below => draw.below(below),
    between: (from, to) => from + draw.below(to - from + 1),
    oneIn: count => draw.below(count) === 0,
    pick: items => items[draw.below(items.length)]!
  }
}

/** 32 bytes that follow from a name: what a beacon would give. */
export function seedOfName(name: string): Uint8Array {
  return sha256(utf8ToBytes(name))
}
