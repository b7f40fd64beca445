/** Serves public blocks by CID, end to end in the order asked. */
import { type HandlerContext, type Reply, type readBlocks, refuse } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import type { z } from 'zod'
import { blocksAhead } from './blocks-ahead.ts'
import type { ProviderComponents } from './components.ts'
import { placeBlock } from './place-block.ts'
import { type PlacedBlock, streamBlocks } from './stream-blocks.ts'
import { returning } from './transfer-budget.ts'

interface OpenedBlocks {
  readonly header: z.output<typeof readBlocks.response>
  readonly chunks: AsyncIterable<Uint8Array>
  readonly sizeBytes: number
  readonly release: () => void
}

export async function openBlocks(
  { store, blocks, budget }: Pick<ProviderComponents, 'store' | 'blocks' | 'budget'>,
  { cids, range, part }: z.output<typeof readBlocks.request>,
  { remotePeer, signal, cut }: HandlerContext
): Promise<Reply<OpenedBlocks>> {
  const place = (cid: CID) => placeBlock({ store, blocks }, cid)
  const isRange = range !== undefined && cids.length === 1
  const looking = isRange ? blocksAhead(cids[0]!, range, { place, blocks }) : Promise.resolve([])
  looking.catch(() => undefined) // heard of below
  const placed: PlacedBlock[] = []
  for (const cid of cids) {
    const block = await place(cid)
    if (block === undefined) return refuse('BLOCK_MISSING', `I do not have block ${cid}`)
    placed.push(block)
  }
  const ahead = await looking
  // Before the root and last first: then a leaf of a whole chunk lies in one, and is copied at neither end.
  placed.unshift(...ahead.toReversed())
  if (part !== undefined && !(placed.length === 1 && liesIn(part, placed[0]!)))
    return refuse('BAD_RANGE', 'a part is some bytes of one block')
  const placedBytes = sum(placed.map(({ sizeBytes }) => sizeBytes))
  const sizesBytes = part === undefined ? placed.map(({ sizeBytes }) => sizeBytes) : [part.length]
  // Where checksums do not agree, the whole block is read for a part of it: a byte costs what all of it does.
  const taken = budget.take(remotePeer.toString(), placedBytes, cut)
  if (!taken.ok) return taken
  const { chunks, release } = streamBlocks(store, placed, { part })
  const header = { sizesBytes, ...(ahead.length > 0 && { ahead: ahead.map(({ cid }) => cid) }) }
  return { ok: true, value: { header, chunks: returning(chunks, taken, signal), sizeBytes: sum(sizesBytes), release } }
}

type BlockPart = NonNullable<z.output<typeof readBlocks.request>['part']>

function sum(sizesBytes: readonly number[]): number {
  return sizesBytes.reduce((total, size) => total + size, 0)
}

function liesIn({ offset, length }: BlockPart, { sizeBytes }: PlacedBlock): boolean {
  return length > 0 && offset + length <= sizeBytes
}
