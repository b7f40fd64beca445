/**
 * The same arithmetic a second time: slow, obvious, from the definitions, on node:crypto, sharing nothing with src.
 * Properties compare the two; the vectors of other implementations anchor both.
 */
import { createHash } from 'node:crypto'

/** fr32 by its definition: raw bit b becomes expanded bit b + 2·floor(b / 254). */
export function expandByBits(raw: Uint8Array): Uint8Array {
  const expanded = new Uint8Array(Math.ceil(raw.length / 127) * 128)
  for (let bit = 0; bit < raw.length * 8; bit++) {
    if (((raw[bit >> 3]! >> (bit & 7)) & 1) === 0) continue
    const to = bit + 2 * Math.floor(bit / 254)
    expanded[to >> 3]! |= 1 << (to & 7)
  }
  return expanded
}

export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const node = new Uint8Array(createHash('sha256').update(left).update(right).digest())
  node[31]! &= 0x3f
  return node
}

/** All layers of a piece's tree, leaves first, zeros and all. */
export function wholeTree(raw: Uint8Array): Uint8Array[][] {
  const expanded = expandByBits(raw)
  let width = 4
  while (width * 32 < expanded.length) width *= 2
  const padded = new Uint8Array(width * 32)
  padded.set(expanded)
  let layer: Uint8Array[] = Array.from({ length: width }, (_, i) => padded.subarray(32 * i, 32 * i + 32))
  const layers = [layer]
  while (layer.length > 1) {
    const below = layer
    layer = Array.from({ length: below.length / 2 }, (_, i) => hashNode(below[2 * i]!, below[2 * i + 1]!))
    layers.push(layer)
  }
  return layers
}

/** The sizes of facts, in bigint: height, padding and leaf count as PDPVerifier computes them. */
export function sizesOf(rawSize: bigint) {
  const quads = rawSize === 0n ? 1n : (rawSize + 126n) / 127n
  let height = 2n
  while (1n << (height - 2n) < quads) height += 1n
  const padding = (127n << (height - 2n)) - rawSize
  return { height, padding, leafCount: (1n << height) - (((128n * padding) / 127n) >> 5n) }
}
