/**
 * Pieces that are on their way into a store: what was promised to each, and uploads that broke off.
 *
 * Room is promised one request after the other, so that two callers cannot both take the last bytes, and a second stream
 * of one upload ends the first. Opening a file is not: to go on with an upload, what is there is hashed again.
 */
import { randomUUID } from 'node:crypto'
import type { PeerError } from '../error.ts'
import { findBrokenUploads, removeBrokenUpload, type SuspendedUpload } from './broken-uploads.ts'
import type { FileSystem } from './file-system.ts'
import type { OpenIncomingFile, WrittenPiece } from './incoming-file.ts'
import type { UploadBytes } from './piece-books.ts'
import { aboveFloor, chooseDirectory, type DiskFloor, type PieceDirectory } from './piece-directory.ts'
import { storedSizeOf } from './piece-files.ts'
import type { NoSpace, Received, ReceiveRequest, StoredPiece } from './piece-store.ts'
import { DiskPieceWriter } from './piece-writer.ts'
import { nameOfUpload, type UploadTerms } from './upload-log.ts'

/** Uploads that were committed and are remembered, in case their client did not hear of it. */
const UPLOADS_REMEMBERED_MAX = 1024

/** An upload that is open, and what was promised to it. */
export interface OpenUpload {
  readonly directory: PieceDirectory
  readonly neededBytes: number
  readonly rawSize: number
  readonly dealId: string
  /** Of its files. */
  readonly name: string
}

/** What incoming pieces need of their store. */
export interface IncomingHooks {
  readonly files: FileSystem
  readonly directories: readonly PieceDirectory[]
  readonly floor: DiskFloor
  readonly resumeMs: number
  readonly clock: { now(): number }
  readonly open: OpenIncomingFile
  /** Of the store's whole quota. */
  freeBytes(): number
  commit(written: WrittenPiece, upload: OpenUpload): Promise<StoredPiece>
  find(piece: string): Promise<StoredPiece | undefined>
  diskFailed(error: PeerError): void
  /** @throws {PeerError} when the store takes nothing any more */
  assertUsable(): void
}

export class IncomingPieces {
  readonly #hooks: IncomingHooks
  readonly #writers = new Map<DiskPieceWriter, OpenUpload>()
  /** By the name of their files. */
  readonly #suspended = new Map<string, SuspendedUpload>()
  /** The piece of each upload that was committed lately, by the upload's name. */
  readonly #remembered = new Map<string, string>()
  #reserving: Promise<unknown> = Promise.resolve()

  constructor(hooks: IncomingHooks) {
    this.#hooks = hooks
  }

  async receive(request: ReceiveRequest): Promise<Received> {
    const reserving = this.#reserving.then(() => this.#reserve(request))
    this.#reserving = reserving.catch(() => undefined)
    const reserved = await reserving
    if (!('open' in reserved)) return reserved
    await reserved.open()
    return { ok: true, writer: reserved }
  }

  /** Leaves every open upload as it is, for the next start where it can be resumed. */
  async stop(): Promise<void> {
    await this.#reserving
    await Promise.all(Array.from(this.#writers.keys(), writer => writer.suspend()))
  }

  /** Takes stock of what the last run left; replaces what was known of it. */
  async findBroken(onRemoved: (name: string) => void): Promise<void> {
    this.#suspended.clear()
    for (const directory of this.#hooks.directories) {
      const found = await findBrokenUploads(this.#hooks.files, directory, this.#hooks.clock.now(), onRemoved)
      for (const upload of found) this.#keepSuspended(upload)
    }
  }

  /** Removes uploads that nobody went on with in their time. */
  async sweep(nowMs: number): Promise<void> {
    for (const upload of this.#suspended.values()) {
      if (upload.untilMs > nowMs) continue
      this.#forgetSuspended(upload)
      await removeBrokenUpload(this.#hooks.files, upload)
    }
  }

  /** Raw bytes that are on their way, counted as a whole from the start, and those that broke off. */
  uploads(): UploadBytes[] {
    return [
      ...Array.from(this.#writers.values(), ({ dealId, rawSize }) => ({ dealId, rawBytes: rawSize })),
      ...Array.from(this.#suspended.values(), ({ dealId, syncedBytes }) => ({ dealId, rawBytes: syncedBytes }))
    ]
  }

  /** What open uploads were promised, in one directory or in all, and what of it is not written yet. */
  promised(directory?: PieceDirectory): { reservedBytes: number; unwrittenBytes: number } {
    let [reservedBytes, unwrittenBytes] = [0, 0]
    for (const [writer, upload] of this.#writers) {
      if (directory !== undefined && upload.directory !== directory) continue
      reservedBytes += upload.neededBytes
      unwrittenBytes += Math.max(0, upload.neededBytes - writer.positionBytes)
    }
    return { reservedBytes, unwrittenBytes }
  }

  /** Promises room to a writer, which is not open yet. */
  async #reserve({
    sizeBytes,
    dealId = '',
    uploadId,
    mends = false
  }: ReceiveRequest): Promise<Received | DiskPieceWriter> {
    this.#hooks.assertUsable()
    const terms = uploadId === undefined ? undefined : { dealId, sizeBytes, uploadId }
    const name = terms === undefined ? randomUUID() : nameOfUpload(terms)
    for (const [writer, upload] of this.#writers) if (upload.name === name) await writer.suspend()
    // What mends is wanted because the piece is not here, whatever came of an earlier upload.
    const known = mends ? undefined : await this.#rememberedPiece(name)
    if (known !== undefined) return { ok: true, piece: known }
    const suspended = this.#suspended.get(name)
    const neededBytes = storedSizeOf(sizeBytes)
    const room = await this.#chooseRoom(neededBytes, suspended, mends)
    if (!room.ok) return room
    if (suspended !== undefined) this.#forgetSuspended(suspended)
    const upload = { directory: room.directory, neededBytes, rawSize: sizeBytes, dealId, name }
    const writer = this.#createWriter(upload, terms, suspended?.syncedBytes ?? 0)
    this.#writers.set(writer, upload)
    return writer
  }

  #createWriter(upload: OpenUpload, terms: UploadTerms | undefined, resumeAtBytes: number): DiskPieceWriter {
    const { resumeMs, clock, open, commit, diskFailed } = this.#hooks
    const { directory, name, rawSize } = upload
    const options = { directory: directory.paths.incoming, name, sizeBytes: rawSize, resumeAtBytes, resumeMs }
    const writer: DiskPieceWriter = new DiskPieceWriter(
      {
        open: () => open({ ...options, ...(terms !== undefined && { upload: terms }) }),
        commit: async written => {
          const piece = await commit(written, upload)
          if (terms !== undefined) this.#remember(name, written.piece)
          return piece
        },
        suspended: syncedBytes =>
          this.#keepSuspended({ ...terms!, syncedBytes, untilMs: clock.now() + resumeMs, name, directory }),
        closed: error => {
          this.#writers.delete(writer)
          if (error?.code === 'DISK_FAILED') diskFailed(error)
        }
      },
      terms !== undefined
    )
    return writer
  }

  async #chooseRoom(
    storedBytes: number,
    suspended: SuspendedUpload | undefined,
    mends: boolean
  ): Promise<NoSpace | { ok: true; directory: PieceDirectory }> {
    const { files, floor, freeBytes } = this.#hooks
    const directories = suspended === undefined ? this.#hooks.directories : [suspended.directory]
    // What broke off is on the disk and counted already.
    const neededBytes = storedBytes - (suspended?.syncedBytes ?? 0)
    const disks = await Promise.all(directories.map(({ path }) => files.statfs(path)))
    // From here to the promise nothing else can take the room.
    const ofStore = freeBytes()
    const rooms = directories.map((directory, at) => {
      const { reservedBytes, unwrittenBytes } = this.promised(directory)
      const ofDirectory = directory.capacityBytes - directory.usedBytes - directory.suspendedBytes - reservedBytes
      return {
        quotaBytes: mends ? neededBytes : Math.min(ofStore, Math.max(0, ofDirectory)),
        diskBytes: aboveFloor(disks[at]!, floor) - unwrittenBytes
      }
    })
    const choice = chooseDirectory(rooms, neededBytes)
    if (choice.ok) return { ok: true, directory: directories[choice.at]! }
    return { ok: false, code: 'NO_SPACE', limit: choice.limit, neededBytes, freeBytes: choice.freeBytes }
  }

  #keepSuspended(upload: SuspendedUpload): void {
    this.#suspended.set(upload.name, upload)
    upload.directory.suspendedBytes += upload.syncedBytes
  }

  #forgetSuspended({ name, directory, syncedBytes }: SuspendedUpload): void {
    this.#suspended.delete(name)
    directory.suspendedBytes -= syncedBytes
  }

  #remember(name: string, piece: string): void {
    this.#remembered.set(name, piece)
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size > UPLOADS_REMEMBERED_MAX) this.#remembered.delete(oldest!)
  }

  async #rememberedPiece(name: string): Promise<StoredPiece | undefined> {
    const piece = this.#remembered.get(name)
    const stored = piece === undefined ? undefined : await this.#hooks.find(piece)
    return stored?.isDamaged === false ? stored : undefined
  }
}
