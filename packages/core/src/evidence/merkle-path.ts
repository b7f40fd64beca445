/**
 * Merkle paths of RFC 6962: that one leaf stands at one place of a tree whose root and size are known.
 *
 * Place and size decide how long a path is and on which side each node stands, so that a path proves nothing about any
 * other place.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { hashMerkleNode, merkleRoot, merkleSplit } from './merkle-root.ts'

/** Longest path: of a tree of 2^53 leaves. What comes from a stranger is cut here before it is looked at. */
export const MERKLE_PATH_NODES_MAX = 53

/**
 * The nodes that, with the leaf, give the root; the leaf's own sibling first. Hashes the whole tree.
 *
 * @param leaves - bytes of the leaves, not hashed yet
 * @throws {RangeError} when the tree has no such leaf
 * @see RFC 6962 §2.1.1
 */
export function merklePath(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length)
    throw new RangeError(`expected 0 ≤ index < ${leaves.length}, got ${index}`)
  if (leaves.length === 1) return []
  const split = merkleSplit(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return index < split
    ? [...merklePath(left, index), merkleRoot(right)]
    : [...merklePath(right, index - split), merkleRoot(left)]
}

/** What a path is checked against. Of it only `path` may be a stranger's; `leafHash` is `hashMerkleLeaf` of the leaf. */
export interface MerklePathClaim {
  readonly root: Uint8Array
  readonly leafHash: Uint8Array
  readonly index: number
  /** Leaves of the tree. */
  readonly size: number
  readonly path: readonly Uint8Array[]
}

/**
 * Says whether the leaf stands at `index` of the tree; never throws on foreign bytes or numbers.
 *
 * A path one node too long or too short does not verify.
 *
 * @see RFC 9162 §2.1.3.2
 */
export function verifyMerklePath({ root, leafHash, index, size, path }: MerklePathClaim): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  let hash = leafHash
  let place = index
  let last = size - 1
  for (const node of path) {
    if (last === 0 || node.length !== 32) return false
    if (place % 2 === 1 || place === last) {
      hash = hashMerkleNode(node, hash)
      // A last node without a sibling rises unchanged until it is a right child.
      while (place % 2 === 0 && place !== 0) [place, last] = [place / 2, Math.floor(last / 2)]
    } else hash = hashMerkleNode(hash, node)
    ;[place, last] = [Math.floor(place / 2), Math.floor(last / 2)]
  }
  return last === 0 && equalBytes(hash, root)
}
