/**
 * The hash of the tree: SHA-256 of 64 bytes (left, right) with the top two bits of the last byte cleared, so that a node
 * is a valid fr32 leaf value. There is no domain separation between leaves and nodes: only the fixed height of a tree
 * keeps them apart.
 *
 * Two implementations, chosen by name and never by silent fallback: `portableNodeHasher` here, and the native one in
 * `@holdfast/proofs/native`.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { expectBytes, expectFunction, expectObject } from './arguments.ts'
import { LEAF_SIZE_BYTES } from './sizes.ts'

/** Names of the implementations in this package. */
export type NodeHasherName = 'portable' | 'native'

/** Hashes whole layers: the unit in which a native implementation is fast. */
export interface NodeHasher {
  readonly name: NodeHasherName
  /**
   * Hashes each 64 bytes of `nodes` to 32 bytes of `parents`.
   *
   * `parents` may be the first half of `nodes` itself (in place); any other overlap is undefined. Both may be views on a
   * SharedArrayBuffer. Empty layers are allowed.
   *
   * @throws {RangeError} when `nodes` is no whole number of pairs or `parents` is not half as long
   */
  hashLayer(nodes: Uint8Array, parents: Uint8Array): void
}

const PAIR_SIZE_BYTES = 2 * LEAF_SIZE_BYTES

/** Requires something that hashes layers. */
export function expectNodeHasher(nodeHasher: NodeHasher): void {
  expectObject('nodeHasher', nodeHasher)
  expectFunction('nodeHasher.hashLayer', nodeHasher.hashLayer)
}

/** Requires a layer of whole pairs and room for exactly its parents. */
export function expectLayer(nodes: Uint8Array, parents: Uint8Array): void {
  expectBytes('nodes', nodes)
  if (nodes.length % PAIR_SIZE_BYTES !== 0)
    throw new RangeError(`nodes: expected a multiple of ${PAIR_SIZE_BYTES} bytes, got ${nodes.length}`)
  expectBytes('parents', parents, nodes.length / 2)
}

/** Clears the top two bits of each node. */
export function maskNodes(nodes: Uint8Array): void {
  for (let last = LEAF_SIZE_BYTES - 1; last < nodes.length; last += LEAF_SIZE_BYTES) nodes[last]! &= 0x3f
}

/** The state before the first byte, and one to work in: copying is 1.4 times as fast as creating a hash for each node. */
const fresh = sha256.create()
const working = sha256.create()

/** Pure JavaScript, for browsers and machines without a native build: about a thirtieth of the native speed. */
export const portableNodeHasher: NodeHasher = {
  name: 'portable',
  hashLayer(nodes, parents) {
    expectLayer(nodes, parents)
    for (let offset = 0; offset < parents.length; offset += LEAF_SIZE_BYTES) {
      fresh._cloneInto(working)
      working.update(nodes.subarray(2 * offset, 2 * offset + PAIR_SIZE_BYTES))
      working.digestInto(parents.subarray(offset, offset + LEAF_SIZE_BYTES))
    }
    maskNodes(parents)
  }
}
