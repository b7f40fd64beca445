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
  readonly sizeBytes: number
  readonly release: () => void
}

export async function openBlocks(
  { store, blocks, budget }: Pick<ProviderComponents, 'store' | 'blocks' | 'budget'>,
  { cids, range, part }: z.output<typeof readBlocks.request>,
  { remotePeer, signal, cut }: HandlerContext
): Promise<Reply<OpenedBlocks>> {
  const place = async (cid: CID) => {
    const block = await placeBlock(store, blocks, cid)
    if (block !== undefined) return block
    // A client reads what it has just stored: of a piece of many blocks, some may not be found yet.
    await store.indexed()
    return placeBlock(store, blocks, cid)
  }
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
  // Of a part the whole block is held as well: a byte of it costs what all of it does.
  const taken = budget.take(remotePeer.toString(), placedBytes, cut)
  if (!taken.ok) return taken
  const { chunks, release } = streamBlocks(store, placed)
  const header = { sizesBytes, ...(ahead.length > 0 && { ahead: ahead.map(({ cid }) => cid) }) }
  const sent = part === undefined ? chunks : cutEach(chunks, part)
  return { ok: true, value: { header, chunks: returning(sent, taken, signal), sizeBytes: sum(sizesBytes), release } }
}

type BlockPart = NonNullable<z.output<typeof readBlocks.request>['part']>

function sum(sizesBytes: readonly number[]): number {
  return sizesBytes.reduce((total, size) => total + size, 0)
}

function liesIn({ offset, length }: BlockPart, { sizeBytes }: PlacedBlock): boolean {
  return length > 0 && offset + length <= sizeBytes
}

/** Out of blocks that were read and checked whole, and are kept for a while: who asks for a part of one mostly goes on in it. */
async function* cutEach(blocks: AsyncIterable<Uint8Array>, { offset, length }: BlockPart): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) yield block.subarray(offset, offset + length)
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
