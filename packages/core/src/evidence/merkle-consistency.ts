/**
 * Consistency paths of RFC 6962: that one tree is the beginning of a larger one, and what is not.
 *
 * Over foreign bytes: bounds first, nothing throws. Numbers of leaves may reach 2^53 − 1, so that nothing is shifted.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { MERKLE_PATH_NODES_MAX } from './merkle-path.ts'
import { hashMerkleNode } from './merkle-root.ts'

/** Longest consistency path: one node a level, and the one that both trees begin with. */
export const CONSISTENCY_PATH_NODES_MAX: number = MERKLE_PATH_NODES_MAX + 1

/** What a consistency path is checked against. Of it only `path` may be a stranger's. */
export interface ConsistencyClaim {
  /** Leaves of the older tree, at least one. */
  readonly from: number
  readonly fromRoot: Uint8Array
  /** Leaves of the newer tree, at least `from`. */
  readonly to: number
  readonly toRoot: Uint8Array
  /** See `consistencyRoots`. */
  readonly path: readonly Uint8Array[]
}

/** Says whether the older tree is the beginning of the newer one; never throws on foreign bytes or numbers. */
export function verifyConsistency({ from, fromRoot, to, toRoot, path }: ConsistencyClaim): boolean {
  const roots = consistencyRoots(from, to, path)
  return roots !== undefined && equalBytes(roots.from, fromRoot) && equalBytes(roots.to, toRoot)
}

/**
 * The roots of the older and the newer tree that a path leads to. Sizes and newer root decide the older root: whoever
 * shows a path to a tree's true root shows with what the tree begins, and so also with what it does not.
 *
 * @param path - RFC 6962's, with the older tree's root in front where that leaves it out (`from` a power of two, or
 * equal to `to`)
 * @returns undefined when this is no path between trees of these sizes
 * @see RFC 9162 §2.1.4.2
 */
export function consistencyRoots(
  from: number,
  to: number,
  path: readonly Uint8Array[]
): { readonly from: Uint8Array; readonly to: Uint8Array } | undefined {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 1 || from > to) return undefined
  if (path.length > CONSISTENCY_PATH_NODES_MAX || path.some(({ length }) => length !== 32)) return undefined
  const [first, ...rest] = path
  if (first === undefined) return undefined
  if (from === to) return rest.length === 0 ? { from: first, to: first } : undefined
  let [place, last] = [from - 1, to - 1]
  // What both trees have in full, from the left on, is one node: the path's first.
  while (place % 2 === 1) [place, last] = [(place - 1) / 2, Math.floor(last / 2)]
  let [older, newer] = [first, first]
  for (const node of rest) {
    if (last === 0) return undefined
    if (place % 2 === 1 || place === last) {
      ;[older, newer] = [hashMerkleNode(node, older), hashMerkleNode(node, newer)]
      while (place % 2 === 0 && place !== 0) [place, last] = [place / 2, Math.floor(last / 2)]
    } else newer = hashMerkleNode(newer, node)
    ;[place, last] = [Math.floor(place / 2), Math.floor(last / 2)]
  }
  return last === 0 ? { from: older, to: newer } : undefined
}
