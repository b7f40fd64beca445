/** Draws from a round's seed. Each purpose has a label of its own, so that no draw tells anything about another. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/** A stream of uniform integers that anyone with the seed draws again. */
export interface Draw {
  /** @returns an integer, 0 ≤ n < below, without modulo bias */
  below(below: number): number
}

/** Words of 48 bits, which a number holds exactly; four to a hash. */
const WORDS = 2 ** 48
const WORDS_PER_HASH = 4
const WORD_STRIDE_BYTES = 8

/**
 * @param seed - 32 bytes: the round's seed
 * @param label - names the purpose; part of the hash
 */
export function createDraw(seed: Uint8Array, label: string): Draw {
  const preimage = concatBytes(seed, utf8ToBytes(label), new Uint8Array(8))
  const counter = new DataView(preimage.buffer, preimage.length - 8)
  let drawn = 0
  let block = new DataView(new ArrayBuffer(0))
  function nextWord(): number {
    const within = drawn % WORDS_PER_HASH
    if (within === 0) {
      counter.setUint32(4, drawn / WORDS_PER_HASH)
      block = new DataView(sha256(preimage).buffer)
    }
    drawn += 1
    const offset = within * WORD_STRIDE_BYTES
    return block.getUint32(offset) * 2 ** 16 + block.getUint16(offset + 4)
  }
  return {
    below(below) {
      if (!Number.isSafeInteger(below) || below < 1 || below > 2 ** 32)
        throw new RangeError(`expected 1 ≤ below ≤ 2^32, got ${below}`)
      const fair = WORDS - (WORDS % below)
      for (;;) {
        const word = nextWord()
        if (word < fair) return word % below
      }
    }
  }
}

/** Fisher–Yates in place: for k from the last position down to 1, swaps k with a draw below k + 1. */
export function shuffle<T>(items: { readonly length: number; [index: number]: T }, draw: Draw): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = draw.below(last + 1)
    const moved = items[last]!
    items[last] = items[other]!
    items[other] = moved
  }
}
