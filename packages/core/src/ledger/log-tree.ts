/**
 * The Merkle tree over the log: RFC 6962, one leaf an entry, the leaf's bytes being the entry's encoded ones.
 *
 * Grows with the log and gives its root after every entry in O(log n). Of full groups of 256 leaves it keeps only the
 * nodes from the group's root upwards, some 250 KiB a million entries; what lies below is computed again from the entries
 * when a proof needs it, and checked against the kept root, so that a log that has changed on disk is noticed and never
 * proved. Everybody who holds the log has one: host, followers, tools.
 */
import { equalBytes } from '@noble/curves/utils.js'
import { CoreError } from '../error.ts'
import { hashMerkleLeaf, hashMerkleNode, merkleRoot } from '../evidence/merkle-root.ts'
import { createHashList, type HashList } from './hash-list.ts'
import { consistencyRanges, inclusionRanges, type LeafRange, nodesOf, type TreeNode } from './log-tree-ranges.ts'

/** Full groups have 2^8 leaves: a proof reads at most two of them. */
const GROUP_HEIGHT = 8
const GROUP_LEAVES = 2 ** GROUP_HEIGHT

/** Gives encoded entries in order, sequences `from` to `to` − 1. */
export type EntryReader = (from: number, to: number) => AsyncIterable<Uint8Array>

/** All that a tree must remember, as plain data for a snapshot. */
export interface LogTreeState {
  /** entries, or leaves */
  readonly size: number
  /** roots of the full groups of 256 leaves, end to end, 32 bytes each */
  readonly groups: Uint8Array
  /** hashes of the leaves after them, end to end */
  readonly leaves: Uint8Array
}

export interface LogTree {
  /** entries so far */
  readonly size: number
  /** @param entry - encoded; hashed, not kept */
  append(entry: Uint8Array): void
  /** Of all entries so far. */
  root(): Uint8Array
  /** The root when there were so many entries. @throws as `inclusion` */
  rootAt(size: number, read: EntryReader): Promise<Uint8Array>
  /**
   * The path of entry `index` in the tree of the first `size` entries; at most two groups are read.
   *
   * @throws {RangeError} outside the tree
   * @throws {CoreError} `LOG_DAMAGED` when what is read is not what was appended
   */
  inclusion(index: number, size: number, read: EntryReader): Promise<Uint8Array[]>
  /**
   * That the first `from` entries are the beginning of the first `to`: a path for `verifyConsistency`.
   *
   * @throws as `inclusion`
   */
  consistency(from: number, to: number, read: EntryReader): Promise<Uint8Array[]>
  /** A copy of what the tree remembers. */
  save(): LogTreeState
}

/**
 * @param saved - where to go on from; its numbers are checked, its hashes cannot be
 * @throws {RangeError} when the saved state does not fit its own size
 */
export function createLogTree(saved: LogTreeState = { size: 0, groups: NOTHING, leaves: NOTHING }): LogTree {
  /** Nodes by height: below the group's, of the group being filled only; from there on, of the whole tree. */
  const layers: HashList[] = []
  let size = 0

  function layerAt(height: number): HashList {
    while (layers.length <= height) layers.push(createHashList())
    return layers[height]!
  }

  /** Puts a full subtree behind the last one of its height, and joins pairs upwards. */
  function push(hash: Uint8Array, height: number): void {
    const layer = layerAt(height)
    layer.push(hash)
    if (layer.length % 2 === 0) push(hashMerkleNode(layer.at(layer.length - 2), hash), height + 1)
  }

  function pushLeaf(hash: Uint8Array): void {
    push(hash, 0)
    size += 1
    if (size % GROUP_LEAVES === 0) for (const layer of layers.slice(0, GROUP_HEIGHT)) layer.clear()
  }

  /** The hash of a full subtree, or undefined when it lies in a full group and below its root. */
  function kept({ height, index }: TreeNode): Uint8Array | undefined {
    if (height >= GROUP_HEIGHT) return layerAt(height).at(index)
    const before = groupOf({ height, index }) * 2 ** (GROUP_HEIGHT - height)
    return groupOf({ height, index }) === Math.floor(size / GROUP_LEAVES)
      ? layerAt(height).at(index - before)
      : undefined
  }

  /** Copies what is at hand before it waits for the first time: the tree may grow meanwhile. */
  async function hashesOf(ranges: readonly LeafRange[], read: EntryReader): Promise<Uint8Array[]> {
    const wanted = ranges.map(range => nodesOf(range).map(node => ({ node, hash: kept(node) })))
    const groups = new Map<number, HashList[]>()
    for (const { node, hash } of wanted.flat()) {
      const group = groupOf(node)
      if (hash === undefined && !groups.has(group)) groups.set(group, await readGroup(group, read))
    }
    const find = ({ height, index }: TreeNode) =>
      groups.get(groupOf({ height, index }))![height]!.at(index % 2 ** (GROUP_HEIGHT - height))
    return wanted.map(nodes => rootOver(nodes.map(({ node, hash }) => hash ?? find(node))))
  }

  /** The layers of a full group below its root. */
  async function readGroup(group: number, read: EntryReader): Promise<HashList[]> {
    const from = group * GROUP_LEAVES
    const leaves = createHashList()
    for await (const entry of read(from, from + GROUP_LEAVES)) leaves.push(hashMerkleLeaf(entry))
    const below = [leaves]
    for (let layer = leaves; layer.length > 1; below.push(layer)) layer = joinPairs(layer)
    const root = layerAt(GROUP_HEIGHT).at(group)
    if (leaves.length !== GROUP_LEAVES || !equalBytes(below[GROUP_HEIGHT]!.at(0), root)) {
      throw new CoreError(
        'LOG_DAMAGED',
        `entries ${from} to ${from + GROUP_LEAVES - 1} of the log are not what they were when they were appended`,
        { from, to: from + GROUP_LEAVES }
      )
    }
    return below
  }

  function expectSize(given: number): void {
    if (!Number.isSafeInteger(given) || given < 0 || given > size) {
      throw new RangeError(`expected a size of 0 to ${size} entries, got ${given}`)
    }
  }

  restore(
    saved,
    hash => push(hash, GROUP_HEIGHT),
    pushLeaf,
    groups => {
      size = groups * GROUP_LEAVES
    }
  )

  return {
    get size() {
      return size
    },
    append: entry => pushLeaf(hashMerkleLeaf(entry)),
    root: () => rootOver(nodesOf({ from: 0, to: size }).map(node => kept(node)!)),
    async rootAt(given, read) {
      expectSize(given)
      return (await hashesOf([{ from: 0, to: given }], read))[0]!
    },
    async inclusion(index, given, read) {
      expectSize(given)
      if (!Number.isSafeInteger(index) || index < 0 || index >= given)
        throw new RangeError(`expected an entry below ${given}, got ${index}`)
      return await hashesOf(inclusionRanges(index, given), read)
    },
    async consistency(from, to, read) {
      expectSize(to)
      if (!Number.isSafeInteger(from) || from < 1 || from > to)
        throw new RangeError(`expected an older size of 1 to ${to}, got ${from}`)
      return await hashesOf(consistencyRanges(from, to), read)
    },
    save: () => ({ size, groups: layerAt(GROUP_HEIGHT).bytes(), leaves: layerAt(0).bytes() })
  }
}

const NOTHING = new Uint8Array()

function restore(
  { size, groups, leaves }: LogTreeState,
  pushGroup: (hash: Uint8Array) => void,
  pushLeaf: (hash: Uint8Array) => void,
  skipTo: (groups: number) => void
): void {
  const [groupCount, leafCount] = [Math.floor(size / GROUP_LEAVES), size % GROUP_LEAVES]
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`expected a size of at least 0, got ${size}`)
  const [groupList, leafList] = [createHashList(groups), createHashList(leaves)]
  if (groupList.length !== groupCount || leafList.length !== leafCount) {
    throw new RangeError(
      `expected ${groupCount} groups and ${leafCount} leaves of a tree of ${size}, got ${groupList.length} and ${leafList.length}`
    )
  }
  for (let index = 0; index < groupCount; index += 1) pushGroup(groupList.at(index))
  skipTo(groupCount)
  for (let index = 0; index < leafCount; index += 1) pushLeaf(leafList.at(index))
}

function groupOf({ height, index }: TreeNode): number {
  return Math.floor(index / 2 ** (GROUP_HEIGHT - height))
}

function joinPairs(layer: HashList): HashList {
  const above = createHashList()
  for (let index = 0; index + 1 < layer.length; index += 2)
    above.push(hashMerkleNode(layer.at(index), layer.at(index + 1)))
  return above
}

/** The root over full subtrees that stand side by side, the largest first. */
function rootOver(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.length === 0 ? merkleRoot([]) : hashes.reduceRight((right, left) => hashMerkleNode(left, right))
}
