/**
 * Layers of a piece's Merkle tree: raising one to the next, and the one layer that is kept.
 *
 * A layer is bytes: its nodes of 32 bytes one after another, from the left, only those that cover data. What lies to the
 * right of them is zero, and its nodes are known (zero-nodes.ts), so padding costs one node a layer at most.
 */
import { expectBytes, expectInteger, expectObject } from './arguments.ts'
import type { NodeHasher } from './node-hasher.ts'
import { HEIGHT_MAX, HEIGHT_MIN, heightOf, LEAF_SIZE_BYTES, leafCountOf } from './sizes.ts'
import { zeroNode } from './zero-nodes.ts'

/** One middle layer of a piece's tree, kept so that a proof rebuilds one small subtree instead of the whole tree. */
export interface CachedLayer {
  /** Level of the nodes; leaves are 0. Never above the height of the piece. */
  height: number
  /** 32 bytes each, from the left, only those that cover data. */
  nodes: Uint8Array
}

/**
 * The same layer where it is too large to be read for a few leaves: it stays where it is, and a layer above it, a few KiB
 * for the largest piece, says what lies above the parts that are read.
 */
export interface SparseLayer {
  /** Level of the nodes that are read in parts. */
  height: number
  /** A layer above, whole. */
  top: CachedLayer
  /** Reads nodes of the lower layer, 32 bytes each: those below one node of `top`. */
  readNodes: (first: number, count: number) => Promise<Uint8Array>
}

/**
 * The layer that is cached unless the caller chooses another: subtrees of 512 leaves, 16 KiB. A proof then reads 16,256
 * raw bytes, and the layer is 1/508 of the piece (2 MiB for 1 GiB). Lower layers answer many challenges of one piece
 * faster, higher ones few, because the layers above the cached one are rebuilt for each proof: SPEC.md §7 has the figures.
 */
export const CACHED_LAYER_HEIGHT = 9
/** Subtrees of 4 MiB, as the largest that PDP providers use; the hasher holds one subtree in memory. */
export const CACHED_LAYER_HEIGHT_MAX = 17

/** Requires the height of a layer that can be cached: from one quad to {@link CACHED_LAYER_HEIGHT_MAX}. */
export function expectCachedLayerHeight(height: number): void {
  expectInteger('cachedLayerHeight', height, HEIGHT_MIN, CACHED_LAYER_HEIGHT_MAX)
}

/** @returns nodes of a layer over `count` nodes that lie `levels` below it */
export function nodeCountAbove(count: number, levels: number): number {
  return Math.ceil(count / 2 ** levels)
}

/** Requires a layer that belongs to a piece of this size, as far as its shape can tell. */
export function expectLayerOfPiece(layer: CachedLayer, rawSize: number): void {
  expectObject('layer', layer)
  expectInteger('layer.height', layer.height, HEIGHT_MIN, heightOf(rawSize))
  expectBytes('layer.nodes', layer.nodes, nodeCountAbove(leafCountOf(rawSize), layer.height) * LEAF_SIZE_BYTES)
}

/**
 * Raises a layer in place.
 *
 * @param nodes - the layer's bytes, with room for one node more where `count` is odd; overwritten from the front
 * @param count - its nodes, at least 1
 * @param level - its level
 * @param toLevel - the level wanted
 * @returns nodes of the wanted layer, which now stands at the front of `nodes`
 */
export function raiseInPlace(
  nodes: Uint8Array,
  count: number,
  level: number,
  toLevel: number,
  nodeHasher: NodeHasher
): number {
  for (let current = level; current < toLevel; current++) {
    if (count % 2 === 1) {
      nodes.set(zeroNode(current), count * LEAF_SIZE_BYTES)
      count += 1
    }
    const size = count * LEAF_SIZE_BYTES
    nodeHasher.hashLayer(nodes.subarray(0, size), nodes.subarray(0, size / 2))
    count /= 2
  }
  return count
}

/**
 * Builds every layer above a given one and keeps them all.
 *
 * @param nodes - the lowest layer, of any number of nodes; not changed
 * @returns layers from `level` to `toLevel`, the lowest first
 */
export function growLayers(nodes: Uint8Array, level: number, toLevel: number, nodeHasher: NodeHasher): Uint8Array[] {
  const layers = [nodes]
  for (let current = level; current < toLevel; current++) {
    const below = padToPair(layers.at(-1)!, current)
    const parents = new Uint8Array(below.length / 2)
    nodeHasher.hashLayer(below, parents)
    layers.push(parents)
  }
  return layers
}

/** @returns the layer itself where its nodes are even in number, else a copy with the zero node behind it */
function padToPair(nodes: Uint8Array, level: number): Uint8Array {
  if ((nodes.length / LEAF_SIZE_BYTES) % 2 === 0) return nodes
  const padded = new Uint8Array(nodes.length + LEAF_SIZE_BYTES)
  padded.set(nodes)
  padded.set(zeroNode(level), nodes.length)
  return padded
}

/** Layers that one pass of {@link rootAbove} climbs: its working memory is a block of 2^10 nodes. */
const CLIMB_LEVELS = 10

/**
 * Hashes a layer up to the one node at `toLevel`, in a block of fixed size: the layer itself is not changed.
 *
 * @param layer - at least one node, and no more than `toLevel` covers
 */
export function rootAbove(layer: CachedLayer, toLevel: number, nodeHasher: NodeHasher): Uint8Array {
  expectInteger('toLevel', toLevel, layer.height, HEIGHT_MAX)
  let { height: level, nodes } = layer
  const block = new Uint8Array(LEAF_SIZE_BYTES * 2 ** CLIMB_LEVELS)
  while (level < toLevel) {
    const next = Math.min(level + CLIMB_LEVELS, toLevel)
    const parentCount = nodeCountAbove(nodes.length / LEAF_SIZE_BYTES, next - level)
    const parents = new Uint8Array(parentCount * LEAF_SIZE_BYTES)
    const stepSize = LEAF_SIZE_BYTES * 2 ** (next - level)
    for (let from = 0, to = 0; from < nodes.length; from += stepSize, to += LEAF_SIZE_BYTES) {
      const part = nodes.subarray(from, from + stepSize)
      block.set(part)
      raiseInPlace(block, part.length / LEAF_SIZE_BYTES, level, next, nodeHasher)
      parents.set(block.subarray(0, LEAF_SIZE_BYTES), to)
    }
    nodes = parents
    level = next
  }
  return nodes.slice(0, LEAF_SIZE_BYTES)
}
