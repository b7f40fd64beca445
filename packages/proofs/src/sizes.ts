/**
 * The coordinates of a piece, and the ways between them.
 *
 *   raw       bytes as they are stored                                        0 … rawSize
 *   expanded  the same in fr32 form, 128 bytes for every started 127          128 · quads
 *   padded    expanded, filled with zeros to a power of two: the Merkle tree  32 · 2^height
 *   leaf      32 expanded bytes; `leafCount` leaves hold data, the tree has 2^height
 *
 * All figures are exact for every raw size up to 2^53 − 1: no `<<`, no division that rounds.
 */
import { expectInteger } from './arguments.ts'

/** One leaf, and one node of the tree. */
export const LEAF_SIZE_BYTES = 32
/** Raw bytes of a quad, the smallest unit of fr32: 1016 bits, four groups of 254. */
export const QUAD_RAW_SIZE_BYTES = 127
/** Expanded bytes of a quad. */
export const QUAD_PADDED_SIZE_BYTES = 128
/** Leaves of a quad. */
export const LEAVES_PER_QUAD = 4
/** Raw bytes of the largest piece that the hasher takes: a tree of 1 GiB, the limit of PDP providers for an upload. */
export const PIECE_SIZE_BYTES_MAX = 1_065_353_216
/** The smallest tree: one quad. */
export const HEIGHT_MIN = 2
/** The tallest tree that PDPVerifier takes. */
export const HEIGHT_MAX = 50

function expectRawSize(rawSize: number): void {
  expectInteger('rawSize', rawSize, 0, Number.MAX_SAFE_INTEGER)
}

/** @returns quads that hold data: `ceil(rawSize / 127)` */
export function quadCountOf(rawSize: number): number {
  expectRawSize(rawSize)
  const rest = rawSize % QUAD_RAW_SIZE_BYTES
  return (rawSize - rest) / QUAD_RAW_SIZE_BYTES + (rest === 0 ? 0 : 1)
}

/** @returns leaves that hold data, and so are counted, challenged and paid for: `ceil(4 · rawSize / 127)` */
export function leafCountOf(rawSize: number): number {
  expectRawSize(rawSize)
  const rest = rawSize % QUAD_RAW_SIZE_BYTES
  const quads = (rawSize - rest) / QUAD_RAW_SIZE_BYTES
  return quads * LEAVES_PER_QUAD + Math.ceil((rest * LEAVES_PER_QUAD) / QUAD_RAW_SIZE_BYTES)
}

/** @returns the height of the tree over a piece: 2 for one quad or less, one more for each doubling */
export function heightOf(rawSize: number): number {
  const quads = quadCountOf(rawSize)
  let height = HEIGHT_MIN
  for (let capacity = 1; capacity < quads; capacity *= 2) height += 1
  return height
}

/** @returns bytes of the fr32 form: whole quads, the last one filled with zeros. 0 for an empty piece */
export function expandedSizeOf(rawSize: number): number {
  return quadCountOf(rawSize) * QUAD_PADDED_SIZE_BYTES
}

/** @returns bytes of all leaves of the tree, zeros included: `32 · 2^height` */
export function paddedSizeOf(rawSize: number): number {
  return LEAF_SIZE_BYTES * 2 ** heightOf(rawSize)
}

/** @returns the raw bytes that a tree (or a subtree on the piece's grid) of this height holds: `127 · 2^(height − 2)` */
export function rawCapacityOf(height: number): number {
  expectInteger('height', height, HEIGHT_MIN, HEIGHT_MAX)
  return QUAD_RAW_SIZE_BYTES * 2 ** (height - HEIGHT_MIN)
}

/** @returns the raw zero bytes that fill the tree, the figure that stands in a PieceCIDv2: capacity − rawSize */
export function paddingOf(rawSize: number): number {
  return rawCapacityOf(heightOf(rawSize)) - rawSize
}
