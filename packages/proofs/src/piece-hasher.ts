/** The piece hasher: bytes in chunks of any size, or parts that were hashed apart → PieceCIDv2 and the cached layer. */
import type { CID } from 'multiformats/cid'
import type { NodeHasher } from './node-hasher.ts'
import { encodePieceCid, type PieceCommitment } from './piece-cid.ts'
import { createPartHasher, joinLayers, type PartHasherOptions, type PiecePart } from './piece-parts.ts'
import { type CachedLayer, rootAbove } from './piece-tree.ts'
import { heightOf } from './sizes.ts'
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
   * @throws {RangeError} when the piece would pass `PIECE_SIZE_BYTES_MAX`; nothing of the chunk is taken then
   */
  update(bytes: Uint8Array): void
  /** The same for whole quads in their fr32 form, as `PartHasher` takes them. */
  updateExpanded(expanded: Uint8Array): void
  /** Ends the piece; the next `update` begins another. An empty piece has a digest, but no leaf and an empty layer. */
  digest(): PieceDigest
}

/** Creates a hasher of whole pieces; besides the layer, its memory is 256 KiB (more for a cached layer above 13). */
export function createPieceHasher(options: PartHasherOptions): PieceHasher {
  const { update, updateExpanded, finish } = createPartHasher(options)
  return { update, updateExpanded, digest: () => digestOf(finish(), options.nodeHasher) }
}

/**
 * Joins parts that were hashed apart, in the order in which they stand in the piece.
 *
 * @param options.parts - at least one; all with one layer height, and all but the last a multiple of that layer's subtree
 * @returns what hashing the whole piece at once returns
 * @throws {RangeError} when the parts do not fit together
 */
export function joinParts({ parts, nodeHasher }: { parts: readonly PiecePart[]; nodeHasher: NodeHasher }): PieceDigest {
  return digestOf(joinLayers(parts, nodeHasher), nodeHasher)
}

/** Hashes the layer of a whole piece up to its root. */
function digestOf({ rawSize, layer }: PiecePart, nodeHasher: NodeHasher): PieceDigest {
  const height = heightOf(rawSize)
  const root = rawSize === 0 ? zeroNode(height).slice() : rootAbove(layer, height, nodeHasher)
  return { cid: encodePieceCid({ root, rawSize }), root, rawSize, height, layer }
}
