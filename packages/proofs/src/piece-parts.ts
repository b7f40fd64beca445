/**
 * Pieces hashed in parts: the way to spread one piece over threads.
 *
 * Cut the piece where its Merkle tree is cut (every part but the last a multiple of one cached subtree), hash each part
 * anywhere in any order, and join the parts in order. A part is plain data, ready to be posted between workers; its bytes
 * may lie on a SharedArrayBuffer. Root, CID and layer are those of the whole piece hashed at once.
 */
import { expectArray, expectBytes, expectInteger, expectObject } from './arguments.ts'
import { expandFr32 } from './fr32.ts'
import { expectNodeHasher, type NodeHasher } from './node-hasher.ts'
import {
  CACHED_LAYER_HEIGHT,
  type CachedLayer,
  expectCachedLayerHeight,
  expectLayerOfPiece,
  raiseInPlace
} from './piece-tree.ts'
import {
  heightOf,
  LEAF_SIZE_BYTES,
  PIECE_SIZE_BYTES_MAX,
  QUAD_PADDED_SIZE_BYTES,
  QUAD_RAW_SIZE_BYTES,
  quadCountOf,
  rawCapacityOf
} from './sizes.ts'
import { concat, createUnitCutter } from './unit-cutter.ts'

/** A hashed part of a piece: plain data. */
export interface PiecePart {
  /** Raw bytes of the part. */
  rawSize: number
  /** The cached layer over the part. */
  layer: CachedLayer
}

/** Hashes parts, one after another. */
export interface PartHasher {
  /**
   * Takes the next bytes of the part. They are read before the call returns and not kept.
   *
   * @throws {RangeError} when the part would pass {@link PIECE_SIZE_BYTES_MAX}; nothing of the chunk is taken then
   */
  update(bytes: Uint8Array): void
  /**
   * The same for bytes that somebody has expanded already, on another thread for one: what `expandFr32` makes of whole quads,
   * which is not looked at again.
   *
   * @throws {RangeError} also for what is no whole quads, and after a quad that was begun
   */
  updateExpanded(expanded: Uint8Array): void
  /** Ends the part; the next `update` begins another. */
  finish(): PiecePart
}

export interface PartHasherOptions {
  nodeHasher: NodeHasher
  /** Level of the layer to keep, 2 to 17; a smaller piece keeps its root. Default {@link CACHED_LAYER_HEIGHT}. */
  cachedLayerHeight?: number
}

/** Slabs of 256 KiB, which stay in a core's own cache: 5 % faster than 1 MiB, and than 16 KiB. */
const SLAB_HEIGHT_MIN = 13

/**
 * Creates a hasher of parts.
 *
 * Whole quads are expanded straight from the caller's chunk into a slab of fixed size; a full slab is hashed in place up
 * to the cached layer, and its nodes are kept. Besides the layer, memory is one slab and less than one quad.
 */
export function createPartHasher({
  nodeHasher,
  cachedLayerHeight = CACHED_LAYER_HEIGHT
}: PartHasherOptions): PartHasher {
  expectNodeHasher(nodeHasher)
  expectCachedLayerHeight(cachedLayerHeight)
  const slab = new Uint8Array(LEAF_SIZE_BYTES * 2 ** Math.max(SLAB_HEIGHT_MIN, cachedLayerHeight))
  let slabSize = 0
  let rawSize = 0
  let layers: Uint8Array[] = []
  const cutter = createUnitCutter(QUAD_RAW_SIZE_BYTES, takeQuads)

  function takeQuads(raw: Uint8Array): void {
    for (let offset = 0; offset < raw.length; ) {
      const room = ((slab.length - slabSize) / QUAD_PADDED_SIZE_BYTES) * QUAD_RAW_SIZE_BYTES
      const fitting = raw.subarray(offset, offset + room)
      const expandedSize = quadCountOf(fitting.length) * QUAD_PADDED_SIZE_BYTES
      expandFr32(fitting, slab.subarray(slabSize, slabSize + expandedSize))
      slabSize += expandedSize
      offset += fitting.length
      if (slabSize === slab.length) emptySlab(cachedLayerHeight)
    }
  }

  function takeExpanded(expanded: Uint8Array): void {
    for (let offset = 0; offset < expanded.length; ) {
      const fitting = expanded.subarray(offset, offset + slab.length - slabSize)
      slab.set(fitting, slabSize)
      slabSize += fitting.length
      offset += fitting.length
      if (slabSize === slab.length) emptySlab(cachedLayerHeight)
    }
  }

  function admit(sizeBytes: number): void {
    expectInteger('bytes of the piece', rawSize + sizeBytes, 0, PIECE_SIZE_BYTES_MAX)
    rawSize += sizeBytes
  }

  function emptySlab(level: number): void {
    const count = raiseInPlace(slab, slabSize / LEAF_SIZE_BYTES, 0, level, nodeHasher)
    layers.push(slab.slice(0, count * LEAF_SIZE_BYTES))
    slabSize = 0
  }

  return {
    update(bytes) {
      expectBytes('bytes', bytes)
      admit(bytes.length)
      cutter.push(bytes)
    },

    updateExpanded(expanded) {
      expectBytes('expanded', expanded)
      if (expanded.length % QUAD_PADDED_SIZE_BYTES !== 0)
        throw new RangeError(`expanded: expected a multiple of ${QUAD_PADDED_SIZE_BYTES} bytes, got ${expanded.length}`)
      if (rawSize % QUAD_RAW_SIZE_BYTES !== 0)
        throw new RangeError(`expanded: expected whole quads before it, got ${rawSize} bytes`)
      admit((expanded.length / QUAD_PADDED_SIZE_BYTES) * QUAD_RAW_SIZE_BYTES)
      takeExpanded(expanded)
    },

    finish() {
      takeQuads(cutter.end())
      const height = Math.min(cachedLayerHeight, heightOf(rawSize))
      if (slabSize > 0) emptySlab(height)
      const part = { rawSize, layer: { height, nodes: concat(layers) } }
      rawSize = 0
      layers = []
      return part
    }
  }
}

/**
 * Joins the parts of a piece, in order, to one.
 *
 * @param parts - at least one; all with one layer height, and all but the last a multiple of that layer's subtree
 */
export function joinLayers(parts: readonly PiecePart[], nodeHasher: NodeHasher): PiecePart {
  expectNodeHasher(nodeHasher)
  expectArray('parts', parts)
  if (parts.length === 0) throw new RangeError('parts: expected at least 1, got 0')
  for (const [i, part] of parts.entries()) {
    expectObject(`parts[${i}]`, part)
    expectLayerOfPiece(part.layer, part.rawSize)
  }
  const { height } = parts[0]!.layer
  if (parts.length > 1) expectOneGrid(parts, height)
  const rawSize = parts.reduce((sum, part) => sum + part.rawSize, 0)
  expectInteger('bytes of the piece', rawSize, 0, PIECE_SIZE_BYTES_MAX)
  return { rawSize, layer: { height, nodes: concat(parts.map(part => liftLayer(part.layer, height, nodeHasher))) } }
}

/** Requires parts that were cut where subtrees of this height are cut. */
function expectOneGrid(parts: readonly PiecePart[], height: number): void {
  const subtreeSize = rawCapacityOf(height)
  const last = parts.length - 1
  for (const [i, { rawSize, layer }] of parts.entries()) {
    const wantedHeight = i === last ? Math.min(height, heightOf(rawSize)) : height
    if (layer.height !== wantedHeight)
      throw new RangeError(`parts[${i}].layer.height: expected ${wantedHeight}, got ${layer.height}`)
    if (i !== last && (rawSize === 0 || rawSize % subtreeSize !== 0))
      throw new RangeError(`parts[${i}].rawSize: expected a multiple of ${subtreeSize}, got ${rawSize}`)
  }
}

/** @returns the nodes of a layer as they stand at `height`: the root of a small last part meets zeros on its way up */
function liftLayer(layer: CachedLayer, height: number, nodeHasher: NodeHasher): Uint8Array {
  if (layer.height === height || layer.nodes.length === 0) return layer.nodes
  const pair = new Uint8Array(2 * LEAF_SIZE_BYTES)
  pair.set(layer.nodes)
  raiseInPlace(pair, 1, layer.height, height, nodeHasher)
  return pair.subarray(0, LEAF_SIZE_BYTES)
}
