/**
 * `@holdfast/proofs`: arithmetic on bytes. Sizes, piece commitments, Merkle trees, challenges, proofs, verdicts.
 *
 * Pure: no disk, no network, no clock, no chance. SPEC.md is the same in prose, for other languages.
 */

// Sizes and encodings of a piece.

export * from './errors.ts'
export { compactFr32, expandFr32 } from './fr32.ts'
export { createCompactor, createExpander, type Fr32Stream } from './fr32-stream.ts'
export {
  type CidBytes,
  decodePieceCid,
  decodePieceCidV1,
  encodePieceCid,
  encodePieceCidV1,
  type PieceCidReason,
  type PieceCidV1Verdict,
  type PieceCidVerdict,
  type PieceCommitment,
  parsePieceCid
} from './piece-cid.ts'
export * from './sizes.ts'

// The tree: hashers, pieces hashed whole or in parts, the layer that provers keep.

export { type NodeHasher, type NodeHasherName, portableNodeHasher } from './node-hasher.ts'
export { createPieceHasher, joinParts, type PieceDigest, type PieceHasher } from './piece-hasher.ts'
export { createPartHasher, type PartHasher, type PartHasherOptions, type PiecePart } from './piece-parts.ts'
export {
  CACHED_LAYER_HEIGHT,
  CACHED_LAYER_HEIGHT_MAX,
  type CachedLayer,
  rootAbove,
  type SparseLayer
} from './piece-tree.ts'
export { zeroNode } from './zero-nodes.ts'

// Challenges: which leaves, and how many.

export * from './challenge.ts'
export * from './soundness.ts'

// Proofs and their verdicts: one leaf, many leaves, a range, a block.

export {
  type BlockCid,
  type BlockClaim,
  type BlockProof,
  type BlockReason,
  type BlockVerdict,
  proveBlock,
  verifyBlock
} from './block-binding.ts'
export { type LeafProof, type LeafProofClaim, proveEachLeaf, verifyEachLeaf, verifyLeaf } from './leaf-proof.ts'
export {
  type MultiProof,
  type MultiProofClaim,
  multiProofSizeBytes,
  proveLeaves,
  verifyEachMultiProof,
  verifyLeaves
} from './multi-proof.ts'
export type { PieceSource, ReadPiece } from './piece-source.ts'
export type { ProofReason, ProofVerdict } from './proof-verdict.ts'
export {
  enclosingQuads,
  type LeafRange,
  type LeafRangeClaim,
  leafRangeOf,
  proveLeafRange,
  proveRange,
  type RangeClaim,
  type RawRange,
  rangeProofSizeBytes,
  verifyLeafRange,
  verifyRange
} from './range-proof.ts'
