/**
 * Random ways through a DAG that strangers made, a block at a time: to a leaf, or to a file and a range of it.
 *
 * A way down is drawn by what nodes say lies below each link, so that every byte of the object is about as likely as any
 * other. What a node says may be wrong, but it stands under the root's hash: who made the object chose it beforehand, and a
 * provider cannot.
 */
import type { CID } from 'multiformats/cid'
import { cidFault, inlineBlock } from '../content/block.ts'
import { decodeNode } from '../content/decode-node.ts'
import type { NodeLink, UnixfsNode } from '../content/unixfs-node.ts'
import { CoreError } from '../error.ts'
import type { Draw } from '../rounds/draw.ts'

/** Deeper objects are checked down to here. */
const DEPTH_MAX = 64

/** Gives the checked bytes of a block. @throws what the walk is to end with */
export type FetchBlock = (cid: CID) => Promise<Uint8Array>

/** A file of the object, as `readBytes` takes it. */
export interface FoundFile {
  readonly path: readonly string[]
  readonly sizeBytes: number
}

/** @returns how many blocks were fetched on the way down to a leaf: at least the root, where its hash is one that is known */
export async function walkToLeaf(root: CID, fetch: FetchBlock, draw: Draw): Promise<number> {
  let cid: CID | undefined = root
  let blocks = 0
  for (let depth = 0; cid !== undefined && depth < DEPTH_MAX; depth += 1) {
    if (cidFault(cid) !== undefined || inlineBlock(cid) !== undefined) break
    const node = decodeFound(cid, await fetch(cid))
    blocks += 1
    cid = node === undefined ? undefined : linkBelow(node, draw)
  }
  return blocks
}

/** @returns undefined when the way ends in an empty directory, at a symbolic link, or in what is no content */
export async function walkToFile(root: CID, fetch: FetchBlock, draw: Draw): Promise<FoundFile | undefined> {
  const path: string[] = []
  let cid = root
  for (let depth = 0; depth < DEPTH_MAX; depth += 1) {
    if (cidFault(cid) !== undefined) return undefined
    const node = decodeFound(cid, inlineBlock(cid) ?? (await fetch(cid)))
    if (node?.kind === 'file') {
      const sizeBytes = Number(node.sizeBytes)
      return Number.isSafeInteger(sizeBytes) ? { path, sizeBytes } : undefined
    }
    if (node === undefined || node.kind === 'symlink') return undefined
    const link = drawWeighted(node.links, ({ sizeHint }) => sizeHint ?? 1, draw)
    if (link === undefined) return undefined
    if (isEntry(node, link)) path.push(node.kind === 'shard' ? link.name.slice(node.prefixLength) : link.name)
    cid = link.cid
  }
  return undefined
}

/** What a checked block is; undefined when it is no sound content, which is not its provider's fault. */
function decodeFound(cid: CID, bytes: Uint8Array): UnixfsNode | undefined {
  try {
    return decodeNode(cid, bytes)
  } catch (error) {
    if (error instanceof CoreError) return undefined
    throw error
  }
}

function linkBelow(node: UnixfsNode, draw: Draw): CID | undefined {
  if (node.kind === 'file') return drawWeighted(node.parts, ({ sizeBytes }) => Number(sizeBytes), draw)?.cid
  if (node.kind === 'symlink') return undefined
  return drawWeighted(node.links, ({ sizeHint }) => sizeHint ?? 1, draw)?.cid
}

/** In a shard, a link that is named by its slot alone leads to a further shard of the same directory. */
function isEntry(node: UnixfsNode & { readonly kind: 'directory' | 'shard' }, { name }: NodeLink): boolean {
  return node.kind === 'directory' || name.length > node.prefixLength
}

/** One of them, by weight; each counts for something, whatever is said of it. @returns undefined of none */
export function drawWeighted<Item>(
  items: readonly Item[],
  weightOf: (item: Item) => number,
  draw: Draw
): Item | undefined {
  const weights = items.map(item => {
    const weight = weightOf(item)
    return Number.isFinite(weight) && weight > 1 ? weight : 1
  })
  let left = fractionOf(draw) * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [index, item] of items.entries()) {
    left -= weights[index]!
    if (left < 0) return item
  }
  return items.at(-1)
}

/** 0 ≤ x < 1, of 32 bits. */
export function fractionOf(draw: Draw): number {
  return draw.below(2 ** 32) / 2 ** 32
}
