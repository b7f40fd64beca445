import { portableNodeHasher } from './node-hasher.ts'
import { HEIGHT_MAX, LEAF_SIZE_BYTES } from './sizes.ts'

/** The roots of all-zero subtrees, lowest first: `zeroNodes[k]` covers 2^k zero leaves. 51 hashes, once. */
const zeroNodes: readonly Uint8Array[] = (() => {
  const nodes = [new Uint8Array(LEAF_SIZE_BYTES)]
  const pair = new Uint8Array(2 * LEAF_SIZE_BYTES)
  for (let level = 0; level < HEIGHT_MAX; level++) {
    pair.set(nodes[level]!, 0)
    pair.set(nodes[level]!, LEAF_SIZE_BYTES)
    const parent = new Uint8Array(LEAF_SIZE_BYTES)
    portableNodeHasher.hashLayer(pair, parent)
    nodes.push(parent)
  }
  return nodes
})()

/**
 * The node over 2^level zero leaves: what stands wherever a piece has no data.
 *
 * @param level - 0 ≤ level ≤ {@link HEIGHT_MAX}
 * @returns shared bytes: read, never write
 */
export function zeroNode(level: number): Uint8Array {
  const node = zeroNodes[level]
  if (node === undefined) throw new RangeError(`level: expected an integer from 0 to ${HEIGHT_MAX}, got ${level}`)
  return node
}
