/**
 * What a piece store remembers in Level: its pieces, who needs each, and where every public block stands.
 *
 * ```
 * p!<piece>                 → record
 * b!<multihash>!<piece>     → offset,length,crc  a block may stand in several pieces
 * r!<piece>!<offset>        → multihash          the way back, to forget the blocks of one piece
 * d!<path>                  → id                 directories that pieces were put into
 * ```
 *
 * The CRC-32 is of the key and the place: bytes from a wrong place would be right ones, of something else.
 *
 * A block counts only while its piece's record says that blocks are indexed, which is written after them and taken back
 * before them.
 */
import { crc32 } from 'node:zlib'
import { DURABLE, type IndexLevel, type IndexOperation, type IndexWriteOptions, REBUILDABLE } from './index-level.ts'

/** Operations of one batch: some 500 KB. */
const BATCH_OPERATIONS_MAX = 4096

const RECORD_VERSION = 2

/** Records kept in memory: those of a terabyte, in some hundred KB. Each block and range that is served needs one. */
const RECORDS_REMEMBERED_MAX = 1024

/** Blocks whose places are kept in memory: the nodes above the leaves that ranges are read of, some 200 KB. */
const PLACES_REMEMBERED_MAX = 1024
/** One that stands in more pieces is looked for each time. */
const PLACES_OF_A_BLOCK_MAX = 8

/** A deal that needs a piece, or brought it and has no order for it yet. */
export interface PieceHolder {
  /** Empty for a piece that was found on the disk and that nobody has claimed. */
  readonly dealId: string
  /** Root of the public object that the deal's order names; absent for a private piece, and before there is an order. */
  readonly root?: string
  /** When this holder no longer counts, milliseconds of Unix time; absent while the ledger says that it is paid for. */
  readonly untilMs?: number
}

export interface PieceRecord {
  /** Sorted by deal; at least one. */
  readonly holders: readonly PieceHolder[]
  /** Whether it is one whole CARv1 whose blocks are what their CIDs say. */
  readonly isCar: boolean
  /** Blocks of a CAR. */
  readonly blockCount: number
  /** Whether its blocks can be found. */
  readonly isIndexed: boolean
  /** Whether wrong bytes were seen in it since it was written. */
  readonly isDamaged: boolean
  /** The directory that it stands in; absent for the store's first. */
  readonly directory?: string
}

export interface BlockPlace {
  /** Hex of the multihash: one block under its v0 and v1 CIDs. */
  readonly multihash: string
  /** Where its data begins in the piece. */
  readonly offset: number
  readonly length: number
}

/** Where a block is said to stand. */
export interface BlockLocation extends Omit<BlockPlace, 'multihash'> {
  /** PieceCIDv2 as text. */
  readonly piece: string
}

export interface PieceIndex {
  get(piece: string): Promise<PieceRecord | undefined>
  /** Durable when it resolves. */
  put(piece: string, record: PieceRecord): Promise<void>
  /** Forgets a piece and its blocks; durable when it resolves. */
  delete(piece: string): Promise<void>
  /** Durable when it resolves: a record that says so is written only then. */
  addBlocks(piece: string, blocks: readonly BlockPlace[]): Promise<void>
  /** Forgets the blocks of a piece whose record no longer says that it has any. */
  deleteBlocks(piece: string): Promise<void>
  entries(): AsyncIterable<{ piece: string; record: PieceRecord }>
  /** Places that a block may be found at, of pieces that are indexed. */
  locate(multihash: string): AsyncIterable<BlockLocation & { readonly record: PieceRecord }>
  /** Multihashes of every block, in order, repeated for a block in several pieces. */
  multihashes(): AsyncIterable<string>
  /** The id of a directory that pieces were put into. */
  directory(path: string): Promise<string | undefined>
  putDirectory(path: string, id: string): Promise<void>
}

export function createPieceIndex(level: IndexLevel): PieceIndex {
  /** Places of blocks as they stand in Level, by multihash; those asked for last at the end. */
  const places = new Map<string, readonly BlockLocation[]>()
  /** Changes of places begun and ended so far. */
  let placeChanges = 0

  function forgetPlaces(): void {
    placeChanges += 1
    places.clear()
  }

  async function write(operations: readonly IndexOperation[], options: IndexWriteOptions): Promise<void> {
    try {
      for (let at = 0; at < operations.length; at += BATCH_OPERATIONS_MAX) {
        forgetPlaces()
        await level.batch(operations.slice(at, at + BATCH_OPERATIONS_MAX), options)
      }
    } finally {
      forgetPlaces()
    }
  }

  /** What is read beside a change may be what was there before it. */
  function rememberPlaces(multihash: string, found: readonly BlockLocation[], changesBefore: number): void {
    if (changesBefore !== placeChanges || found.length > PLACES_OF_A_BLOCK_MAX) return
    places.delete(multihash)
    places.set(multihash, found)
    const [oldest] = places.keys()
    if (places.size > PLACES_REMEMBERED_MAX) places.delete(oldest!)
  }

  async function* placesOf(multihash: string): AsyncGenerator<BlockLocation> {
    const before = placeChanges
    const known = places.get(multihash)
    if (known !== undefined) {
      yield* known
      rememberPlaces(multihash, known, before)
      return
    }
    const prefix = `b!${multihash}!`
    const found: BlockLocation[] = []
    for await (const [key, value] of level.iterator(rangeOf(prefix))) {
      const [offset, length] = value.split(',', 2).map(Number)
      if (value !== encodePlace(key, offset!, length!)) continue
      const place = { piece: key.slice(prefix.length), offset: offset!, length: length! }
      if (found.length <= PLACES_OF_A_BLOCK_MAX) found.push(place)
      yield place
    }
    rememberPlaces(multihash, found, before)
  }

  /** As they stand in Level, those asked for last at the end. */
  const remembered = new Map<string, PieceRecord>()
  /** Changes begun so far: what was read before one is not remembered after it. */
  let changes = 0

  function remember(piece: string, record: PieceRecord): void {
    remembered.delete(piece)
    remembered.set(piece, record)
    const [oldest] = remembered.keys()
    if (remembered.size > RECORDS_REMEMBERED_MAX) remembered.delete(oldest!)
  }

  async function change(piece: string, operation: IndexOperation): Promise<void> {
    changes += 1
    remembered.delete(piece)
    try {
      await level.batch([operation], DURABLE)
    } finally {
      // Who read while it was written may have read what was there before.
      changes += 1
      remembered.delete(piece)
    }
  }

  const index: PieceIndex = {
    async get(piece) {
      const known = remembered.get(piece)
      if (known !== undefined) {
        remember(piece, known)
        return known
      }
      const before = changes
      const value = await level.get(`p!${piece}`)
      const record = value === undefined ? undefined : parseRecord(value)
      if (record !== undefined && before === changes) remember(piece, record)
      return record
    },

    async put(piece, record) {
      const value = JSON.stringify({ version: RECORD_VERSION, ...record })
      await change(piece, { type: 'put', key: `p!${piece}`, value })
    },

    async delete(piece) {
      await change(piece, { type: 'del', key: `p!${piece}` })
      await index.deleteBlocks(piece)
    },

    async addBlocks(piece, blocks) {
      // Each batch waits for the disk: a later sync does not cover an earlier journal file of LevelDB.
      await write(
        blocks.flatMap(block => blockOperations(piece, block)),
        DURABLE
      )
    },

    async deleteBlocks(piece) {
      let operations: IndexOperation[] = []
      for await (const [key, multihash] of level.iterator(rangeOf(`r!${piece}!`))) {
        operations.push({ type: 'del', key }, { type: 'del', key: `b!${multihash}!${piece}` })
        if (operations.length < BATCH_OPERATIONS_MAX) continue
        await write(operations, REBUILDABLE)
        operations = []
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
      for await (const place of placesOf(multihash)) {
        const record = await index.get(place.piece)
        if (record?.isIndexed === true) yield { ...place, record }
      }
    },

    async *multihashes() {
      for await (const [key] of level.iterator(rangeOf('b!'))) yield key.split('!')[1] ?? ''
    },

    directory: path => level.get(`d!${path}`),

    async putDirectory(path, id) {
      await level.batch([{ type: 'put', key: `d!${path}`, value: id }], DURABLE)
    }
  }
  return index
}

function blockOperations(piece: string, { multihash, offset, length }: BlockPlace): IndexOperation[] {
  const key = `b!${multihash}!${piece}`
  return [
    { type: 'put', key, value: encodePlace(key, offset, length) },
    { type: 'put', key: `r!${piece}!${String(offset).padStart(10, '0')}`, value: multihash }
  ]
}

function encodePlace(key: string, offset: number, length: number): string {
  const place = `${offset},${length}`
  return `${place},${crc32(`${key}=${place}`)}`
}

/** Every key that begins with a prefix ending in `!`; `"` is the next character. */
function rangeOf(prefix: string): { gte: string; lt: string } {
  return { gte: prefix, lt: `${prefix.slice(0, -1)}"` }
}

/** @returns undefined for a value that Level did not give back as it was written: the piece is then indexed again */
function parseRecord(value: string): PieceRecord | undefined {
  try {
    const { version, ...record } = JSON.parse(value) as PieceRecord & { version: unknown }
    const isWhole =
      version === RECORD_VERSION &&
      Array.isArray(record.holders) &&
      record.holders.every(holder => typeof holder.dealId === 'string') &&
      Number.isSafeInteger(record.blockCount)
    return isWhole ? record : undefined
  } catch {
    return undefined
  }
}
