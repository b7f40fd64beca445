/** Draws from a round's seed. Each purpose has a label of its own, so that no draw tells anything about another. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/** A stream of uniform integers that anyone with the seed draws again. */
export interface Draw {
  /** @returns an integer, 0 ≤ n < below, without modulo bias */
  below(below: number): number
}

const WORD_BITS = 48n

/**
 * @param seed - 32 bytes: the round's seed
 * @param label - names the purpose; part of the hash
 */
export function createDraw(seed: Uint8Array, label: string): Draw {
  let counter = 0
  const name = utf8ToBytes(label)
  function nextWord(): bigint {
    const tail = new Uint8Array(8)
    new DataView(tail.buffer).setBigUint64(0, BigInt(counter++))
    return new DataView(sha256(concatBytes(seed, name, tail)).buffer).getBigUint64(0) >> (64n - WORD_BITS)
  }
  return {
    below(below) {
      if (!Number.isSafeInteger(below) || below < 1 || below > 2 ** 32)
        throw new RangeError(`expected 1 ≤ below ≤ 2^32, got ${below}`)
      const fair = (1n << WORD_BITS) - ((1n << WORD_BITS) % BigInt(below))
      for (;;) {
        const word = nextWord()
        if (word < fair) return Number(word % BigInt(below))
      }
    }
  }
}

/** Fisher–Yates with the given draw; returns a new array. */
export function shuffled<T>(items: readonly T[], draw: Draw): T[] {
  const result = [...items]
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = draw.below(last + 1)
    const moved = result[last]!
    result[last] = result[other]!
    result[other] = moved
  }
  return result
}
