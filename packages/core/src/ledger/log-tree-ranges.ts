/**
 * Which subtrees a proof consists of: RFC 6962's recursions over numbers of leaves alone, without a hash.
 *
 * @see RFC 6962 §2.1.1 and §2.1.2
 */
import { merkleSplit } from '../evidence/merkle-root.ts'

/** Leaves `from` to `to` − 1: a subtree of RFC 6962's tree. */
export interface LeafRange {
  readonly from: number
  readonly to: number
}

/** A full subtree: leaves `index` · 2^height and so many on. */
export interface TreeNode {
  readonly height: number
  readonly index: number
}

/** The siblings on the way from a leaf to the root, the leaf's own first. */
export function inclusionRanges(leaf: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const split = from + merkleSplit(to - from)
    ranges.push(leaf < split ? { from: split, to } : { from, to: split })
    if (leaf < split) to = split
    else from = split
  }
  return ranges.reverse()
}

/**
 * The subtrees that lead to the roots of both trees. The first always ends where the older tree ends, also when it is the
 * whole of that: RFC 6962 leaves it out then.
 */
export function consistencyRanges(older: number, newer: number): LeafRange[] {
  const ranges: LeafRange[] = []
  let [from, to] = [0, newer]
  while (older !== to) {
    const split = from + merkleSplit(to - from)
    ranges.push(older <= split ? { from: split, to } : { from, to: split })
    if (older <= split) to = split
    else from = split
  }
  return [...ranges, { from, to }].reverse()
}

/** The full subtrees that a subtree consists of, the largest first. */
export function nodesOf({ from, to }: LeafRange): TreeNode[] {
  const nodes: TreeNode[] = []
  for (let start = from; start < to; ) {
    const height = heightOf(to - start)
    nodes.push({ height, index: start / 2 ** height })
    start += 2 ** height
  }
  return nodes
}

/** Exact where a logarithm is not: near 2^49 that rounds up. */
function heightOf(count: number): number {
  let height = 0
  while (2 ** (height + 1) <= count) height += 1
  return height
}
