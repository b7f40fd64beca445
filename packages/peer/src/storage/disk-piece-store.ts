/**
 * The piece store on a disk: one file a piece, an index in Level, and the quota they live in.
 *
 * Owns one directory and one sublevel; the caller holds the data directory's lock. Changes to names and records run one
 * at a time, bytes of many pieces at once. See piece-store.ts for what it promises.
 */
import { randomUUID } from 'node:crypto'
import { type CachedLayer, PIECE_SIZE_BYTES_MAX, type PieceCommitment, parsePieceCid } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { PeerError, systemCodeOf } from '../error.ts'
import type { CollectedBlocks } from './block-collector.ts'
import { type FileSystem, machineFileSystem, syncDirectory } from './file-system.ts'
import { createIncomingFile, diskError, type WrittenPiece } from './incoming-file.ts'
import {
  checkFile,
  decodeLayer,
  encodeLayer,
  layerFile,
  type PiecePaths,
  pieceFile,
  piecePaths,
  readAt,
  storedSizeOf,
  writeSynced
} from './piece-files.ts'
import { createPieceIndex, type PieceIndex, type PieceRecord } from './piece-index.ts'
import { reconcilePieces } from './piece-reconcile.ts'
import {
  type BlockPosition,
  type DamageReason,
  LEASE_MS_DEFAULT,
  type NoSpace,
  type PieceStore,
  type PieceStoreEvent,
  type PieceStoreOptions,
  type PieceStoreUsage,
  type PieceWriter,
  RESERVE_BYTES_DEFAULT,
  type StoredPiece
} from './piece-store.ts'
import { DiskPieceWriter } from './piece-writer.ts'

/** A store over one directory; nothing is touched before `start`. */
export function createPieceStore(options: PieceStoreOptions): PieceStore {
  return new DiskPieceStore(options)
}

class DiskPieceStore implements PieceStore {
  readonly #options: PieceStoreOptions
  readonly #files: FileSystem
  readonly #paths: PiecePaths
  readonly #index: PieceIndex
  readonly #writers = new Map<DiskPieceWriter, number>()
  #usedBytes = 0
  #leasedBytes = 0
  #started: Promise<void> | undefined
  #stopped = false
  /** Set by a failed sync or index write: what the disk holds is unknown until the next start has looked. */
  #failure: PeerError | undefined
  /** Changes to names and records, one at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: PieceStoreOptions) {
    this.#options = options
    this.#files = options.files ?? machineFileSystem
    this.#paths = piecePaths(options.directory)
    this.#index = createPieceIndex(options.level)
  }

  start({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    this.#started ??= this.#reconcile(signal).catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(Array.from(this.#writers.keys(), writer => writer.abort()))
    await this.#turn
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async receive({ sizeBytes }: { readonly sizeBytes: number }): Promise<{ ok: true; writer: PieceWriter } | NoSpace> {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1 || sizeBytes > PIECE_SIZE_BYTES_MAX) {
      throw new RangeError(`expected a size of 1 to ${PIECE_SIZE_BYTES_MAX} bytes, got ${sizeBytes}`)
    }
    this.#assertUsable()
    const neededBytes = storedSizeOf(sizeBytes)
    const { bavail, bsize } = await this.#files.statfs(this.#paths.directory)
    // From here to the reservation nothing is awaited: two callers cannot both take the last bytes.
    const { freeBytes } = this.usage()
    const diskFreeBytes = this.#unpromisedBytes(bavail * bsize)
    if (neededBytes > freeBytes) return { ok: false, code: 'NO_SPACE', limit: 'quota', neededBytes, freeBytes }
    if (neededBytes > diskFreeBytes) {
      return { ok: false, code: 'NO_SPACE', limit: 'disk', neededBytes, freeBytes: diskFreeBytes }
    }
    const writer = new DiskPieceWriter({
      open: () =>
        createIncomingFile(this.#files, this.#paths.incoming, {
          name: randomUUID(),
          sizeBytes,
          nodeHasher: this.#options.nodeHasher
        }),
      commit: written => this.#inTurn(() => this.#commit(written)),
      closed: error => {
        this.#writers.delete(writer)
        if (error?.code === 'DISK_FAILED') this.#failure ??= error
      }
    })
    this.#writers.set(writer, neededBytes)
    await writer.open()
    return { ok: true, writer }
  }

  async get(cid: CID): Promise<StoredPiece | undefined> {
    const record = await this.#index.get(cid.toString())
    return record === undefined ? undefined : describe(cid.toString(), record)
  }

  async has(cid: CID): Promise<boolean> {
    return (await this.#index.get(cid.toString())) !== undefined
  }

  async *list(): AsyncIterable<StoredPiece> {
    for await (const { piece, record } of this.#index.entries()) yield describe(piece, record)
  }

  async read(cid: CID, offset: number, size: number): Promise<Uint8Array> {
    const { rawSize } = await this.#expect(cid)
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(size) || offset < 0 || size < 0) {
      throw new RangeError(`expected an offset and a size of 0 or more, got ${offset} and ${size}`)
    }
    if (offset >= rawSize || size === 0) return new Uint8Array(0)
    try {
      return await readAt(this.#files, pieceFile(this.#paths, cid.toString()), offset, Math.min(size, rawSize - offset))
    } catch (error) {
      throw readError(error, cid)
    }
  }

  async layer(cid: CID): Promise<CachedLayer> {
    const { rawSize } = await this.#expect(cid)
    const path = layerFile(this.#paths, cid.toString())
    const bytes = await readAt(this.#files, path, 0, storedSizeOf(rawSize) - rawSize + 1).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT') return Buffer.alloc(0)
      throw readError(error, cid)
    })
    return decodeLayer(bytes, rawSize) ?? (await this.#inTurn(() => this.#rebuildLayer(cid)))
  }

  async check(
    cid: CID,
    { signal }: { signal?: AbortSignal } = {}
  ): Promise<{ ok: true } | { ok: false; reason: DamageReason | 'missing' }> {
    await this.#expect(cid)
    try {
      const options = { nodeHasher: this.#options.nodeHasher, signal }
      const checked = await checkFile(this.#files, this.#paths, cid.toString(), options)
      return checked.ok ? { ok: true } : checked
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return { ok: false, reason: 'missing' }
      throw error
    }
  }

  keep(cid: CID, dealId: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const record = await this.#index.get(cid.toString())
      if (record === undefined) return false
      if (record.deals.includes(dealId)) return true
      const { leaseUntilMs: _, ...kept } = record
      await this.#replaceRecord(cid, record, { ...kept, deals: [...record.deals, dealId].sort() })
      return true
    })
  }

  release(cid: CID, dealId: string): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.#index.get(cid.toString())
      if (record === undefined || !record.deals.includes(dealId)) return
      const deals = record.deals.filter(deal => deal !== dealId)
      const leaseUntilMs = deals.length === 0 ? this.#leaseEnd() : undefined
      await this.#replaceRecord(cid, record, { ...record, deals, leaseUntilMs })
    })
  }

  async sweep(): Promise<CID[]> {
    const nowMs = this.#options.clock.now()
    const isOver = ({ deals, leaseUntilMs = 0 }: PieceRecord) => deals.length === 0 && leaseUntilMs <= nowMs
    const candidates: CID[] = []
    for await (const { piece, record } of this.#index.entries()) if (isOver(record)) candidates.push(CID.parse(piece))
    const removed: CID[] = []
    for (const cid of candidates) {
      await this.#inTurn(async () => {
        const record = await this.#index.get(cid.toString())
        if (record === undefined || !isOver(record)) return
        await this.#remove(cid, record)
        removed.push(cid)
      })
    }
    return removed
  }

  remove(cid: CID): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.#index.get(cid.toString())
      if (record !== undefined) await this.#remove(cid, record)
    })
  }

  async findBlock(cid: CID): Promise<BlockPosition | undefined> {
    for await (const position of this.findBlocks(cid)) return position
    return undefined
  }

  async *findBlocks(cid: CID): AsyncIterable<BlockPosition> {
    const multihash = Buffer.from(cid.multihash.bytes).toString('hex')
    for await (const { piece, offset, length } of this.#index.locate(multihash)) {
      yield { pieceCid: CID.parse(piece), offset, length }
    }
  }

  async *listBlocks(): AsyncIterable<Uint8Array> {
    for await (const multihash of this.#index.multihashes()) yield Buffer.from(multihash, 'hex')
  }

  reportWrongBlock(cid: CID, { pieceCid, offset }: BlockPosition): void {
    this.#report({ type: 'block-wrong', piece: pieceCid.toString(), cid: cid.toString(), offset })
  }

  usage(): PieceStoreUsage {
    const { capacityBytes } = this.#options
    let reservedBytes = 0
    for (const neededBytes of this.#writers.values()) reservedBytes += neededBytes
    const freeBytes = Math.max(0, capacityBytes - this.#usedBytes - reservedBytes)
    return { capacityBytes, usedBytes: this.#usedBytes, reservedBytes, leasedBytes: this.#leasedBytes, freeBytes }
  }

  async #reconcile(signal: AbortSignal | undefined): Promise<void> {
    this.#usedBytes = 0
    this.#leasedBytes = 0
    await reconcilePieces({
      files: this.#files,
      paths: this.#paths,
      index: this.#index,
      nodeHasher: this.#options.nodeHasher,
      leaseUntilMs: this.#leaseEnd(),
      report: event => this.#report(event),
      signal
    })
    for await (const { piece, record } of this.#index.entries()) this.#account(piece, undefined, record)
  }

  /** Gives both files their names and the index its entry. Runs in turn. */
  async #commit({ digest, blocks, temporaryPiece, temporaryLayer }: WrittenPiece): Promise<StoredPiece> {
    if (this.#failure !== undefined) throw this.#failure
    const piece = digest.cid.toString()
    try {
      await this.#files.rename(temporaryLayer, layerFile(this.#paths, piece))
      await this.#files.rename(temporaryPiece, pieceFile(this.#paths, piece))
      await syncDirectory(this.#files, this.#paths.directory)
      const before = await this.#index.get(piece)
      const record = this.#recordOf(blocks, before)
      await this.#index.add(piece, record, blocks.places)
      this.#account(piece, before, record)
      if (blocks.tooMany) this.#report({ type: 'blocks-not-indexed', piece })
      return describe(piece, record)
    } catch (error) {
      // Names or index may or may not be on the platter: only a start finds out.
      this.#failure ??= new PeerError(
        'DISK_FAILED',
        'A piece could not be committed: see that the disk has room and is sound, then start the peer again.',
        { piece, code: systemCodeOf(error) },
        { cause: error }
      )
      throw this.#failure
    }
  }

  #recordOf({ isPublicCar, places }: CollectedBlocks, before: PieceRecord | undefined): PieceRecord {
    const deals = before?.deals ?? []
    const leaseUntilMs = deals.length > 0 ? undefined : this.#leaseEnd()
    return { isPublicCar, blockCount: places.length, deals, leaseUntilMs }
  }

  async #replaceRecord(cid: CID, before: PieceRecord, after: PieceRecord): Promise<void> {
    await this.#index.put(cid.toString(), after)
    this.#account(cid.toString(), before, after)
  }

  /** Forgets a piece, then removes it: a crash in between leaves a file that the next start takes for a lease. */
  async #remove(cid: CID, record: PieceRecord): Promise<void> {
    const piece = cid.toString()
    await this.#index.delete(piece)
    await this.#files.rm(pieceFile(this.#paths, piece), { force: true })
    await this.#files.rm(layerFile(this.#paths, piece), { force: true })
    await syncDirectory(this.#files, this.#paths.directory)
    this.#account(piece, record, undefined)
  }

  async #rebuildLayer(cid: CID): Promise<CachedLayer> {
    const piece = cid.toString()
    const options = { nodeHasher: this.#options.nodeHasher }
    const checked = await checkFile(this.#files, this.#paths, piece, options).catch((error: unknown) => {
      throw readError(error, cid)
    })
    if (!checked.ok) {
      this.#report({ type: 'piece-damaged', piece, reason: checked.reason })
      throw new PeerError('PIECE_DAMAGED', `${piece} is damaged on disk: repair it from another replica.`, { piece })
    }
    const { layer } = checked.digest
    const path = layerFile(this.#paths, piece)
    await this.#files.rm(path, { force: true })
    await writeSynced(this.#files, path, encodeLayer(layer))
    this.#report({ type: 'layer-rebuilt', piece })
    return layer
  }

  async #expect(cid: CID): Promise<StoredPiece> {
    const piece = await this.get(cid)
    if (piece === undefined)
      throw new PeerError('PIECE_NOT_FOUND', `${cid} is not stored here.`, { piece: cid.toString() })
    return piece
  }

  #account(piece: string, before: PieceRecord | undefined, after: PieceRecord | undefined): void {
    const sizeBytes = storedSizeOf(commitmentOf(piece).rawSize)
    const leased = (record: PieceRecord | undefined) => (record?.deals.length === 0 ? sizeBytes : 0)
    this.#usedBytes += (after === undefined ? 0 : sizeBytes) - (before === undefined ? 0 : sizeBytes)
    this.#leasedBytes += leased(after) - leased(before)
  }

  /** What the disk has left when every open writer has its bytes and the reserve stands. */
  #unpromisedBytes(diskFreeBytes: number): number {
    let bytes = diskFreeBytes - (this.#options.reserveBytes ?? RESERVE_BYTES_DEFAULT)
    for (const [writer, neededBytes] of this.#writers) bytes -= Math.max(0, neededBytes - writer.positionBytes)
    return Math.max(0, bytes)
  }

  #leaseEnd(): number {
    return this.#options.clock.now() + (this.#options.leaseMs ?? LEASE_MS_DEFAULT)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#stopped) throw new PeerError('STORE_STOPPED', 'The piece store is stopped.')
    if (this.#started === undefined) throw new TypeError('expected a piece store that was started')
  }

  #report(event: PieceStoreEvent): void {
    this.#options.onEvent?.(event)
  }
}

function commitmentOf(piece: string): PieceCommitment {
  const verdict = parsePieceCid(piece)
  if (!verdict.ok) throw new TypeError(`expected a PieceCIDv2, got ${piece} (${verdict.reason})`)
  return verdict.commitment
}

function describe(piece: string, record: PieceRecord): StoredPiece {
  return { cid: CID.parse(piece), ...commitmentOf(piece), ...record }
}

function readError(cause: unknown, cid: CID): PeerError {
  if (systemCodeOf(cause) !== 'ENOENT') return diskError(cause)
  return new PeerError(
    'PIECE_MISSING',
    `The file of ${cid} is gone from the disk.`,
    { piece: cid.toString() },
    { cause }
  )
}
