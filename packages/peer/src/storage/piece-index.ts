/**
 * What a piece store remembers in Level: its pieces, who needs each, and where every block stands.
 *
 * ```
 * p!<piece>                 → record
 * b!<multihash>!<piece>     → offset,length      a block may stand in several pieces
 * r!<piece>!<offset>        → multihash          the way back, to forget the blocks of one piece
 * ```
 *
 * A record is written after its blocks and deleted before them: a piece with a record has all its blocks, and a block
 * without a record does not count.
 */
import type { BlockPlace } from './block-collector.ts'
import { DURABLE, type IndexLevel, type IndexOperation, type IndexWriteOptions, REBUILDABLE } from './index-level.ts'

/** Operations of one batch: some 500 KB. */
const BATCH_OPERATIONS_MAX = 4096

export interface PieceRecord {
  readonly isPublicCar: boolean
  readonly blockCount: number
  /** Deals that need the piece, sorted. */
  readonly deals: readonly string[]
  /** When a piece that no deal needs may be removed. */
  readonly leaseUntilMs?: number
}

/** Where a block is said to stand. */
export interface BlockLocation {
  /** PieceCIDv2 as text. */
  readonly piece: string
  readonly offset: number
  readonly length: number
}

export interface PieceIndex {
  get(piece: string): Promise<PieceRecord | undefined>
  /** Durable when it resolves. */
  put(piece: string, record: PieceRecord): Promise<void>
  /** Adds a piece with its blocks; durable when it resolves. */
  add(piece: string, record: PieceRecord, blocks: readonly BlockPlace[]): Promise<void>
  /** Forgets a piece and its blocks; durable when it resolves. */
  delete(piece: string): Promise<void>
  entries(): AsyncIterable<{ piece: string; record: PieceRecord }>
  /** Places that a block may be found at, of pieces that are indexed. */
  locate(multihash: string): AsyncIterable<BlockLocation>
  /** Multihashes of every block, in order, repeated for a block in several pieces. */
  multihashes(): AsyncIterable<string>
}

export function createPieceIndex(level: IndexLevel): PieceIndex {
  async function write(operations: readonly IndexOperation[], options: IndexWriteOptions): Promise<void> {
    for (let at = 0; at < operations.length; at += BATCH_OPERATIONS_MAX) {
      await level.batch(operations.slice(at, at + BATCH_OPERATIONS_MAX), options)
    }
  }

  const index: PieceIndex = {
    async get(piece) {
      const value = await level.get(`p!${piece}`)
      return value === undefined ? undefined : parseRecord(value)
    },

    async put(piece, record) {
      await level.batch([{ type: 'put', key: `p!${piece}`, value: JSON.stringify(record) }], DURABLE)
    },

    async add(piece, record, blocks) {
      // Each batch waits for the disk: a later sync does not cover an earlier journal file of LevelDB.
      await write(
        blocks.flatMap(block => blockOperations(piece, block)),
        DURABLE
      )
      await index.put(piece, record)
    },

    async delete(piece) {
      await level.batch([{ type: 'del', key: `p!${piece}` }], DURABLE)
      const operations: IndexOperation[] = []
      for await (const [key, multihash] of level.iterator(rangeOf(`r!${piece}!`))) {
        operations.push({ type: 'del', key }, { type: 'del', key: `b!${multihash}!${piece}` })
      }
      await write(operations, REBUILDABLE)
    },

    async *entries() {
      for await (const [key, value] of level.iterator(rangeOf('p!'))) {
        const record = parseRecord(value)
        if (record !== undefined) yield { piece: key.slice(2), record }
      }
    },

    async *locate(multihash) {
      const prefix = `b!${multihash}!`
      for await (const [key, value] of level.iterator(rangeOf(prefix))) {
        const piece = key.slice(prefix.length)
        const [offset, length] = value.split(',').map(Number)
        if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) continue
        if ((await index.get(piece)) !== undefined) yield { piece, offset: offset!, length: length! }
      }
    },

    async *multihashes() {
      for await (const [key] of level.iterator(rangeOf('b!'))) yield key.split('!')[1] ?? ''
    }
  }
  return index
}

function blockOperations(piece: string, { multihash, offset, length }: BlockPlace): IndexOperation[] {
  return [
    { type: 'put', key: `b!${multihash}!${piece}`, value: `${offset},${length}` },
    { type: 'put', key: `r!${piece}!${String(offset).padStart(10, '0')}`, value: multihash }
  ]
}

/** Every key that begins with a prefix ending in `!`; `"` is the next character. */
function rangeOf(prefix: string): { gte: string; lt: string } {
  return { gte: prefix, lt: `${prefix.slice(0, -1)}"` }
}

/** @returns undefined for a value that Level did not give back as it was written: the piece is then indexed again */
function parseRecord(value: string): PieceRecord | undefined {
  try {
    const record = JSON.parse(value) as PieceRecord
    return Array.isArray(record.deals) && Number.isSafeInteger(record.blockCount) ? record : undefined
  } catch {
    return undefined
  }
}
