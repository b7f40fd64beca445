/**
 * Which leaves a deal must prove in a round: PDP's formula, accepted by PDP's own contract.
 *
 * The leaves of a deal are numbered through: the leaves of piece 0, then those of piece 1, and so on; a removed piece
 * counts 0. The range is the sum at the start of the round: pieces that are added later stand behind it and move nothing.
 *
 * @see SPEC.md §5
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { expectArray, expectBigint, expectBytes, expectInteger } from './arguments.ts'

const UINT256_MAX = 2n ** 256n - 1n
const UINT256_SIZE_BYTES = 32
const UINT64_SIZE_BYTES = 8
/** More than any deal needs in one draw; bounds the work of a caller that passes on a foreign number. */
export const CHALLENGE_COUNT_MAX = 1_000_000

export interface ChallengeOptions {
  /** 32 bytes of public randomness that nobody knew when the range was fixed. */
  seed: Uint8Array
  /** Number of the deal, 0 ≤ dealId < 2^256. */
  dealId: bigint
  /** Leaves of the deal at the start of the round, at least 1. */
  range: bigint
  /** How many, 0 to {@link CHALLENGE_COUNT_MAX}. */
  count: number
}

/**
 * Derives the challenged leaves of a deal.
 *
 * @returns `count` leaf indices over the deal, 0 ≤ index < range, in derivation order, with repetitions: index i is
 *   `uint256(keccak256(seed32 ‖ dealId32 ‖ uint64(i))) mod range`, all numbers big-endian
 */
export function deriveChallenges({ seed, dealId, range, count }: ChallengeOptions): bigint[] {
  expectBytes('seed', seed, UINT256_SIZE_BYTES)
  expectBigint('dealId', dealId, 0n, UINT256_MAX)
  expectBigint('range', range, 1n, UINT256_MAX)
  expectInteger('count', count, 0, CHALLENGE_COUNT_MAX)
  const preimage = new Uint8Array(2 * UINT256_SIZE_BYTES + UINT64_SIZE_BYTES)
  preimage.set(seed)
  writeUint256(preimage, UINT256_SIZE_BYTES, dealId)
  const view = new DataView(preimage.buffer)
  return Array.from({ length: count }, (_, i) => {
    view.setBigUint64(2 * UINT256_SIZE_BYTES, BigInt(i))
    return readUint256(keccak_256(preimage)) % range
  })
}

/** A leaf of one piece of a deal. */
export interface LeafLocation {
  /** Position of the piece in the deal. */
  pieceIndex: number
  /** Leaf within the piece, below its leaf count. */
  leafIndex: number
}

/**
 * Adds up the leaves of a deal's pieces.
 *
 * @param leafCounts - leaves of each piece in order, 0 for a removed one
 * @returns for each piece the leaves up to and including it; the last is the range
 */
export function sumLeafCounts(leafCounts: readonly number[]): bigint[] {
  expectArray('leafCounts', leafCounts)
  let sum = 0n
  return leafCounts.map((count, i) => {
    expectInteger(`leafCounts[${i}]`, count, 0, Number.MAX_SAFE_INTEGER)
    sum += BigInt(count)
    return sum
  })
}

/**
 * Finds the piece that holds a leaf of the deal.
 *
 * @param sums - what {@link sumLeafCounts} gave
 * @param index - 0 ≤ index < the last sum
 */
export function locateLeaf(sums: readonly bigint[], index: bigint): LeafLocation {
  expectArray('sums', sums)
  expectBigint('index', index, 0n, (sums.at(-1) ?? 0n) - 1n)
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (sums[middle]! > index) high = middle
    else low = middle + 1
  }
  return { pieceIndex: low, leafIndex: Number(index - (sums[low - 1] ?? 0n)) }
}

/** Locates many leaves of one deal, in the order given. */
export function locateLeaves(leafCounts: readonly number[], indices: readonly bigint[]): LeafLocation[] {
  expectArray('indices', indices)
  const sums = sumLeafCounts(leafCounts)
  return indices.map(index => locateLeaf(sums, index))
}

function writeUint256(bytes: Uint8Array, offset: number, value: bigint): void {
  for (let i = UINT256_SIZE_BYTES - 1; i >= 0; i--) {
    bytes[offset + i] = Number(value & 0xffn)
    value >>= 8n
  }
}

function readUint256(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, UINT256_SIZE_BYTES)
  const high = (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
  return (high << 128n) | (view.getBigUint64(16) << 64n) | view.getBigUint64(24)
}
