/** The Merkle tree hash of RFC 6962 over digests: leaves and nodes are told apart, so that neither passes for the other. */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** @see RFC 6962 §2.1 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array())
  if (leaves.length === 1) return sha256(concatBytes(LEAF, leaves[0]!))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(concatBytes(NODE, merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split))))
}
