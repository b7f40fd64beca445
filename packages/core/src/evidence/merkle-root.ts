/** The Merkle tree hash of RFC 6962 over digests: leaves and nodes are told apart, so that neither passes for the other. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** The hash of a leaf's bytes, 32 bytes. */
export function hashMerkleLeaf(leaf: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF, leaf))
}

/** The hash of a node over those of its two children, 32 bytes. */
export function hashMerkleNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE, left, right))
}

/** How many leaves the left child of a tree covers: the largest power of two below `size`, which is at least 2. */
export function merkleSplit(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/** @see RFC 6962 §2.1 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array())
  if (leaves.length === 1) return hashMerkleLeaf(leaves[0]!)
  const split = merkleSplit(leaves.length)
  return hashMerkleNode(merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split)))
}
