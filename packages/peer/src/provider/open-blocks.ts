/** Serves public blocks by CID, end to end in the order asked. */
import { type HandlerContext, type Reply, type readBlocks, refuse } from '@holdfast/core'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { z } from 'zod'
import { type BlockPosition, type PieceStore, PLACES_TRIED_MAX } from '../storage/index.ts'
import { blocksAhead, readWhole } from './blocks-ahead.ts'
import type { ProviderComponents } from './components.ts'
import { type PlacedBlock, streamBlocks } from './stream-blocks.ts'
import { returning } from './transfer-budget.ts'

interface OpenedBlocks {
  readonly header: z.output<typeof readBlocks.response>
  readonly chunks: AsyncIterable<Uint8Array>
}

export async function openBlocks(
  { store, blocks, budget }: Pick<ProviderComponents, 'store' | 'blocks' | 'budget'>,
  { cids, range }: z.output<typeof readBlocks.request>,
  { remotePeer, signal, cut }: HandlerContext
): Promise<Reply<OpenedBlocks>> {
  const placed: PlacedBlock[] = []
  for (const cid of cids) {
    const block = await placeBlock(store, blocks, cid)
    if (block === undefined) return refuse('BLOCK_MISSING', `I do not have block ${cid}`)
    placed.push(block)
  }
  const [root] = placed
  const place = (cid: CID) => placeBlock(store, blocks, cid)
  const ahead = range === undefined || placed.length > 1 ? [] : await blocksAhead(root!, range, { place, blocks })
  // Before the root and last first: then a leaf of a whole chunk lies in one, and is copied at neither end.
  placed.unshift(...ahead.toReversed())
  const sizesBytes = placed.map(({ sizeBytes }) => sizeBytes)
  const taken = budget.take(
    remotePeer.toString(),
    sizesBytes.reduce((sum, size) => sum + size, 0),
    cut
  )
  if (!taken.ok) return taken
  const chunks = returning(streamBlocks(store, placed), taken, signal)
  const header = { sizesBytes, ...(ahead.length > 0 && { ahead: ahead.map(({ cid }) => cid) }) }
  return { ok: true, value: { header, chunks } }
}

/**
 * A CAR may call any bytes by any CID where its hash is not one that intake checks, so where pieces differ about a block's
 * length only the block itself can tell.
 *
 * @returns undefined for a block that is not here
 */
async function placeBlock(
  store: Pick<PieceStore, 'findBlocks'>,
  blocks: Pick<Blockstore, 'get'>,
  cid: CID
): Promise<PlacedBlock | undefined> {
  const positions: BlockPosition[] = []
  for await (const position of store.findBlocks(cid)) {
    positions.push(position)
    if (positions.length === PLACES_TRIED_MAX) break
  }
  const [first] = positions
  if (first === undefined) return undefined
  if (positions.every(({ length }) => length === first.length)) return { cid, sizeBytes: first.length, positions }
  const sizeBytes = await sizeOfBlock(blocks, cid)
  if (sizeBytes === undefined) return undefined
  return { cid, sizeBytes, positions: positions.filter(({ length }) => length === sizeBytes) }
}

async function sizeOfBlock(blocks: Pick<Blockstore, 'get'>, cid: CID): Promise<number | undefined> {
  try {
    return (await readWhole(blocks, cid)).length
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return undefined
    throw error
  }
}
