/**
 * Multi-proofs: many leaves of one piece, every shared node once, no zero node at all.
 *
 * @see SPEC.md §6.2
 */
import { expectArray } from './arguments.ts'
import { type NodePosition, planNodes, runsOfLeaves } from './leaf-runs.ts'
import type { NodeHasher } from './node-hasher.ts'
import { expectCommitment, type PieceCommitment } from './piece-cid.ts'
import { expectLeafIndices, type PieceSource, readNodes, sortDistinct } from './piece-source.ts'
import { type FoldJob, verifyJobs } from './proof-fold.ts'
import type { ProofReason, ProofVerdict } from './proof-verdict.ts'
import { heightOf, LEAF_SIZE_BYTES, leafCountOf } from './sizes.ts'

/** A proof that some leaves lie in a piece. Which leaves, both sides know: they derived them. */
export interface MultiProof {
  /** 32 bytes for each distinct leaf, ascending by index. */
  leaves: Uint8Array
  /** 32 bytes for each node that the leaves do not give: level by level from the leaves, ascending within a level. */
  nodes: Uint8Array
}

/**
 * Proves leaves of one piece.
 *
 * Reads the cached subtree of each challenged leaf once and nothing else. Does not check that the source is the piece: a
 * wrong byte gives a proof that does not verify.
 *
 * @param options.leafIndices - at least one leaf of the piece, in any order, repetitions allowed
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function proveLeaves(options: PieceSource & { leafIndices: readonly number[] }): Promise<MultiProof> {
  const { rawSize } = options.commitment
  expectLeafIndices(options.leafIndices, rawSize)
  const leafIndices = sortDistinct(options.leafIndices)
  const leaves = leafIndices.map((index): NodePosition => ({ level: 0, index }))
  const nodes = planNodes(runsOfLeaves(leafIndices), heightOf(rawSize), leafCountOf(rawSize))
  const bytes = await readNodes(options, [...leaves, ...nodes])
  const leavesSize = leaves.length * LEAF_SIZE_BYTES
  return { leaves: bytes.slice(0, leavesSize), nodes: bytes.slice(leavesSize) }
}

/** What a multi-proof is checked against. */
export interface MultiProofClaim {
  commitment: Pick<PieceCommitment, 'root' | 'rawSize'>
  /** The leaves that were asked for, in any order, repetitions allowed. */
  leafIndices: readonly number[]
  proof: MultiProof
}

/** Verifies a multi-proof. The commitment and the indices are the verifier's own; of the proof nothing is believed. */
export function verifyLeaves({ nodeHasher, ...claim }: MultiProofClaim & { nodeHasher: NodeHasher }): ProofVerdict {
  return verifyEachMultiProof({ claims: [claim], nodeHasher })[0]!
}

/**
 * Verifies many multi-proofs, of any pieces, level by level in one call each.
 *
 * @returns one verdict for each claim, same order: a bad proof does not spoil its neighbours
 */
export function verifyEachMultiProof({
  claims,
  nodeHasher
}: {
  claims: readonly MultiProofClaim[]
  nodeHasher: NodeHasher
}): ProofVerdict[] {
  expectArray('claims', claims)
  return verifyJobs(claims.map(multiProofJob), nodeHasher)
}

/** Checks the shape of a multi-proof. @returns the job that folds it, or why it is refused before any hashing */
function multiProofJob({ commitment, leafIndices, proof }: MultiProofClaim): FoldJob | ProofReason {
  expectCommitment(commitment)
  const { root, rawSize } = commitment
  expectLeafIndices(leafIndices, rawSize)
  const { leaves, nodes } = (proof ?? {}) as Partial<MultiProof>
  if (!(leaves instanceof Uint8Array && nodes instanceof Uint8Array)) return 'malformed'
  const { leavesSize, nodesSize, runs } = measure(rawSize, leafIndices)
  if (leaves.length !== leavesSize) return 'wrong-data-size'
  if (nodes.length !== nodesSize) return 'wrong-node-count'
  return { root, height: heightOf(rawSize), dataLeafCount: leafCountOf(rawSize), runs, leaves, nodes }
}

/**
 * The exact size of the multi-proof for these leaves, leaves and nodes together: what a receiver may allocate before it
 * has read a byte.
 */
export function multiProofSizeBytes({
  rawSize,
  leafIndices
}: {
  rawSize: number
  leafIndices: readonly number[]
}): number {
  expectLeafIndices(leafIndices, rawSize)
  const { leavesSize, nodesSize } = measure(rawSize, leafIndices)
  return leavesSize + nodesSize
}

function measure(rawSize: number, leafIndices: readonly number[]) {
  const distinct = sortDistinct(leafIndices)
  const runs = runsOfLeaves(distinct)
  const nodeCount = planNodes(runs, heightOf(rawSize), leafCountOf(rawSize)).length
  return { leavesSize: distinct.length * LEAF_SIZE_BYTES, nodesSize: nodeCount * LEAF_SIZE_BYTES, runs }
}
