/**
 * Which nodes a proof needs: the shape of every proof in this package.
 *
 * A proof is about a set of leaves, written as *runs*: a flat array `[start, end, start, end, …]`, ascending, neither
 * overlapping nor touching. One leaf is a run of one; a leaf range is one run. Going up a level, a run needs the node on
 * its left when it starts at a right child, and the node on its right when it ends behind a left child. Nodes to the right
 * of all data are zero nodes: everyone knows them, so they are never sent. What is left over, level by level from the
 * leaves and from left to right within a level, is *the* node list of the proof: there is one such list for a set of
 * leaves, no node stands in it twice, and its length is known before a byte of it is read.
 *
 * Indices reach 2^50: arithmetic, no bit operations.
 */

/** `[start, end, start, end, …]`, ascending, neither overlapping nor touching; ends are exclusive. */
export type LeafRuns = Float64Array

/** @param leaves - distinct leaf indices, ascending */
export function runsOfLeaves(leaves: readonly number[]): LeafRuns {
  const runs: number[] = []
  for (const leaf of leaves) {
    if (runs.at(-1) === leaf) runs[runs.length - 1] = leaf + 1
    else runs.push(leaf, leaf + 1)
  }
  return Float64Array.from(runs)
}

/**
 * Replaces runs by those of their parents, in place.
 *
 * @param runs - the runs of a level in its first `length` numbers
 * @returns numbers that the runs of the parents take, at most `length`
 */
export function raiseRuns(runs: LeafRuns, length: number): number {
  let raised = 0
  for (let i = 0; i < length; i += 2) {
    const start = Math.floor(runs[i]! / 2)
    const end = Math.floor((runs[i + 1]! + 1) / 2)
    if (raised > 0 && runs[raised - 1] === start) {
      runs[raised - 1] = end
    } else {
      runs[raised] = start
      runs[raised + 1] = end
      raised += 2
    }
  }
  return raised
}

/** @returns whether a node at this index is a right child, so that its left neighbour is its sibling */
export function isRightChild(index: number): boolean {
  return index - 2 * Math.floor(index / 2) === 1
}

/** A node of a tree: its level, leaves being 0, and its index within the level. */
export interface NodePosition {
  level: number
  index: number
}

/**
 * Lists the nodes that a proof sends, in its order.
 *
 * @param runs - the leaves that are proved
 * @param dataLeafCount - leaves that hold data: nodes to the right of them are not sent
 */
export function planNodes(runs: LeafRuns, height: number, dataLeafCount: number): NodePosition[] {
  const plan: NodePosition[] = []
  const current = runs.slice()
  let length = runs.length
  let dataCount = dataLeafCount
  for (let level = 0; level < height; level++) {
    for (let i = 0; i < length; i += 2) {
      const start = current[i]!
      const end = current[i + 1]!
      if (isRightChild(start)) plan.push({ level, index: start - 1 })
      if (isRightChild(end) && end < dataCount) plan.push({ level, index: end })
    }
    length = raiseRuns(current, length)
    dataCount = Math.ceil(dataCount / 2)
  }
  return plan
}
