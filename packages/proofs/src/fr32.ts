/**
 * fr32: 127 raw bytes ↔ 128 expanded bytes, so that each 32-byte leaf stays below 2^254.
 *
 * Bits are numbered from the low end of each byte. Raw bit b becomes expanded bit b + 2·floor(b / 254): every 254 bits
 * two zero bits are put in, the top two of bytes 31, 63, 95 and 127 of each quad. Quads do not depend on each other, so
 * both directions work at any multiple of 127 raw (128 expanded) bytes; fr32-stream.ts cuts streams accordingly.
 *
 * @see SPEC.md §2
 */
import { expectBytes } from './arguments.ts'
import { ProofError } from './errors.ts'
import { LEAF_SIZE_BYTES, QUAD_PADDED_SIZE_BYTES, QUAD_RAW_SIZE_BYTES } from './sizes.ts'

/** Clears the top two bits of a leaf's last word. */
const LAST_WORD_MASK = 0x3fffffff
/** Typed arrays use the machine's byte order; words are laid out low byte first. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** The definition, byte by byte: 127 bytes at `from` of `raw` become 128 bytes at `to` of `expanded`. */
function expandQuad(raw: Uint8Array, from: number, expanded: Uint8Array, to: number): void {
  for (let i = 0; i < 32; i++) expanded[to + i] = raw[from + i]!
  for (let i = 32; i < 64; i++) expanded[to + i] = (raw[from + i]! << 2) | (raw[from + i - 1]! >> 6)
  for (let i = 64; i < 96; i++) expanded[to + i] = (raw[from + i]! << 4) | (raw[from + i - 1]! >> 4)
  for (let i = 96; i < 127; i++) expanded[to + i] = (raw[from + i]! << 6) | (raw[from + i - 1]! >> 2)
  expanded[to + 31]! &= 0x3f
  expanded[to + 63]! &= 0x3f
  expanded[to + 95]! &= 0x3f
  expanded[to + 127] = raw[from + 126]! >> 2
}

/**
 * The same for many quads, word by word and unrolled: 5.9 GB/s where the bytes give 0.8 (a helper for the three shifted
 * groups costs a quarter, a DataView to write through two thirds of it). Words of `expanded` are aligned, words of `raw`
 * are not; group g of a quad begins 2·g bits early, so each of its words is cut from two raw words.
 */
function expandQuads(raw: DataView, words: Int32Array, quads: number): void {
  for (let quad = 0, r = 0, w = 0; quad < quads; quad++, r += 127, w += 32) {
    words[w] = raw.getInt32(r, true)
    words[w + 1] = raw.getInt32(r + 4, true)
    words[w + 2] = raw.getInt32(r + 8, true)
    words[w + 3] = raw.getInt32(r + 12, true)
    words[w + 4] = raw.getInt32(r + 16, true)
    words[w + 5] = raw.getInt32(r + 20, true)
    words[w + 6] = raw.getInt32(r + 24, true)
    words[w + 7] = raw.getInt32(r + 28, true) & LAST_WORD_MASK

    let a = raw.getInt32(r + 31, true)
    let b = raw.getInt32(r + 35, true)
    words[w + 8] = (a >>> 6) | (b << 26)
    a = raw.getInt32(r + 39, true)
    words[w + 9] = (b >>> 6) | (a << 26)
    b = raw.getInt32(r + 43, true)
    words[w + 10] = (a >>> 6) | (b << 26)
    a = raw.getInt32(r + 47, true)
    words[w + 11] = (b >>> 6) | (a << 26)
    b = raw.getInt32(r + 51, true)
    words[w + 12] = (a >>> 6) | (b << 26)
    a = raw.getInt32(r + 55, true)
    words[w + 13] = (b >>> 6) | (a << 26)
    b = raw.getInt32(r + 59, true)
    words[w + 14] = (a >>> 6) | (b << 26)
    a = raw.getInt32(r + 63, true)
    words[w + 15] = ((b >>> 6) | (a << 26)) & LAST_WORD_MASK

    b = raw.getInt32(r + 67, true)
    words[w + 16] = (a >>> 4) | (b << 28)
    a = raw.getInt32(r + 71, true)
    words[w + 17] = (b >>> 4) | (a << 28)
    b = raw.getInt32(r + 75, true)
    words[w + 18] = (a >>> 4) | (b << 28)
    a = raw.getInt32(r + 79, true)
    words[w + 19] = (b >>> 4) | (a << 28)
    b = raw.getInt32(r + 83, true)
    words[w + 20] = (a >>> 4) | (b << 28)
    a = raw.getInt32(r + 87, true)
    words[w + 21] = (b >>> 4) | (a << 28)
    b = raw.getInt32(r + 91, true)
    words[w + 22] = (a >>> 4) | (b << 28)
    a = raw.getInt32(r + 95, true)
    words[w + 23] = ((b >>> 4) | (a << 28)) & LAST_WORD_MASK

    b = raw.getInt32(r + 99, true)
    words[w + 24] = (a >>> 2) | (b << 30)
    a = raw.getInt32(r + 103, true)
    words[w + 25] = (b >>> 2) | (a << 30)
    b = raw.getInt32(r + 107, true)
    words[w + 26] = (a >>> 2) | (b << 30)
    a = raw.getInt32(r + 111, true)
    words[w + 27] = (b >>> 2) | (a << 30)
    b = raw.getInt32(r + 115, true)
    words[w + 28] = (a >>> 2) | (b << 30)
    a = raw.getInt32(r + 119, true)
    words[w + 29] = (b >>> 2) | (a << 30)
    b = raw.getInt32(r + 123, true)
    words[w + 30] = (a >>> 2) | (b << 30)
    words[w + 31] = b >>> 2
  }
}

/** Compacts one quad: the inverse of {@link expandQuad}, blind to the eight bits that expansion put in. */
function compactQuad(expanded: Uint8Array, from: number, raw: Uint8Array, to: number): void {
  for (let i = 0; i < 31; i++) raw[to + i] = expanded[from + i]!
  raw[to + 31] = expanded[from + 31]! | (expanded[from + 32]! << 6)
  for (let i = 32; i < 63; i++) raw[to + i] = (expanded[from + i]! >> 2) | (expanded[from + i + 1]! << 6)
  raw[to + 63] = (expanded[from + 63]! >> 2) | (expanded[from + 64]! << 4)
  for (let i = 64; i < 95; i++) raw[to + i] = (expanded[from + i]! >> 4) | (expanded[from + i + 1]! << 4)
  raw[to + 95] = (expanded[from + 95]! >> 4) | (expanded[from + 96]! << 2)
  for (let i = 96; i < 127; i++) raw[to + i] = (expanded[from + i]! >> 6) | (expanded[from + i + 1]! << 2)
}

/**
 * Expands whole quads of `raw` into `expanded`, the last one filled with zeros.
 *
 * @param raw - bytes that begin at a quad of the piece (an offset divisible by 127)
 * @param expanded - room for exactly 128 bytes for each started 127; does not overlap `raw`
 */
export function expandFr32(raw: Uint8Array, expanded: Uint8Array): void {
  expectBytes('raw', raw)
  const rest = raw.length % QUAD_RAW_SIZE_BYTES
  const wholeQuads = (raw.length - rest) / QUAD_RAW_SIZE_BYTES
  expectBytes('expanded', expanded, (wholeQuads + (rest === 0 ? 0 : 1)) * QUAD_PADDED_SIZE_BYTES)
  if (LITTLE_ENDIAN && expanded.byteOffset % 4 === 0) {
    const words = new Int32Array(expanded.buffer, expanded.byteOffset, expanded.length / 4)
    expandQuads(new DataView(raw.buffer, raw.byteOffset, raw.length), words, wholeQuads)
  } else {
    for (let quad = 0; quad < wholeQuads; quad++)
      expandQuad(raw, quad * QUAD_RAW_SIZE_BYTES, expanded, quad * QUAD_PADDED_SIZE_BYTES)
  }
  if (rest === 0) return
  const last = new Uint8Array(QUAD_RAW_SIZE_BYTES)
  last.set(raw.subarray(wholeQuads * QUAD_RAW_SIZE_BYTES))
  expandQuad(last, 0, expanded, wholeQuads * QUAD_PADDED_SIZE_BYTES)
}

/**
 * Compacts whole quads of `expanded` into `raw`.
 *
 * @param expanded - whole quads
 * @param raw - room for exactly 127 bytes a quad; does not overlap `expanded`
 * @throws {ProofError} `NOT_FR32` when a bit that expansion leaves zero is set; `raw` is then undefined
 */
export function compactFr32(expanded: Uint8Array, raw: Uint8Array): void {
  expectBytes('expanded', expanded)
  if (expanded.length % QUAD_PADDED_SIZE_BYTES !== 0)
    throw new RangeError(`expanded: expected a multiple of ${QUAD_PADDED_SIZE_BYTES} bytes, got ${expanded.length}`)
  const quads = expanded.length / QUAD_PADDED_SIZE_BYTES
  expectBytes('raw', raw, quads * QUAD_RAW_SIZE_BYTES)
  for (let offset = LEAF_SIZE_BYTES - 1; offset < expanded.length; offset += LEAF_SIZE_BYTES) {
    if (expanded[offset]! > 0x3f)
      throw new ProofError('NOT_FR32', { offset }, `the top two bits of expanded byte ${offset} are set`)
  }
  for (let quad = 0; quad < quads; quad++)
    compactQuad(expanded, quad * QUAD_PADDED_SIZE_BYTES, raw, quad * QUAD_RAW_SIZE_BYTES)
}
