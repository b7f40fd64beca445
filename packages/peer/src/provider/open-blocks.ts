/** Serves public blocks by CID, end to end in the order asked. */
import { type HandlerContext, type Reply, refuse } from '@holdfast/core'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { PieceStore } from '../storage/index.ts'
import type { ProviderComponents } from './components.ts'
import { returning } from './transfer-budget.ts'

interface OpenedBlocks {
  readonly header: { readonly sizesBytes: number[] }
  readonly chunks: AsyncIterable<Uint8Array>
}

export async function openBlocks(
  { store, blocks, budget }: Pick<ProviderComponents, 'store' | 'blocks' | 'budget'>,
  cids: readonly CID[],
  { remotePeer, signal }: HandlerContext
): Promise<Reply<OpenedBlocks>> {
  const sizesBytes: number[] = []
  for (const cid of cids) {
    const sizeBytes = await sizeOfBlock(store, blocks, cid)
    if (sizeBytes === undefined) return refuse('BLOCK_MISSING', `I do not have block ${cid}`)
    sizesBytes.push(sizeBytes)
  }
  const taken = budget.take(
    remotePeer.toString(),
    sizesBytes.reduce((sum, size) => sum + size, 0)
  )
  if (!taken.ok) return taken
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const cid of cids) yield* await toChunks(blocks.get(cid))
  }
  return { ok: true, value: { header: { sizesBytes }, chunks: returning(chunks(), taken.giveBack, signal) } }
}

/**
 * A CAR may call any bytes by any CID where its hash is not one that intake checks, so where pieces differ about a block's
 * length only the block itself can tell.
 *
 * @returns undefined for a block that is not here
 */
async function sizeOfBlock(
  store: Pick<PieceStore, 'findBlocks'>,
  blocks: Pick<Blockstore, 'get'>,
  cid: CID
): Promise<number | undefined> {
  const claims = new Set<number>()
  for await (const { length } of store.findBlocks(cid)) claims.add(length)
  if (claims.size < 2) return [...claims][0]
  try {
    let sizeBytes = 0
    for await (const chunk of await toChunks(blocks.get(cid))) sizeBytes += chunk.length
    return sizeBytes
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return undefined
    throw error
  }
}

/** interface-blockstore allows a block in one piece or in several. */
async function toChunks(
  block: ReturnType<Blockstore['get']>
): Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>> {
  const value = await block
  return value instanceof Uint8Array ? [value] : value
}
