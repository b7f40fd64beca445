/**
 * Indexes the blocks of public pieces, one piece after the other, while the store does other things.
 *
 * A piece counts as indexed only when all of its blocks are; what a stop or a crash interrupts begins anew with the next
 * start.
 */
import { CID } from 'multiformats/cid'
import { BLOCKS_INDEXED_MAX, indexBlocks } from './block-indexing.ts'
import { isPublic } from './piece-holders.ts'
import type { PieceIndex, PieceRecord } from './piece-index.ts'
import { commitmentOf } from './piece-records.ts'
import type { PieceStoreEvent } from './piece-store.ts'
import type { VerifiedReader } from './verified-reader.ts'

export interface BlockIndexerHooks {
  readonly index: PieceIndex
  readonly reader: VerifiedReader
  /** Runs beside no other change of records. */
  inTurn(work: () => Promise<void>): Promise<void>
  markDamaged(cid: CID): void
  report(event: PieceStoreEvent): void
  readonly signal: AbortSignal
}

/** Whether a piece's blocks are to be found, and are not yet. */
export function wantsIndex({ isCar, isIndexed, holders }: PieceRecord): boolean {
  return isCar && !isIndexed && isPublic(holders)
}

export class BlockIndexer {
  readonly #hooks: BlockIndexerHooks
  #last: Promise<void> = Promise.resolve()

  constructor(hooks: BlockIndexerHooks) {
    this.#hooks = hooks
  }

  /** Never rejects: blocks that cannot be indexed now are with the next start. */
  add(cid: CID): Promise<void> {
    this.#last = this.#last.then(() => this.#run(cid.toString()))
    return this.#last
  }

  /** Resolves when everything is done that was added so far. */
  idle(): Promise<void> {
    return this.#last
  }

  async #run(piece: string): Promise<void> {
    const { index, report, signal } = this.#hooks
    const notIndexed = (reason: string) => report({ type: 'blocks-not-indexed', piece, reason })
    try {
      const record = await index.get(piece)
      if (record === undefined || !wantsIndex(record) || signal.aborted) return
      if (record.blockCount > BLOCKS_INDEXED_MAX) return notIndexed(`more than ${BLOCKS_INDEXED_MAX} blocks`)
      if (!(await this.#indexBlocks(piece))) {
        this.#hooks.markDamaged(CID.parse(piece))
        return notIndexed('its file is no longer the CAR that it was')
      }
      await this.#hooks.inTurn(async () => {
        const now = await index.get(piece)
        if (now !== undefined && wantsIndex(now)) await index.put(piece, { ...now, isIndexed: true })
        else await index.deleteBlocks(piece)
      })
    } catch (error) {
      if (!signal.aborted) notIndexed(error instanceof Error ? error.message : String(error))
    }
  }

  #indexBlocks(piece: string): Promise<boolean> {
    const { index, reader, signal } = this.#hooks
    const { rawSize } = commitmentOf(piece)
    return indexBlocks({ name: piece, rawSize, bytes: reader.open(CID.parse(piece), rawSize) }, index, signal)
  }
}
