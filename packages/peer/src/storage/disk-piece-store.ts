/**
 * The piece store on disks: one file a piece, an index in Level, and the quota they live in.
 *
 * Owns its directories and one Level database; the caller holds the data directory's lock. Changes to names and records
 * run one at a time, bytes of many pieces at once. See piece-store.ts for what it promises.
 */
import type { ReadablePiece } from '@holdfast/core'
import { type CachedLayer, PIECE_SIZE_BYTES_MAX, type PieceCommitment, parsePieceCid } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { PeerError, systemCodeOf } from '../error.ts'
import { BlockIndexer, wantsIndex } from './block-indexer.ts'
import { type FileSystem, machineFileSystem, syncDirectory } from './file-system.ts'
import { createIncomingFiles, diskError, diskFull, incomingPaths, isFull, type WrittenPiece } from './incoming-file.ts'
import { IncomingPieces, type OpenUpload } from './incoming-pieces.ts'
import { measureFiles } from './measure-files.ts'
import { PieceBooks } from './piece-books.ts'
import { PieceDirectory } from './piece-directory.ts'
import {
  checkFile,
  decodeLayer,
  encodeLayer,
  layerFile,
  pieceFile,
  readAt,
  readFully,
  storedSizeOf,
  writeSynced
} from './piece-files.ts'
import {
  holdersAt,
  isPublic,
  keepersOf,
  leaseEndOf,
  withKeeper,
  withLease,
  withRelease,
  withRoot
} from './piece-holders.ts'
import { createPieceIndex, type PieceHolder, type PieceIndex, type PieceRecord } from './piece-index.ts'
import { reconcilePieces } from './piece-reconcile.ts'
import {
  type BlockPosition,
  type DamageReason,
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

/** Blocks that `publish` waits for: a second's work. The blocks of a piece that has more are found a while later. */
const BLOCKS_AWAITED_MAX = 2 ** 15
/** A store over its directories; nothing is touched before `start`. */
export function createPieceStore(options: PieceStoreOptions): PieceStore {
  return new DiskPieceStore(options)
}

class DiskPieceStore implements PieceStore {
  readonly #options: PieceStoreOptions
  readonly #files: FileSystem
  readonly #directories: readonly PieceDirectory[]
  readonly #index: PieceIndex
  readonly #incoming: IncomingPieces
  readonly #blocks: BlockIndexer
  readonly #books = new PieceBooks()
  readonly #ending = new AbortController()
  #started: Promise<void> | undefined
  #stopped = false
  /** Set by a failed sync or index write: what the disk holds is unknown until the next start has looked. */
  #failure: PeerError | undefined
  /** Changes to names and records, one at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: PieceStoreOptions) {
    const { directory, directories = [], files = machineFileSystem, nodeHasher, clock } = options
    this.#options = options
    this.#files = files
    const first = { path: directory, ...(directories.length > 0 && { capacityBytes: 0 }) }
    this.#directories = [first, ...directories].map((entry, at) => new PieceDirectory(entry, at === 0))
    this.#index = createPieceIndex(options.level)
    this.#incoming = new IncomingPieces({
      files,
      directories: this.#directories,
      floor: options.floor ?? FLOOR_DEFAULT,
      resumeMs: options.resumeMs ?? RESUME_MS_DEFAULT,
      clock,
      open: options.openIncoming ?? createIncomingFiles(files, nodeHasher, clock),
      freeBytes: () => this.usage().freeBytes,
      commit: (written, upload) => this.#inTurn(() => this.#commit(written, upload)),
      find: piece => this.get(CID.parse(piece)),
      diskFailed: error => {
        this.#failure ??= error
      },
      assertUsable: () => this.#assertUsable()
    })
    this.#blocks = new BlockIndexer({
      files,
      index: this.#index,
      fileOf: (piece, record) => this.#pieceFile(piece, record),
      inTurn: work => this.#inTurn(work),
      markDamaged: cid => this.#markDamaged(cid),
      report: event => this.#report(event),
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
    await this.#turn
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
    const record = await this.#index.get(cid.toString())
    return record === undefined ? undefined : this.#describe(cid.toString(), record)
  }

  async has(cid: CID): Promise<boolean> {
    return (await this.#index.get(cid.toString())) !== undefined
  }

  async *list(): AsyncIterable<StoredPiece> {
    for await (const { piece, record } of this.#index.entries()) yield this.#describe(piece, record)
  }

  async read(cid: CID, offset: number, size: number): Promise<Uint8Array> {
    const { record, rawSize } = await this.#expect(cid)
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(size) || offset < 0 || size < 0) {
      throw new RangeError(`expected an offset and a size of 0 or more, got ${offset} and ${size}`)
    }
    if (offset >= rawSize || size === 0) return new Uint8Array(0)
    try {
      return await readAt(
        this.#files,
        this.#pieceFile(cid.toString(), record),
        offset,
        Math.min(size, rawSize - offset)
      )
    } catch (error) {
      throw readError(error, cid)
    }
  }

  async open(cid: CID): Promise<ReadablePiece> {
    const { record, rawSize } = await this.#expect(cid)
    const layer = await this.#layerOf(cid, record, rawSize)
    try {
      const handle = await this.#files.open(this.#pieceFile(cid.toString(), record), 'r')
      return {
        layer,
        read: (offset, size) =>
          readFully(handle, offset, Buffer.allocUnsafeSlow(Math.max(0, Math.min(size, rawSize - offset)))),
        [Symbol.asyncDispose]: () => handle.close()
      }
    } catch (error) {
      throw readError(error, cid)
    }
  }

  async openBytes(cid: CID): Promise<PieceBytes> {
    const { record } = await this.#expect(cid)
    const handle = await this.#files.open(this.#pieceFile(cid.toString(), record), 'r').catch((error: unknown) => {
      throw readError(error, cid)
    })
    return {
      readInto: async (bytes, offset) => (await readFully(handle, offset, bytes)).length,
      [Symbol.asyncDispose]: () => handle.close()
    }
  }

  async layer(cid: CID): Promise<CachedLayer> {
    const { record, rawSize } = await this.#expect(cid)
    return await this.#layerOf(cid, record, rawSize)
  }

  async #layerOf(cid: CID, record: PieceRecord, rawSize: number): Promise<CachedLayer> {
    const path = layerFile(this.#directoryOf(record).paths, cid.toString())
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
    const { record } = await this.#expect(cid)
    try {
      const options = { nodeHasher: this.#options.nodeHasher, signal }
      const checked = await checkFile(this.#files, this.#pieceFile(cid.toString(), record), cid.toString(), options)
      return checked.ok ? { ok: true } : checked
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return { ok: false, reason: 'missing' }
      throw error
    }
  }

  async keep(cid: CID, dealId: string, root?: CID): Promise<boolean> {
    const kept = await this.#inTurn(() =>
      this.#changeHolders(cid, holders => withKeeper(holders, dealId, root?.toString()))
    )
    if (kept) await this.#indexWhenPublic(cid)
    return kept
  }

  async publish(cid: CID, dealId: string, root: CID): Promise<void> {
    await this.#inTurn(() => this.#changeHolders(cid, holders => withRoot(holders, dealId, root.toString())))
    await this.#indexWhenPublic(cid)
  }

  release(cid: CID, dealId: string, graceMs = this.#leaseMs()): Promise<void> {
    return this.#inTurn(async () => {
      const untilMs = this.#options.clock.now() + graceMs
      const isHere = await this.#changeHolders(cid, holders => withRelease(holders, dealId, untilMs))
      if (isHere) await this.#dropEnded(cid.toString())
    })
  }

  async sweep(): Promise<CID[]> {
    const nowMs = this.#options.clock.now()
    const candidates: string[] = []
    for await (const { piece, record } of this.#index.entries()) {
      if (holdersAt(record.holders, nowMs).length < record.holders.length) candidates.push(piece)
    }
    const removed: CID[] = []
    for (const piece of candidates) {
      if (await this.#inTurn(() => this.#dropEnded(piece))) removed.push(CID.parse(piece))
    }
    await this.#incoming.sweep(nowMs)
    return removed
  }

  remove(cid: CID): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.#index.get(cid.toString())
      if (record !== undefined) await this.#remove(cid.toString(), record)
    })
  }

  async findBlock(cid: CID): Promise<BlockPosition | undefined> {
    for await (const position of this.findBlocks(cid)) return position
    return undefined
  }

  async *findBlocks(cid: CID): AsyncIterable<BlockPosition> {
    const multihash = Buffer.from(cid.multihash.bytes).toString('hex')
    for await (const { piece, offset, length, record } of this.#index.locate(multihash)) {
      if (!this.#isDenied(piece, record)) yield { pieceCid: CID.parse(piece), offset, length }
    }
  }

  async *listBlocks(): AsyncIterable<Uint8Array> {
    for await (const multihash of this.#index.multihashes()) yield Buffer.from(multihash, 'hex')
  }

  reportWrongBlock(cid: CID, { pieceCid, offset }: BlockPosition): void {
    this.#report({ type: 'block-wrong', piece: pieceCid.toString(), cid: cid.toString(), offset })
    this.#markDamaged(pieceCid)
  }

  reportWrongRange(cid: CID, offset: number): void {
    this.#report({ type: 'range-wrong', piece: cid.toString(), offset })
    this.#markDamaged(cid)
  }

  indexed(): Promise<void> {
    return this.#blocks.idle()
  }

  leases(): StoreLease[] {
    return this.#books.leases(this.#incoming.uploads())
  }

  measure(): Promise<FileUsage> {
    return measureFiles(this.#files, this.#directories)
  }

  usage(): PieceStoreUsage {
    const { capacityBytes } = this.#options
    let [usedBytes, suspendedBytes] = [0, 0]
    for (const directory of this.#directories) {
      usedBytes += directory.usedBytes
      suspendedBytes += directory.suspendedBytes
    }
    const { reservedBytes, unwrittenBytes } = this.#incoming.promised()
    const freeBytes = Math.max(0, capacityBytes - usedBytes - reservedBytes - suspendedBytes)
    const { leasedBytes } = this.#books
    return { capacityBytes, usedBytes, reservedBytes, unwrittenBytes, suspendedBytes, leasedBytes, freeBytes }
  }

  async #reconcile({ signal, onProgress }: StartOptions): Promise<void> {
    this.#books.clear()
    for (const directory of this.#directories) {
      directory.usedBytes = 0
      directory.suspendedBytes = 0
      await directory.open(this.#files, this.#index)
    }
    await this.#incoming.findBroken(name => this.#report({ type: 'temporary-removed', name }))
    await reconcilePieces({
      files: this.#files,
      directories: this.#directories,
      index: this.#index,
      nodeHasher: this.#options.nodeHasher,
      leaseUntilMs: this.#options.clock.now() + this.#leaseMs(),
      report: event => this.#report(event),
      signal,
      onProgress
    })
    for await (const { piece, record } of this.#index.entries()) {
      this.#account(piece, undefined, record)
      if (wantsIndex(record)) void this.#blocks.add(CID.parse(piece))
    }
  }

  /** Gives both files their names and the index its entry. Runs in turn. */
  async #commit({ piece, car }: WrittenPiece, { directory, name, dealId }: OpenUpload): Promise<StoredPiece> {
    if (this.#failure !== undefined) throw this.#failure
    const temporary = incomingPaths({ directory: directory.paths.incoming, name })
    /** What the books say of the piece, whatever the index says. */
    let counted: PieceRecord | undefined
    try {
      await this.#files.rename(temporary.layer, layerFile(directory.paths, piece))
      await this.#files.rename(temporary.piece, pieceFile(directory.paths, piece))
      await syncDirectory(this.#files, directory.path)
      const before = await this.#index.get(piece)
      counted = before
      const leased = withLease(before?.holders ?? [], dealId, this.#options.clock.now() + this.#leaseMs())
      const record: PieceRecord = {
        holders: leased,
        ...car,
        isIndexed: before?.isIndexed ?? false,
        isDamaged: false,
        ...(directory.name !== undefined && { directory: directory.name })
      }
      await this.#index.put(piece, record)
      this.#account(piece, before, record)
      counted = record
      if (before !== undefined && this.#directoryOf(before) !== directory)
        await this.#removeFiles(piece, this.#directoryOf(before))
      return this.#describe(piece, record)
    } catch (error) {
      if (isFull(error) && (await this.#undoCommit(piece, directory, counted))) throw diskFull(error)
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

  /** Takes back what a commit had done when the disk was full. @returns whether all of it is undone */
  async #undoCommit(piece: string, directory: PieceDirectory, counted: PieceRecord | undefined): Promise<boolean> {
    try {
      // A piece that is here for others has its file still, with the same bytes.
      if (counted !== undefined && keepersOf(counted.holders).length > 0) return true
      await this.#index.delete(piece)
      this.#account(piece, counted, undefined)
      await this.#removeFiles(piece, directory)
      return true
    } catch {
      return false
    }
  }

  /** @returns whether the piece is here. Runs in turn. */
  async #changeHolders(cid: CID, change: (holders: readonly PieceHolder[]) => PieceHolder[]): Promise<boolean> {
    const piece = cid.toString()
    const record = await this.#index.get(piece)
    if (record === undefined) return false
    const holders = change(record.holders)
    if (JSON.stringify(holders) !== JSON.stringify(record.holders)) {
      await this.#replaceRecord(piece, record, { ...record, holders })
    }
    return true
  }

  /** Forgets holders whose time is over, and the piece with the last of them. @returns whether it went. Runs in turn. */
  async #dropEnded(piece: string): Promise<boolean> {
    const record = await this.#index.get(piece)
    if (record === undefined) return false
    const holders = holdersAt(record.holders, this.#options.clock.now())
    if (holders.length === record.holders.length) return false
    if (holders.length === 0) {
      await this.#remove(piece, record)
      return true
    }
    const isStillPublic = isPublic(holders)
    await this.#replaceRecord(piece, record, { ...record, holders, isIndexed: record.isIndexed && isStillPublic })
    if (record.isIndexed && !isStillPublic) await this.#index.deleteBlocks(piece)
    return false
  }

  async #replaceRecord(piece: string, before: PieceRecord, after: PieceRecord): Promise<void> {
    await this.#index.put(piece, after)
    this.#account(piece, before, after)
  }

  /** Forgets a piece, then removes it: a crash in between leaves a file that the next start takes for a lease. */
  async #remove(piece: string, record: PieceRecord): Promise<void> {
    await this.#index.delete(piece)
    await this.#removeFiles(piece, this.#directoryOf(record))
    this.#account(piece, record, undefined)
  }

  async #removeFiles(piece: string, { paths, path }: PieceDirectory): Promise<void> {
    await this.#files.rm(pieceFile(paths, piece), { force: true })
    await this.#files.rm(layerFile(paths, piece), { force: true })
    await syncDirectory(this.#files, path)
  }

  async #indexWhenPublic(cid: CID): Promise<void> {
    const record = await this.#index.get(cid.toString())
    if (record === undefined || !wantsIndex(record)) return
    const indexing = this.#blocks.add(cid)
    if (record.blockCount <= BLOCKS_AWAITED_MAX) await indexing
  }

  async #rebuildLayer(cid: CID): Promise<CachedLayer> {
    const piece = cid.toString()
    const { record } = await this.#expect(cid)
    // Once is enough: who asks again for what is damaged must not make the disk read it all again.
    if (record.isDamaged) throw damaged(piece)
    const options = { nodeHasher: this.#options.nodeHasher }
    const checked = await checkFile(this.#files, this.#pieceFile(piece, record), piece, options).catch(
      (error: unknown) => {
        throw readError(error, cid)
      }
    )
    if (!checked.ok) {
      this.#report({ type: 'piece-damaged', piece, reason: checked.reason })
      await this.#replaceRecord(piece, record, { ...record, isDamaged: true })
      throw damaged(piece)
    }
    const { layer } = checked.digest
    const path = layerFile(this.#directoryOf(record).paths, piece)
    await this.#files.rm(path, { force: true })
    await writeSynced(this.#files, path, encodeLayer(layer))
    this.#report({ type: 'layer-rebuilt', piece })
    return layer
  }

  #markDamaged(cid: CID): void {
    const marking = this.#inTurn(async () => {
      const piece = cid.toString()
      const record = await this.#index.get(piece)
      if (record !== undefined && !record.isDamaged)
        await this.#replaceRecord(piece, record, { ...record, isDamaged: true })
    })
    marking.catch(() => undefined) // an index that cannot be written has been told of by others
  }

  async #expect(cid: CID): Promise<PieceCommitment & { readonly record: PieceRecord }> {
    const record = await this.#index.get(cid.toString())
    if (record === undefined)
      throw new PeerError('PIECE_NOT_FOUND', `${cid} is not stored here.`, { piece: cid.toString() })
    return { record, ...commitmentOf(cid.toString()) }
  }

  #account(piece: string, before: PieceRecord | undefined, after: PieceRecord | undefined): void {
    const { rawSize } = commitmentOf(piece)
    if (before !== undefined) this.#books.remove(rawSize, before.holders, this.#directoryOf(before))
    if (after !== undefined) this.#books.add(rawSize, after.holders, this.#directoryOf(after))
  }

  #directoryOf({ directory }: Pick<PieceRecord, 'directory'>): PieceDirectory {
    return this.#directories.find(({ name }) => name === directory) ?? this.#directories[0]!
  }

  #pieceFile(piece: string, record: PieceRecord): string {
    return pieceFile(this.#directoryOf(record).paths, piece)
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

function damaged(piece: string): PeerError {
  return new PeerError('PIECE_DAMAGED', `${piece} is damaged on disk: repair it from another replica.`, { piece })
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
