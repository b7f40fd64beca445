/**
 * Leaf proofs exactly as PDPVerifier takes them: a leaf and one sibling for each level, zero nodes included.
 *
 * @see SPEC.md §6.1
 */
import { expectArray, expectInteger } from './arguments.ts'
import type { NodePosition } from './leaf-runs.ts'
import type { NodeHasher } from './node-hasher.ts'
import { expectCommitment, type PieceCommitment } from './piece-cid.ts'
import { expectLeafIndices, type PieceSource, readNodes } from './piece-source.ts'
import { type FoldJob, verifyJobs } from './proof-fold.ts'
import type { ProofReason, ProofVerdict } from './proof-verdict.ts'
import { heightOf, LEAF_SIZE_BYTES, leafCountOf } from './sizes.ts'

/** A proof that one leaf lies in a piece, as `provePossession` takes it. */
export interface LeafProof {
  /** 32 bytes. */
  leaf: Uint8Array
  /** `height` nodes of 32 bytes, leaf level first; zero nodes included. */
  siblings: Uint8Array
}

/**
 * Builds the leaf proofs of one piece.
 *
 * Reads the cached subtree of each challenged leaf once and nothing else. Does not check that the source is the piece: a
 * wrong byte gives a proof that does not verify.
 *
 * @param options.leafIndices - at least one leaf of the piece, in any order, repetitions allowed
 * @returns one proof for each index, same order
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function proveEachLeaf(options: PieceSource & { leafIndices: readonly number[] }): Promise<LeafProof[]> {
  const { commitment, leafIndices } = options
  expectLeafIndices(leafIndices, commitment.rawSize)
  const height = heightOf(commitment.rawSize)
  const positions = leafIndices.flatMap(leafIndex => [{ level: 0, index: leafIndex }, ...siblingsOf(leafIndex, height)])
  const bytes = await readNodes(options, positions)
  const proofSize = (1 + height) * LEAF_SIZE_BYTES
  return leafIndices.map((_, i) => {
    const proof = bytes.slice(i * proofSize, (i + 1) * proofSize)
    return { leaf: proof.subarray(0, LEAF_SIZE_BYTES), siblings: proof.subarray(LEAF_SIZE_BYTES) }
  })
}

/** @returns the sibling at each level of the path from a leaf, leaf level first */
function siblingsOf(leafIndex: number, height: number): NodePosition[] {
  return Array.from({ length: height }, (_, level) => {
    const index = Math.floor(leafIndex / 2 ** level)
    return { level, index: index % 2 === 0 ? index + 1 : index - 1 }
  })
}

/** What a leaf proof is checked against. */
export interface LeafProofClaim {
  commitment: Pick<PieceCommitment, 'root' | 'rawSize'>
  leafIndex: number
  proof: LeafProof
}

/** Verifies one leaf proof as PDPVerifier does. */
export function verifyLeaf({ nodeHasher, ...claim }: LeafProofClaim & { nodeHasher: NodeHasher }): ProofVerdict {
  return verifyEachLeaf({ claims: [claim], nodeHasher })[0]!
}

/**
 * Verifies many leaf proofs, of any pieces, level by level in one call each.
 *
 * @returns one verdict for each claim, same order: a bad proof does not spoil its neighbours
 */
export function verifyEachLeaf({
  claims,
  nodeHasher
}: {
  claims: readonly LeafProofClaim[]
  nodeHasher: NodeHasher
}): ProofVerdict[] {
  expectArray('claims', claims)
  return verifyJobs(claims.map(leafProofJob), nodeHasher)
}

/** Checks the shape of a leaf proof. @returns the job that folds it, or why it is refused before any hashing */
function leafProofJob({ commitment, leafIndex, proof }: LeafProofClaim): FoldJob | ProofReason {
  expectCommitment(commitment)
  const { root, rawSize } = commitment
  expectInteger('leafIndex', leafIndex, 0, leafCountOf(rawSize) - 1)
  const { leaf, siblings } = (proof ?? {}) as Partial<LeafProof>
  if (!(leaf instanceof Uint8Array && siblings instanceof Uint8Array)) return 'malformed'
  const height = heightOf(rawSize)
  if (leaf.length !== LEAF_SIZE_BYTES) return 'wrong-data-size'
  if (siblings.length !== height * LEAF_SIZE_BYTES) return 'wrong-node-count'
  return {
    root,
    height,
    dataLeafCount: 2 ** height,
    runs: Float64Array.of(leafIndex, leafIndex + 1),
    leaves: leaf,
    nodes: siblings
  }
}
