/**
 * One piece on its way to the disk: written, hashed and scanned for blocks in one pass over its bytes.
 *
 * Owns the piece's file in `incoming/`, its layer's, and the log of a resumable upload, until the store takes them over.
 * Memory is the hasher's slab, the cached layer (1/508 of the piece) and the block under way. Runs where it is called: in
 * a worker (intake-worker.ts) in a peer, in the test's own thread over a disk that fails on purpose.
 */
import { join } from 'node:path'
import { createPieceHasher, type NodeHasher, type PieceDigest } from '@holdfast/proofs'
import { type DirectFile, openDirectFile, pageAlignedBytes } from '../direct-file.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { type CarFacts, createBlockCollector } from './block-collector.ts'
import type { FileSystem } from './file-system.ts'
import { encodeLayer, SLAB_SIZE_BYTES, writeSynced } from './piece-files.ts'
import { createSpanSummer } from './span-checksums.ts'
import { openUploadLog, type UploadLog, type UploadTerms } from './upload-log.ts'

/** Unsynced bytes: so that a commit does not wait for a whole piece, a bad disk shows early, and a
 * break of a resumable upload costs no more than this. */
const UNSYNCED_SIZE_BYTES_MAX = 32 * 1024 * 1024

/** What the disk answers when it is full, over quota, or cannot hold a file of that size. */
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Plain data, so that it can be posted to a worker. */
export interface IncomingOptions {
  /** The `incoming/` folder that the files go into. */
  readonly directory: string
  /** Unique in the folder. */
  readonly name: string
  readonly sizeBytes: number
  /** Bytes that are there already, of an upload that broke off; they are read and hashed again. */
  readonly resumeAtBytes: number
  /** What the bytes are, when their upload may be resumed. */
  readonly upload?: UploadTerms
  /** How long a resumable upload may stay broken off. */
  readonly resumeMs: number
}

/** What a piece turned out to be. `piece` is its PieceCIDv2 as text. */
export interface PieceName {
  readonly piece: string
  readonly rawSize: number
}

/** A piece whose two files are whole and synced under their temporary names. */
export interface WrittenPiece extends PieceName {
  readonly car: CarFacts
}

/** Calls do not overlap, but for `suspend` and `discard`, which may come at any time. */
export interface IncomingFile {
  readonly positionBytes: number
  /** Takes the next bytes; they may be reused when it resolves. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the bytes. What it returns is not on the disk yet. */
  finish(): Promise<PieceName>
  /** Makes both temporary files durable. */
  sync(): Promise<WrittenPiece>
  /** Syncs what came and leaves it for a later upload to go on with. @returns how many bytes that are */
  suspend(): Promise<number>
  /** Closes and removes what is left of the temporary files. Idempotent, also after {@link sync} and {@link suspend}. */
  discard(): Promise<void>
}

export type OpenIncomingFile = (options: IncomingOptions) => Promise<IncomingFile>

/** The temporary files of a piece on its way in. */
export function incomingPaths({ directory, name }: { readonly directory: string; readonly name: string }) {
  const piece = join(directory, `${name}.piece`)
  return { piece, layer: `${piece}.layer`, log: join(directory, `${name}.upload`) }
}

/** Opens incoming files in the calling thread. */
export function createIncomingFiles(
  files: FileSystem,
  nodeHasher: NodeHasher,
  clock: { now(): number }
): OpenIncomingFile {
  return async options => {
    const incoming = new LocalIncomingFile(files, nodeHasher, clock, options)
    await incoming.open()
    return incoming
  }
}

/** Whether a call failed because there is no room; LevelDB says so in words only. */
export function isFull(error: unknown): boolean {
  if (FULL_CODES.has(systemCodeOf(error) ?? '')) return true
  if (!(error instanceof Error)) return false
  return /No space left on device|Disk quota exceeded/.test(error.message) || isFull(error.cause)
}

export function diskFull(cause: unknown): PeerError {
  return new PeerError(
    'NO_SPACE',
    'The disk is full: the piece was not kept.',
    { code: systemCodeOf(cause) },
    { cause }
  )
}

/** Turns a failed disk call into what the peer can act on: room that is missing, or a disk that is not to be trusted. */
export function diskError(cause: unknown): PeerError {
  if (cause instanceof PeerError) return cause
  if (isFull(cause)) return diskFull(cause)
  const code = systemCodeOf(cause)
  const message = `The disk failed (${code ?? String(cause)}): see that it is sound, then start the peer again.`
  return new PeerError('DISK_FAILED', message, { code }, { cause })
}

class LocalIncomingFile implements IncomingFile {
  positionBytes = 0
  readonly #files: FileSystem
  readonly #clock: { now(): number }
  readonly #options: IncomingOptions
  readonly #paths: ReturnType<typeof incomingPaths>
  readonly #hasher
  readonly #blocks = createBlockCollector()
  readonly #summer = createSpanSummer()
  #file: DirectFile | undefined
  #log: UploadLog | undefined
  #syncedBytes = 0
  /** The sync under way; never rejects unhandled, what went wrong is in `#failure`. */
  #syncing: Promise<void> = Promise.resolve()
  /** The write under way, which a suspend or a discard waits for. */
  #writing: Promise<unknown> = Promise.resolve()
  #failure: PeerError | undefined
  #digest: PieceDigest | undefined
  #suspended: Promise<number> | undefined
  #discarded: Promise<void> | undefined

  constructor(files: FileSystem, nodeHasher: NodeHasher, clock: { now(): number }, options: IncomingOptions) {
    this.#files = files
    this.#clock = clock
    this.#options = options
    this.#paths = incomingPaths(options)
    this.#hasher = createPieceHasher({ nodeHasher })
  }

  async open(): Promise<void> {
    const { upload, resumeAtBytes } = this.#options
    try {
      this.#file = await openDirectFile(this.#files, this.#paths.piece, resumeAtBytes > 0 ? 'r+' : 'wx', 0o600)
      if (upload !== undefined) this.#log = await openUploadLog(this.#files, this.#paths.log, upload)
      if (resumeAtBytes > 0) await this.#readAgain(this.#file, resumeAtBytes)
    } catch (error) {
      await this.discard().catch(() => undefined)
      throw diskError(error)
    }
  }

  /** Hashes what is on the disk, so that the commitment is of the bytes that lie there and not of those that were sent. */
  async #readAgain(file: DirectFile, sizeBytes: number): Promise<void> {
    await file.handle.truncate(sizeBytes)
    const slab = pageAlignedBytes(SLAB_SIZE_BYTES)
    while (this.positionBytes < sizeBytes) {
      const wanted = Math.min(slab.length, sizeBytes - this.positionBytes)
      const came = await file.read(slab, this.positionBytes)
      if (came < wanted) throw new PeerError('DISK_FAILED', 'An upload’s file is shorter than it was.')
      this.#see(slab.subarray(0, wanted))
    }
    this.#syncedBytes = sizeBytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    const position = this.positionBytes
    if (position + bytes.length > this.#options.sizeBytes) {
      throw new RangeError(
        `expected at most the ${this.#options.sizeBytes} bytes declared, got ${position + bytes.length}`
      )
    }
    const writing = this.#file!.write(bytes, position)
    this.#writing = writing.catch(() => undefined)
    // Hashes while the disk takes them.
    this.#see(bytes)
    try {
      await writing
    } catch (error) {
      this.#failure ??= diskError(error)
    }
    this.#assertOpen()
    if (this.positionBytes - this.#syncedBytes >= UNSYNCED_SIZE_BYTES_MAX) {
      await this.#syncing
      this.#assertOpen()
      this.#syncing = this.#syncTo(this.positionBytes).catch((error: unknown) => {
        this.#failure ??= diskError(error)
      })
    }
  }

  async finish(): Promise<PieceName> {
    this.#assertOpen()
    if (this.positionBytes === 0) throw new RangeError('expected at least one byte, got none')
    this.#digest ??= this.#hasher.digest()
    return { piece: this.#digest.cid.toString(), rawSize: this.#digest.rawSize }
  }

  async sync(): Promise<WrittenPiece> {
    const name = await this.finish()
    await this.#syncing
    this.#assertOpen()
    try {
      await this.#file!.handle.datasync()
      await writeSynced(this.#files, this.#paths.layer, encodeLayer(this.#digest!.layer, this.#summer.finish()))
    } catch (error) {
      throw diskError(error)
    }
    return { ...name, car: this.#blocks.finish() }
  }

  suspend(): Promise<number> {
    this.#suspended ??= (async () => {
      this.#assertOpen()
      this.#failure = closed()
      await this.#writing
      await this.#syncing
      const { positionBytes } = this
      try {
        await this.#syncTo(positionBytes)
        await this.#close()
        await this.#files.rm(this.#paths.layer, { force: true })
      } catch (error) {
        throw diskError(error)
      }
      this.#discarded = Promise.resolve()
      return positionBytes
    })()
    return this.#suspended
  }

  discard(): Promise<void> {
    this.#discarded ??= (async () => {
      this.#failure ??= closed()
      await this.#writing
      await this.#syncing
      try {
        await this.#close()
      } finally {
        for (const path of Object.values(this.#paths)) await this.#files.rm(path, { force: true })
      }
    })()
    return this.#discarded
  }

  #see(bytes: Uint8Array): void {
    this.#hasher.update(bytes)
    this.#summer.update(bytes)
    this.#blocks.update(bytes)
    this.positionBytes += bytes.length
  }

  async #syncTo(positionBytes: number): Promise<void> {
    await this.#file!.handle.datasync()
    this.#syncedBytes = positionBytes
    await this.#log?.append(positionBytes, this.#clock.now() + this.#options.resumeMs)
  }

  async #close(): Promise<void> {
    await this.#file?.close()
    await this.#log?.close()
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}

function closed(): PeerError {
  return new PeerError('WRITER_CLOSED', 'The piece was committed, suspended or given up.')
}
