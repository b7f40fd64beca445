/**
 * Folds proofs up to their roots: one engine for leaf proofs, multi-proofs and range proofs, one or many.
 *
 * All proofs climb together. At each level the known nodes of every proof and the siblings that it brings are laid side by
 * side in one buffer and hashed in one call, so that a native hasher fills its lanes whatever the shape of each proof.
 * Callers check lengths before they come here: the engine reads exactly what leaf-runs.ts plans.
 *
 * Laying costs more than hashing: nodes are copied as words, eight at a time, and counts of nodes in memory are kept in
 * 31 bits, which is five times as fast as bytes at offsets that the machine must take for fractions.
 */
import { isRightChild, type LeafRuns, raiseRuns } from './leaf-runs.ts'
import { expectNodeHasher, type NodeHasher } from './node-hasher.ts'
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
interface Climb {
  job: FoldJob
  /** Where it came from, for the answer. */
  position: number
  /** Numbers of `job.runs` in use. */
  runsLength: number
  /** Nodes of the level that cover data. */
  dataCount: number
  /** The next of the job's nodes, in the shared {@link NodeBuffer} of siblings. */
  nextSibling: number
}

/** Nodes as bytes, for hashing, and as words, for copying. */
interface NodeBuffer {
  bytes: Uint8Array
  words: Int32Array
}

const WORDS_PER_NODE = LEAF_SIZE_BYTES / 4

function createNodeBuffer(sizeBytes: number): NodeBuffer {
  const bytes = new Uint8Array(sizeBytes)
  return { bytes, words: new Int32Array(bytes.buffer) }
}

/** Lays byte arrays one after another from the front of a buffer. */
function lay(buffer: NodeBuffer, parts: readonly Uint8Array[]): NodeBuffer {
  let offset = 0
  for (const part of parts) {
    buffer.bytes.set(part, offset)
    offset += part.length
  }
  return buffer
}

/**
 * Folds what has the right shape.
 *
 * @param jobs - jobs, and reasons of those that were refused before
 * @returns one verdict for each, same order
 */
export function verifyJobs(jobs: readonly (FoldJob | ProofReason)[], nodeHasher: NodeHasher): ProofVerdict[] {
  expectNodeHasher(nodeHasher)
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
  const proved = new Array<boolean>(jobs.length).fill(false)
  const sum = (sizeOf: (job: FoldJob) => number) => jobs.reduce((size, job) => size + sizeOf(job), 0)
  const siblings = lay(
    createNodeBuffer(sum(job => job.nodes.length)),
    jobs.map(job => job.nodes)
  )
  // A layer of pairs is never larger than the lowest: the leaves, and a sibling at each end of each run.
  const pairsSizeMax = sum(job => job.leaves.length + job.runs.length * LEAF_SIZE_BYTES)
  let known = lay(
    createNodeBuffer(pairsSizeMax),
    jobs.map(job => job.leaves)
  )
  let pairs = createNodeBuffer(pairsSizeMax)
  let climbs = climbsOf(jobs)
  for (let level = 0; climbs.length > 0; level++) {
    const size = layPairs({ climbs, level, known, siblings, pairs, proved }) * LEAF_SIZE_BYTES
    nodeHasher.hashLayer(pairs.bytes.subarray(0, size), pairs.bytes.subarray(0, size / 2))
    ;[known, pairs] = [pairs, known]
    climbs = climbs.filter(climb => climb.job.height > level)
  }
  return proved
}

function climbsOf(jobs: readonly FoldJob[]): Climb[] {
  let nextSibling = 0
  return jobs.map((job, position) => {
    const climb = { job, position, runsLength: job.runs.length, dataCount: job.dataLeafCount, nextSibling }
    nextSibling += job.nodes.length / LEAF_SIZE_BYTES
    return climb
  })
}

interface Layer {
  climbs: readonly Climb[]
  level: number
  known: NodeBuffer
  siblings: NodeBuffer
  pairs: NodeBuffer
  proved: boolean[]
}

/**
 * Lays the known nodes of a level and their siblings side by side; a climb that is at its height is settled instead.
 *
 * @returns nodes that are laid
 */
function layPairs({ climbs, level, known, siblings, pairs, proved }: Layer): number {
  const zero = createNodeBuffer(LEAF_SIZE_BYTES)
  zero.bytes.set(zeroNode(level))
  let from = 0
  let to = 0
  for (const climb of climbs) {
    const { runs, height, root } = climb.job
    if (height === level) {
      proved[climb.position] = equalsAt(known.bytes, from * LEAF_SIZE_BYTES, root)
      from += 1
      continue
    }
    for (let i = 0; i < climb.runsLength; i += 2) {
      const start = runs[i]!
      const end = runs[i + 1]!
      // Nodes in memory: far fewer than 2^31, though the indices themselves are not.
      const count = (end - start) | 0
      if (isRightChild(start)) copyNode(siblings.words, climb.nextSibling++, pairs.words, to++)
      if (count === 1) copyNode(known.words, from, pairs.words, to)
      else copyNodes(known.words, from, pairs.words, to, count)
      from += count
      to += count
      if (!isRightChild(end)) continue
      if (end < climb.dataCount) copyNode(siblings.words, climb.nextSibling++, pairs.words, to++)
      else copyNode(zero.words, 0, pairs.words, to++)
    }
    climb.runsLength = raiseRuns(runs, climb.runsLength)
    climb.dataCount = Math.ceil(climb.dataCount / 2)
  }
  return to
}

function copyNodes(source: Int32Array, from: number, target: Int32Array, to: number, count: number): void {
  target.set(source.subarray(from * WORDS_PER_NODE, (from + count) * WORDS_PER_NODE), to * WORDS_PER_NODE)
}

/** A view for one node would cost more than its eight words. */
function copyNode(source: Int32Array, from: number, target: Int32Array, to: number): void {
  const s = from * WORDS_PER_NODE
  const t = to * WORDS_PER_NODE
  for (let i = 0; i < WORDS_PER_NODE; i++) target[t + i] = source[s + i]!
}

function equalsAt(bytes: Uint8Array, offset: number, expected: Uint8Array): boolean {
  for (let i = 0; i < LEAF_SIZE_BYTES; i++) if (bytes[offset + i] !== expected[i]) return false
  return true
}
