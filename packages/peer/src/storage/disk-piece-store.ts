/**
 * The piece store on disks: one file a piece, an index in Level, and the quota they live in.
 *
 * Owns its directories and one Level database; the caller holds the data directory's lock. Changes to names and records
 * run one at a time, bytes of many pieces at once. See piece-store.ts for what it promises.
 */
import type { ReadablePiece } from '@holdfast/core'
import { type CachedLayer, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import { BlockIndexer, wantsIndex } from './block-indexer.ts'
import { commitPiece } from './commit-piece.ts'
import { type FileSystem, machineFileSystem } from './file-system.ts'
import { createIncomingFiles, type WrittenPiece } from './incoming-file.ts'
import { IncomingPieces, type OpenUpload } from './incoming-pieces.ts'
import { measureFiles } from './measure-files.ts'
import { PieceDirectory } from './piece-directory.ts'
import { holdersAt, isPublic, keepersOf, leaseEndOf, withKeeper, withRelease, withRoot } from './piece-holders.ts'
import { createPieceIndex, type PieceRecord } from './piece-index.ts'
import { reconcilePieces } from './piece-reconcile.ts'
import { cidOf, commitmentOf, PieceRecords } from './piece-records.ts'
import {
  type BlockPosition,
  type FileUsage,
  FLOOR_DEFAULT,
  LEASE_MS_DEFAULT,
  type PieceBytes,
  type PieceStore,
  type PieceStoreEvent,
  type PieceStoreOptions,
  type PieceStoreUsage,
  RESUME_MS_DEFAULT,
  type Received,
  type ReceiveRequest,
  type StartOptions,
  type StoredPiece,
  type StoreLease
} from './piece-store.ts'
import { StoredBytes } from './stored-bytes.ts'
import { createVerifiedReader } from './verified-reader.ts'

/** Blocks that `publish` waits for: a second's work. The blocks of a piece that has more are found a while later. */
const BLOCKS_AWAITED_MAX = 2 ** 15

/** A store over its directories; nothing is touched before `start`. */
export function createPieceStore(options: PieceStoreOptions): PieceStore {
  return new DiskPieceStore(options)
}

class DiskPieceStore implements PieceStore {
  readonly #options: PieceStoreOptions
  readonly #files: FileSystem
  readonly #records: PieceRecords
  readonly #bytes: StoredBytes
  readonly #incoming: IncomingPieces
  readonly #blocks: BlockIndexer
  readonly #ending = new AbortController()
  #started: Promise<void> | undefined
  #stopped = false
  /** Set by a failed sync or index write: what the disk holds is unknown until the next start has looked. */
  #failure: PeerError | undefined

  constructor(options: PieceStoreOptions) {
    const { directory, directories = [], files = machineFileSystem, nodeHasher, clock } = options
    this.#options = options
    this.#files = files
    const first = { path: directory, ...(directories.length > 0 && { capacityBytes: 0 }) }
    const records = new PieceRecords({
      files,
      directories: [first, ...directories].map((entry, at) => new PieceDirectory(entry, at === 0)),
      index: createPieceIndex(options.level)
    })
    const report = (event: PieceStoreEvent) => this.#report(event)
    this.#records = records
    this.#bytes = new StoredBytes({ files, records, nodeHasher, report })
    this.#incoming = new IncomingPieces({
      files,
      directories: records.directories,
      floor: options.floor ?? FLOOR_DEFAULT,
      resumeMs: options.resumeMs ?? RESUME_MS_DEFAULT,
      clock,
      open: options.openIncoming ?? createIncomingFiles(files, nodeHasher, clock),
      freeBytes: () => this.usage().freeBytes,
      commit: (written, upload) => records.inTurn(() => this.#commit(written, upload)),
      find: piece => this.get(CID.parse(piece)),
      diskFailed: error => {
        this.#failure ??= error
      },
      assertUsable: () => this.#assertUsable()
    })
    this.#blocks = new BlockIndexer({
      index: records.index,
      reader: createVerifiedReader(this, nodeHasher, { trustsChecksums: true }),
      inTurn: work => records.inTurn(work),
      markDamaged: cid => records.markDamaged(cid),
      report,
      signal: this.#ending.signal
    })
  }

  start(options: StartOptions = {}): Promise<void> {
    this.#started ??= this.#reconcile(options).catch((error: unknown) => {
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#ending.abort(new PeerError('STORE_STOPPED', 'The piece store is stopped.'))
    await this.#incoming.stop()
    await this.#blocks.idle()
    await this.#records.idle()
    this.#records.kept.forgetAll()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async receive(request: ReceiveRequest): Promise<Received> {
    const { sizeBytes } = request
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1 || sizeBytes > PIECE_SIZE_BYTES_MAX) {
      throw new RangeError(`expected a size of 1 to ${PIECE_SIZE_BYTES_MAX} bytes, got ${sizeBytes}`)
    }
    this.#assertUsable()
    return await this.#incoming.receive(request)
  }

  async get(cid: CID): Promise<StoredPiece | undefined> {
    const record = await this.#records.index.get(cid.toString())
    return record === undefined ? undefined : this.#describe(cid.toString(), record)
  }

  async has(cid: CID): Promise<boolean> {
    return (await this.#records.index.get(cid.toString())) !== undefined
  }

  async *list(): AsyncIterable<StoredPiece> {
    for await (const { piece, record } of this.#records.index.entries()) yield this.#describe(piece, record)
  }

  read(cid: CID, offset: number, size: number): Promise<Uint8Array> {
    return this.#bytes.read(cid, offset, size)
  }

  open(cid: CID): Promise<ReadablePiece> {
    return this.#bytes.open(cid)
  }

  openBytes(cid: CID): Promise<PieceBytes> {
    return this.#bytes.openBytes(cid)
  }

  layer(cid: CID): Promise<CachedLayer> {
    return this.#bytes.layer(cid)
  }

  checksums(cid: CID): Promise<Uint8Array | undefined> {
    return this.#bytes.checksums(cid)
  }

  check(cid: CID, options?: { signal?: AbortSignal }): ReturnType<PieceStore['check']> {
    return this.#bytes.check(cid, options)
  }

  async keep(cid: CID, dealId: string, root?: CID): Promise<boolean> {
    const kept = await this.#records.inTurn(() =>
      this.#records.changeHolders(cid, holders => withKeeper(holders, dealId, root?.toString()))
    )
    if (kept) await this.#indexWhenPublic(cid)
    return kept
  }

  async publish(cid: CID, dealId: string, root: CID): Promise<void> {
    await this.#records.inTurn(() =>
      this.#records.changeHolders(cid, holders => withRoot(holders, dealId, root.toString()))
    )
    await this.#indexWhenPublic(cid)
  }

  release(cid: CID, dealId: string, graceMs = this.#leaseMs()): Promise<void> {
    return this.#records.inTurn(async () => {
      const untilMs = this.#options.clock.now() + graceMs
      const isHere = await this.#records.changeHolders(cid, holders => withRelease(holders, dealId, untilMs))
      if (isHere) await this.#records.dropEnded(cid.toString(), this.#options.clock.now())
    })
  }

  async sweep(): Promise<CID[]> {
    const nowMs = this.#options.clock.now()
    const candidates: string[] = []
    for await (const { piece, record } of this.#records.index.entries()) {
      if (holdersAt(record.holders, nowMs).length < record.holders.length) candidates.push(piece)
    }
    const removed: CID[] = []
    for (const piece of candidates) {
      if (await this.#records.inTurn(() => this.#records.dropEnded(piece, this.#options.clock.now())))
        removed.push(CID.parse(piece))
    }
    await this.#incoming.sweep(nowMs)
    return removed
  }

  remove(cid: CID): Promise<void> {
    return this.#records.inTurn(async () => {
      const record = await this.#records.index.get(cid.toString())
      if (record !== undefined) await this.#records.remove(cid.toString(), record)
    })
  }

  async findBlock(cid: CID): Promise<BlockPosition | undefined> {
    for await (const position of this.findBlocks(cid)) return position
    return undefined
  }

  async *findBlocks(cid: CID): AsyncIterable<BlockPosition> {
    const multihash = Buffer.from(cid.multihash.bytes).toString('hex')
    for await (const { piece, offset, length, record } of this.#records.index.locate(multihash)) {
      if (!this.#isDenied(piece, record)) yield { pieceCid: cidOf(piece), offset, length }
    }
  }

  async *listBlocks(): AsyncIterable<Uint8Array> {
    for await (const multihash of this.#records.index.multihashes()) yield Buffer.from(multihash, 'hex')
  }

  reportWrongBlock(cid: CID, { pieceCid, offset }: BlockPosition): void {
    this.#report({ type: 'block-wrong', piece: pieceCid.toString(), cid: cid.toString(), offset })
    this.#records.markDamaged(pieceCid)
  }

  reportWrongRange(cid: CID, offset: number): void {
    this.#report({ type: 'range-wrong', piece: cid.toString(), offset })
    this.#records.markDamaged(cid)
  }

  indexed(): Promise<void> {
    return this.#blocks.idle()
  }

  leases(): StoreLease[] {
    return this.#records.books.leases(this.#incoming.uploads())
  }

  measure(): Promise<FileUsage> {
    return measureFiles(this.#files, this.#records.directories)
  }

  usage(): PieceStoreUsage {
    const { capacityBytes } = this.#options
    let [usedBytes, suspendedBytes] = [0, 0]
    for (const directory of this.#records.directories) {
      usedBytes += directory.usedBytes
      suspendedBytes += directory.suspendedBytes
    }
    const { reservedBytes, unwrittenBytes } = this.#incoming.promised()
    const freeBytes = Math.max(0, capacityBytes - usedBytes - reservedBytes - suspendedBytes)
    const { leasedBytes } = this.#records.books
    return { capacityBytes, usedBytes, reservedBytes, unwrittenBytes, suspendedBytes, leasedBytes, freeBytes }
  }

  async #reconcile({ signal, onProgress }: StartOptions): Promise<void> {
    this.#records.books.clear()
    for (const directory of this.#records.directories) {
      directory.usedBytes = 0
      directory.suspendedBytes = 0
      await directory.open(this.#files, this.#records.index)
    }
    await this.#incoming.findBroken(name => this.#report({ type: 'temporary-removed', name }))
    await reconcilePieces({
      files: this.#files,
      directories: this.#records.directories,
      index: this.#records.index,
      nodeHasher: this.#options.nodeHasher,
      leaseUntilMs: this.#options.clock.now() + this.#leaseMs(),
      report: event => this.#report(event),
      signal,
      onProgress
    })
    for await (const { piece, record } of this.#records.index.entries()) {
      this.#records.account(piece, undefined, record)
      if (wantsIndex(record)) void this.#blocks.add(CID.parse(piece))
    }
  }

  async #commit(written: WrittenPiece, upload: OpenUpload): Promise<StoredPiece> {
    if (this.#failure !== undefined) throw this.#failure
    const untilMs = this.#options.clock.now() + this.#leaseMs()
    try {
      return this.#describe(
        written.piece,
        await commitPiece({ files: this.#files, records: this.#records }, written, upload, untilMs)
      )
    } catch (error) {
      if (error instanceof PeerError && error.code === 'DISK_FAILED') this.#failure ??= error
      throw error
    }
  }

  async #indexWhenPublic(cid: CID): Promise<void> {
    const record = await this.#records.index.get(cid.toString())
    if (record === undefined || !wantsIndex(record)) return
    const indexing = this.#blocks.add(cid)
    if (record.blockCount <= BLOCKS_AWAITED_MAX) await indexing
  }

  #describe(piece: string, record: PieceRecord): StoredPiece {
    const { holders, isCar, isDamaged, isIndexed, blockCount } = record
    const leaseUntilMs = leaseEndOf(holders)
    return {
      cid: CID.parse(piece),
      ...commitmentOf(piece),
      isCar,
      blockCount: isIndexed ? blockCount : 0,
      isPublic: isPublic(holders),
      isDamaged,
      isDenied: this.#isDenied(piece, record),
      holders,
      deals: keepersOf(holders),
      ...(leaseUntilMs !== undefined && { leaseUntilMs })
    }
  }

  #isDenied(piece: string, { holders }: PieceRecord): boolean {
    const { denies } = this.#options
    return denies !== undefined && [piece, ...holders.map(({ root }) => root ?? '')].some(denies)
  }

  #leaseMs(): number {
    return this.#options.leaseMs ?? LEASE_MS_DEFAULT
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
