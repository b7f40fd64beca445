/** Finds where a public block stands, and how long it is. */
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { type BlockPosition, type PieceStore, PLACES_TRIED_MAX } from '../storage/index.ts'
import { readWhole } from './blocks-ahead.ts'
import type { PlacedBlock } from './stream-blocks.ts'

export interface PlaceComponents {
  readonly store: Pick<PieceStore, 'findBlocks' | 'indexed'>
  readonly blocks: Pick<Blockstore, 'get'>
}

/**
 * A client reads what it has just stored: of a piece of many blocks, some may not be found yet, and are waited for.
 *
 * @returns undefined for a block that is not here
 */
export async function placeBlock(components: PlaceComponents, cid: CID): Promise<PlacedBlock | undefined> {
  const block = await placeIndexed(components, cid)
  if (block !== undefined) return block
  await components.store.indexed()
  return placeIndexed(components, cid)
}

/**
 * A CAR may call any bytes by any CID where its hash is not one that intake checks, so where pieces differ about a block's
 * length only the block itself can tell.
 */
async function placeIndexed({ store, blocks }: PlaceComponents, cid: CID): Promise<PlacedBlock | undefined> {
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
