/**
 * Folds proofs up to their roots: one engine for leaf proofs, multi-proofs and range proofs, one or many.
 *
 * All proofs climb together. At each level the known nodes of every proof and the siblings that it brings are laid side by
 * side in one buffer and hashed in one call, so that a native hasher fills its lanes whatever the shape of each proof.
 * Callers check lengths before they come here: the engine reads exactly what leaf-runs.ts plans.
 */
import { isRightChild, type LeafRuns, raiseRuns } from './leaf-runs.ts'
import type { NodeHasher } from './node-hasher.ts'
import type { ProofReason, ProofVerdict } from './proof-verdict.ts'
import { LEAF_SIZE_BYTES } from './sizes.ts'
import { zeroNode } from './zero-nodes.ts'

/** One proof to fold. */
export interface FoldJob {
  /** The root that the proof must reach. */
  root: Uint8Array
  height: number
  /** Leaves to the right of these are zero, and proofs leave them out; `2^height` for proofs that send every sibling. */
  dataLeafCount: number
  /** The leaves that are proved; used up. */
  runs: LeafRuns
  /** Their bytes, ascending. */
  leaves: Uint8Array
  /** The nodes that the proof brings, as `planNodes` lists them. */
  nodes: Uint8Array
}

/** A job on its way up. */
interface Climb extends FoldJob {
  /** Where it came from, for the answer. */
  position: number
  /** Bytes of `nodes` that are used up. */
  nodesRead: number
}

/**
 * Folds what has the right shape.
 *
 * @param jobs - jobs, and reasons of those that were refused before
 * @returns one verdict for each, same order
 */
export function verifyJobs(jobs: readonly (FoldJob | ProofReason)[], nodeHasher: NodeHasher): ProofVerdict[] {
  const proved = foldToRoots(
    jobs.filter(job => typeof job !== 'string'),
    nodeHasher
  ).values()
  return jobs.map(job => {
    if (typeof job === 'string') return { ok: false, reason: job }
    return proved.next().value === true ? { ok: true } : { ok: false, reason: 'wrong-root' }
  })
}

/** @returns for each job whether it ends at its root */
function foldToRoots(jobs: readonly FoldJob[], nodeHasher: NodeHasher): boolean[] {
  const verdicts = new Array<boolean>(jobs.length).fill(false)
  let climbs = jobs.map((job, position): Climb => ({ ...job, position, nodesRead: 0 }))
  const capacity = pairsSizeMax(jobs)
  let known = new Uint8Array(capacity)
  let pairs = new Uint8Array(capacity)
  layLeaves(jobs, known)
  for (let level = 0; climbs.length > 0; level++) {
    const size = layPairs(climbs, level, known, pairs, verdicts)
    nodeHasher.hashLayer(pairs.subarray(0, size), pairs.subarray(0, size / 2))
    ;[known, pairs] = [pairs, known]
    climbs = climbs.filter(climb => climb.height > level)
    for (const climb of climbs) {
      raiseRuns(climb.runs)
      climb.dataLeafCount = Math.ceil(climb.dataLeafCount / 2)
    }
  }
  return verdicts
}

/** A layer of pairs is never larger than the lowest: the leaves, and a sibling at each end of each run. */
function pairsSizeMax(jobs: readonly FoldJob[]): number {
  return jobs.reduce((size, job) => size + job.leaves.length + job.runs.length * LEAF_SIZE_BYTES, 0)
}

function layLeaves(jobs: readonly FoldJob[], known: Uint8Array): void {
  let size = 0
  for (const { leaves } of jobs) {
    known.set(leaves, size)
    size += leaves.length
  }
}

/**
 * Lays the known nodes of a level and their siblings side by side; a climb that is at its height is settled instead.
 *
 * @returns bytes of `pairs` that are laid
 */
function layPairs(
  climbs: readonly Climb[],
  level: number,
  known: Uint8Array,
  pairs: Uint8Array,
  verdicts: boolean[]
): number {
  let from = 0
  let to = 0
  const zero = zeroNode(level)
  for (const climb of climbs) {
    if (climb.height === level) {
      verdicts[climb.position] = equalsAt(known, from, climb.root)
      from += LEAF_SIZE_BYTES
      continue
    }
    const { runs, nodes, dataLeafCount } = climb
    for (let i = 0; i < runs.length; i += 2) {
      const start = runs[i]!
      const end = runs[i + 1]!
      if (isRightChild(start)) {
        to = copy(nodes, climb.nodesRead, pairs, to, LEAF_SIZE_BYTES)
        climb.nodesRead += LEAF_SIZE_BYTES
      }
      const size = (end - start) * LEAF_SIZE_BYTES
      to = copy(known, from, pairs, to, size)
      from += size
      if (!isRightChild(end)) continue
      if (end >= dataLeafCount) {
        to = copy(zero, 0, pairs, to, LEAF_SIZE_BYTES)
      } else {
        to = copy(nodes, climb.nodesRead, pairs, to, LEAF_SIZE_BYTES)
        climb.nodesRead += LEAF_SIZE_BYTES
      }
    }
  }
  return to
}

/** @returns the offset behind the copy. Single nodes, the common case, are faster in a loop than through a view. */
function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, size: number): number {
  if (size === LEAF_SIZE_BYTES) for (let i = 0; i < LEAF_SIZE_BYTES; i++) target[to + i] = source[from + i]!
  else target.set(source.subarray(from, from + size), to)
  return to + size
}

function equalsAt(bytes: Uint8Array, offset: number, expected: Uint8Array): boolean {
  return expected.every((byte, i) => bytes[offset + i] === byte)
}
