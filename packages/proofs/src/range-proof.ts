/**
 * Range proofs: one run of leaves, proved by the nodes at its two edges.
 *
 * A range of raw bytes is widened to its enclosing quads (127 raw bytes are 4 leaves), because only whole quads have
 * leaves of their own. The bytes travel beside the proof: a reader that has them raw expands them itself, so the proof
 * costs `32 · nodes` bytes, at most two nodes a level.
 *
 * @see SPEC.md §6.3
 */
import { expectInteger, expectObject } from './arguments.ts'
import { expandFr32 } from './fr32.ts'
import { type LeafRuns, planNodes } from './leaf-runs.ts'
import type { NodeHasher } from './node-hasher.ts'
import { expectCommitment, type PieceCommitment } from './piece-cid.ts'
import { type PieceSource, readNodes } from './piece-source.ts'
import { type FoldJob, verifyJobs } from './proof-fold.ts'
import type { ProofReason, ProofVerdict } from './proof-verdict.ts'
import {
  expandedSizeOf,
  heightOf,
  LEAF_SIZE_BYTES,
  LEAVES_PER_QUAD,
  leafCountOf,
  QUAD_RAW_SIZE_BYTES
} from './sizes.ts'

/** Raw bytes of a piece: `size` of them, at least 1, from `offset`. */
export interface RawRange {
  offset: number
  size: number
}

/** Leaves of a piece that hold data, `start` ≤ leaf < `end`. */
export interface LeafRange {
  start: number
  end: number
}

function expectRawRange(range: RawRange, rawSize: number): void {
  expectObject('range', range)
  const { offset, size } = range
  expectInteger('range.offset', offset, 0, rawSize - 1)
  expectInteger('range.size', size, 1, rawSize - offset)
}

function expectLeafRange(range: LeafRange, rawSize: number): void {
  expectObject('range', range)
  const { start, end } = range
  const leafCount = leafCountOf(rawSize)
  expectInteger('range.start', start, 0, leafCount - 1)
  expectInteger('range.end', end, start + 1, leafCount)
}

/** @returns the whole quads around a range, as raw bytes: the last quad ends with the piece */
export function enclosingQuads(range: RawRange, rawSize: number): RawRange {
  expectRawRange(range, rawSize)
  const end = range.offset + range.size
  const quadStart = range.offset - (range.offset % QUAD_RAW_SIZE_BYTES)
  const overhang = end % QUAD_RAW_SIZE_BYTES
  const quadEnd = overhang === 0 ? end : Math.min(end - overhang + QUAD_RAW_SIZE_BYTES, rawSize)
  return { offset: quadStart, size: quadEnd - quadStart }
}

/** @returns the leaves of the whole quads around a range, as far as they hold data */
export function leafRangeOf(range: RawRange, rawSize: number): LeafRange {
  const { offset, size } = enclosingQuads(range, rawSize)
  const start = (offset / QUAD_RAW_SIZE_BYTES) * LEAVES_PER_QUAD
  return { start, end: start + leafCountOf(size) }
}

/**
 * Proves a range of leaves: reads the cached subtrees at its two edges where they are cut, never what lies between.
 *
 * @returns the nodes of the proof: level by level from the leaves, left edge before right edge
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function proveLeafRange(options: PieceSource & { range: LeafRange }): Promise<Uint8Array> {
  const { commitment, range } = options
  expectLeafRange(range, commitment.rawSize)
  return readNodes(options, planRange(range, commitment.rawSize))
}

/** Proves the quads around a range of raw bytes: {@link proveLeafRange} of {@link leafRangeOf}. */
export async function proveRange(options: PieceSource & { range: RawRange }): Promise<Uint8Array> {
  return proveLeafRange({ ...options, range: leafRangeOf(options.range, options.commitment.rawSize) })
}

/** The exact size of the nodes that prove a range of leaves. */
export function rangeProofSizeBytes({ rawSize, range }: { rawSize: number; range: LeafRange }): number {
  expectLeafRange(range, rawSize)
  return planRange(range, rawSize).length * LEAF_SIZE_BYTES
}

function planRange(range: LeafRange, rawSize: number) {
  return planNodes(runOf(range), heightOf(rawSize), leafCountOf(rawSize))
}

function runOf({ start, end }: LeafRange): LeafRuns {
  return Float64Array.of(start, end)
}

/** What the proof of a leaf range is checked against. */
export interface LeafRangeClaim {
  commitment: Pick<PieceCommitment, 'root' | 'rawSize'>
  /** The leaves that were asked for. */
  range: LeafRange
  /** Foreign: the bytes of these leaves, 32 each. */
  leaves: Uint8Array
  /** Foreign: the nodes of the proof. */
  nodes: Uint8Array
  nodeHasher: NodeHasher
}

/** Verifies that a piece has these leaves in this range. */
export function verifyLeafRange({ nodeHasher, ...claim }: LeafRangeClaim): ProofVerdict {
  return verifyJobs([rangeJob(claim)], nodeHasher)[0]!
}

function rangeJob({ commitment, range, leaves, nodes }: Omit<LeafRangeClaim, 'nodeHasher'>): FoldJob | ProofReason {
  expectCommitment(commitment)
  const { root, rawSize } = commitment
  const nodesSize = rangeProofSizeBytes({ rawSize, range })
  if (!(leaves instanceof Uint8Array && nodes instanceof Uint8Array)) return 'malformed'
  if (leaves.length !== (range.end - range.start) * LEAF_SIZE_BYTES) return 'wrong-data-size'
  if (nodes.length !== nodesSize) return 'wrong-node-count'
  return { root, height: heightOf(rawSize), dataLeafCount: leafCountOf(rawSize), runs: runOf(range), leaves, nodes }
}

/** What the proof of a range of raw bytes is checked against. */
export interface RangeClaim {
  commitment: Pick<PieceCommitment, 'root' | 'rawSize'>
  /** The bytes that were asked for. */
  range: RawRange
  /** Foreign: the raw bytes of {@link enclosingQuads} of the range. */
  bytes: Uint8Array
  /** Foreign: the nodes of the proof. */
  nodes: Uint8Array
  nodeHasher: NodeHasher
}

/** Verifies that a piece has these raw bytes in this place. */
export function verifyRange({ commitment, range, bytes, nodes, nodeHasher }: RangeClaim): ProofVerdict {
  expectCommitment(commitment)
  const quads = enclosingQuads(range, commitment.rawSize)
  if (!(bytes instanceof Uint8Array)) return { ok: false, reason: 'malformed' }
  if (bytes.length !== quads.size) return { ok: false, reason: 'wrong-data-size' }
  const expanded = new Uint8Array(expandedSizeOf(quads.size))
  expandFr32(bytes, expanded)
  const leafRange = leafRangeOf(range, commitment.rawSize)
  // The last quad of a piece may end in leaves without data: they are zero nodes, not part of the range.
  const leaves = expanded.subarray(0, (leafRange.end - leafRange.start) * LEAF_SIZE_BYTES)
  return verifyLeafRange({ commitment, range: leafRange, leaves, nodes, nodeHasher })
}
