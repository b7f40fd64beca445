/**
 * The piece hasher: bytes in chunks of any size → PieceCIDv2, and one cached layer of the tree.
 *
 * Whole quads are expanded straight from the caller's chunk into a slab of fixed size; a full slab is hashed in place up
 * to the cached layer, and its nodes are kept. Besides the layer, memory is one slab and less than one quad.
 *
 * Invariants: `carry` holds raw bytes of the one started quad; the slab holds the expanded quads since the last full slab;
 * every slab begins on the piece's grid of `slabHeight`.
 */
import type { CID } from 'multiformats/cid'
import { expectBytes } from './arguments.ts'
import { expandFr32 } from './fr32.ts'
import type { NodeHasher } from './node-hasher.ts'
import { encodePieceCid, type PieceCommitment } from './piece-cid.ts'
import {
  CACHED_LAYER_HEIGHT,
  type CachedLayer,
  expectCachedLayerHeight,
  raiseInPlace,
  rootAbove
} from './piece-tree.ts'
import {
  heightOf,
  LEAF_SIZE_BYTES,
  PIECE_SIZE_BYTES_MAX,
  QUAD_PADDED_SIZE_BYTES,
  QUAD_RAW_SIZE_BYTES
} from './sizes.ts'
import { zeroNode } from './zero-nodes.ts'

/** A hashed piece: its commitment, its CID, and the layer that proofs need. */
export interface PieceDigest extends PieceCommitment {
  /** PieceCIDv2. */
  cid: CID
  layer: CachedLayer
}

export interface PieceHasher {
  /**
   * Takes the next bytes of the piece. They are read before the call returns and not kept.
   *
   * @throws {RangeError} when the piece would pass {@link PIECE_SIZE_BYTES_MAX}; nothing of the chunk is taken then
   */
  update(bytes: Uint8Array): void
  /** Ends the piece. Once: afterwards both functions throw. An empty piece has a digest, but no leaf and no layer. */
  digest(): PieceDigest
}

export interface PieceHasherOptions {
  nodeHasher: NodeHasher
  /** Level of the layer to keep, 2 to 17; a smaller piece keeps its root. Default {@link CACHED_LAYER_HEIGHT}. */
  cachedLayerHeight?: number
}

/** Slabs of 1 MiB: large enough that native calls cost nothing, small enough to stay in a core's cache. */
const SLAB_HEIGHT_MIN = 15

/** Creates a hasher for one piece. */
export function createPieceHasher({
  nodeHasher,
  cachedLayerHeight = CACHED_LAYER_HEIGHT
}: PieceHasherOptions): PieceHasher {
  expectCachedLayerHeight(cachedLayerHeight)
  const slab = new Uint8Array(LEAF_SIZE_BYTES * 2 ** Math.max(SLAB_HEIGHT_MIN, cachedLayerHeight))
  const carry = new Uint8Array(QUAD_RAW_SIZE_BYTES)
  const finished: Uint8Array[] = []
  let slabSize = 0
  let carrySize = 0
  let rawSize = 0
  let ended = false

  /** Hashes what the slab holds up to `level` and keeps the nodes. */
  function finishSlab(level: number): void {
    const count = raiseInPlace(slab, slabSize / LEAF_SIZE_BYTES, 0, level, nodeHasher)
    finished.push(slab.slice(0, count * LEAF_SIZE_BYTES))
    slabSize = 0
  }

  function takeQuads(raw: Uint8Array): void {
    for (let offset = 0; offset < raw.length; ) {
      const room = ((slab.length - slabSize) / QUAD_PADDED_SIZE_BYTES) * QUAD_RAW_SIZE_BYTES
      const part = raw.subarray(offset, offset + room)
      const size = Math.ceil(part.length / QUAD_RAW_SIZE_BYTES) * QUAD_PADDED_SIZE_BYTES
      expandFr32(part, slab.subarray(slabSize, slabSize + size))
      slabSize += size
      offset += part.length
      if (slabSize === slab.length) finishSlab(cachedLayerHeight)
    }
  }

  function expectOpen(): void {
    if (ended) throw new TypeError('expected an open piece hasher, got one whose digest was taken')
  }

  return {
    update(bytes) {
      expectOpen()
      expectBytes('bytes', bytes)
      if (bytes.length > PIECE_SIZE_BYTES_MAX - rawSize)
        throw new RangeError(`piece: expected at most ${PIECE_SIZE_BYTES_MAX} bytes, got ${rawSize + bytes.length}`)
      rawSize += bytes.length
      let offset = 0
      if (carrySize > 0) {
        offset = Math.min(QUAD_RAW_SIZE_BYTES - carrySize, bytes.length)
        carry.set(bytes.subarray(0, offset), carrySize)
        carrySize += offset
        if (carrySize < QUAD_RAW_SIZE_BYTES) return
        takeQuads(carry)
        carrySize = 0
      }
      carrySize = (bytes.length - offset) % QUAD_RAW_SIZE_BYTES
      takeQuads(bytes.subarray(offset, bytes.length - carrySize))
      carry.set(bytes.subarray(bytes.length - carrySize))
    },

    digest() {
      expectOpen()
      ended = true
      takeQuads(carry.subarray(0, carrySize))
      const layerHeight = Math.min(cachedLayerHeight, heightOf(rawSize))
      if (slabSize > 0) finishSlab(layerHeight)
      return digestOf(rawSize, { height: layerHeight, nodes: concat(finished) }, nodeHasher)
    }
  }
}

/** Hashes the layer of a whole piece up to its root. */
function digestOf(rawSize: number, layer: CachedLayer, nodeHasher: NodeHasher): PieceDigest {
  const height = heightOf(rawSize)
  const root = rawSize === 0 ? zeroNode(height).slice() : rootAbove(layer, height, nodeHasher)
  return { cid: encodePieceCid({ root, rawSize }), root, rawSize, height, layer }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
