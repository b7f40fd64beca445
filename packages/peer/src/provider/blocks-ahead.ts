/**
 * What a reader of a range will ask for after a file's root, so that it is sent along: the nodes on the way and the first
 * leaves. Bounded by count and bytes, whatever the DAG looks like; every node is hashed before it is decoded.
 */
import { BLOCKS_AHEAD_MAX, BLOCKS_AHEAD_SIZE_BYTES_MAX, CoreError, partsInRange } from '@holdfast/core'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import type { PlacedBlock } from './stream-blocks.ts'

interface Components {
  /** @returns undefined for a block that is not here */
  readonly place: (cid: CID) => Promise<PlacedBlock | undefined>
  readonly blocks: Pick<Blockstore, 'get'>
}

/** @returns blocks in the order in which they are needed; none for a root that is no file, or is the file's only block */
export async function blocksAhead(
  root: CID,
  range: { readonly offset: number; readonly length: number },
  { place, blocks }: Components
): Promise<PlacedBlock[]> {
  if (root.code === raw.code) return []
  const found: PlacedBlock[] = []
  let sizeBytes = 0
  const partsOf = async (cid: CID, start: bigint) =>
    (await partsInRange(cid, () => readWhole(blocks, cid), start, range)).toReversed()
  try {
    /** The part that comes next is last. */
    const pending = await partsOf(root, 0n)
    while (found.length < BLOCKS_AHEAD_MAX) {
      const part = pending.pop()
      const block = part === undefined ? undefined : await place(part.cid)
      if (part === undefined || block === undefined) break
      sizeBytes += block.sizeBytes
      if (sizeBytes > BLOCKS_AHEAD_SIZE_BYTES_MAX) break
      found.push(block)
      const isLeaf = BigInt(block.sizeBytes) >= part.sizeBytes
      if (!isLeaf) pending.push(...(await partsOf(part.cid, part.start)))
    }
  } catch (error) {
    // A node that is damaged here, or no sound node: whoever asks for it by name hears of it.
    const isTheirs = error instanceof CoreError && error.code === 'MALFORMED_CONTENT'
    if (!isTheirs && !(error instanceof Error && error.name === 'NotFoundError')) throw error
  }
  return found
}

/** interface-blockstore allows a block in one piece or in several. */
export async function readWhole(blocks: Pick<Blockstore, 'get'>, cid: CID): Promise<Uint8Array> {
  const value = await blocks.get(cid)
  if (value instanceof Uint8Array) return value
  const parts: Uint8Array[] = []
  for await (const part of value) parts.push(part)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
