/**
 * One piece on its way to the disk: hashed, scanned for blocks and written in one pass over its bytes.
 *
 * Owns two files in `incoming/` until the store takes them over. Memory is two slabs, the hasher's slab, the cached layer
 * (1/127 of the piece) and the list of blocks. One slab is written while the next one fills.
 */
import { join } from 'node:path'
import { createPieceHasher, type NodeHasher, type PieceDigest } from '@holdfast/proofs'
import { PeerError, systemCodeOf } from '../error.ts'
import { type CollectedBlocks, createBlockCollector } from './block-collector.ts'
import type { FileSystem } from './file-system.ts'
import { encodeLayer, SLAB_SIZE_BYTES, writeSynced } from './piece-files.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/** Unsynced bytes in the page cache, so that a commit does not wait for a whole piece and a bad disk shows early. */
const UNSYNCED_SIZE_BYTES_MAX = 64 * 1024 * 1024

/** What the disk answers when it is full, over quota, or cannot hold a file of that size. */
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** A piece whose two files are whole and synced under their temporary names. */
export interface WrittenPiece {
  readonly digest: PieceDigest
  readonly blocks: CollectedBlocks
  readonly temporaryPiece: string
  readonly temporaryLayer: string
}

export interface IncomingFile {
  readonly positionBytes: number
  /** Takes bytes; resolves when they may be reused and at most one slab is still on its way to the operating system. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the bytes. What it returns is not on the disk yet. */
  finish(): PieceDigest
  /** Makes both temporary files durable. */
  sync(): Promise<WrittenPiece>
  /** Closes and removes what is left of the temporary files. Idempotent, also after {@link sync}. */
  discard(): Promise<void>
}

/** @param name - unique in `directory`; the layer's file is called like it */
export async function createIncomingFile(
  files: FileSystem,
  directory: string,
  { name, sizeBytes, nodeHasher }: { name: string; sizeBytes: number; nodeHasher: NodeHasher }
): Promise<IncomingFile> {
  const temporaryPiece = join(directory, `${name}.piece`)
  const handle = await files.open(temporaryPiece, 'wx', 0o600).catch((error: unknown) => {
    throw diskError(error)
  })
  return new OpenIncomingFile(files, handle, { temporaryPiece, sizeBytes, nodeHasher })
}

/** Turns a failed disk call into what the peer can act on: room that is missing, or a disk that is not to be trusted. */
export function diskError(cause: unknown): PeerError {
  if (cause instanceof PeerError) return cause
  const code = systemCodeOf(cause)
  if (code !== undefined && FULL_CODES.has(code)) {
    return new PeerError('NO_SPACE', 'The disk is full: the piece was not kept.', { code }, { cause })
  }
  const message = `The disk failed (${code ?? String(cause)}): see that it is sound, then start the peer again.`
  return new PeerError('DISK_FAILED', message, { code }, { cause })
}

class OpenIncomingFile implements IncomingFile {
  positionBytes = 0
  readonly #files: FileSystem
  readonly #handle: FileHandle
  readonly #temporaryPiece: string
  readonly #sizeBytes: number
  readonly #hasher
  readonly #blocks = createBlockCollector()
  #slab = Buffer.allocUnsafeSlow(SLAB_SIZE_BYTES)
  #spareSlab = Buffer.allocUnsafeSlow(SLAB_SIZE_BYTES)
  #filledBytes = 0
  #writtenBytes = 0
  #unsyncedBytes = 0
  /** The slab on its way; never rejects unhandled, what went wrong is in `#failure`. */
  #pending: Promise<void> = Promise.resolve()
  #failure: PeerError | undefined
  #digest: PieceDigest | undefined
  #discarded: Promise<void> | undefined

  constructor(
    files: FileSystem,
    handle: FileHandle,
    options: { temporaryPiece: string; sizeBytes: number; nodeHasher: NodeHasher }
  ) {
    this.#files = files
    this.#handle = handle
    this.#temporaryPiece = options.temporaryPiece
    this.#sizeBytes = options.sizeBytes
    this.#hasher = createPieceHasher({ nodeHasher: options.nodeHasher })
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    if (this.positionBytes + bytes.length > this.#sizeBytes) {
      throw new RangeError(
        `expected at most the ${this.#sizeBytes} bytes declared, got ${this.positionBytes + bytes.length}`
      )
    }
    this.positionBytes += bytes.length
    this.#hasher.update(bytes)
    this.#blocks.update(bytes)
    for (let offset = 0; offset < bytes.length; ) {
      const part = bytes.subarray(offset, offset + SLAB_SIZE_BYTES - this.#filledBytes)
      this.#slab.set(part, this.#filledBytes)
      this.#filledBytes += part.length
      offset += part.length
      if (this.#filledBytes === SLAB_SIZE_BYTES) await this.#sendSlab()
    }
  }

  finish(): PieceDigest {
    if (this.positionBytes === 0) throw new RangeError('expected at least one byte, got none')
    this.#digest ??= this.#hasher.digest()
    return this.#digest
  }

  async sync(): Promise<WrittenPiece> {
    const digest = this.finish()
    await this.#sendSlab()
    await this.#pending
    this.#assertOpen()
    const temporaryLayer = `${this.#temporaryPiece}.layer`
    try {
      await this.#handle.datasync()
      await writeSynced(this.#files, temporaryLayer, encodeLayer(digest.layer))
    } catch (error) {
      throw diskError(error)
    }
    return { digest, blocks: this.#blocks.finish(), temporaryPiece: this.#temporaryPiece, temporaryLayer }
  }

  discard(): Promise<void> {
    this.#discarded ??= (async () => {
      this.#failure ??= new PeerError('WRITER_CLOSED', 'The piece was committed or given up.')
      await this.#pending
      try {
        await this.#handle.close()
      } finally {
        await this.#files.rm(this.#temporaryPiece, { force: true })
        await this.#files.rm(`${this.#temporaryPiece}.layer`, { force: true })
      }
    })()
    return this.#discarded
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Waits for the slab before, hands this one to the operating system, and goes on with the spare. */
  async #sendSlab(): Promise<void> {
    await this.#pending
    this.#assertOpen()
    if (this.#filledBytes === 0) return
    const bytes = this.#slab.subarray(0, this.#filledBytes)
    const position = this.#writtenBytes
    this.#writtenBytes += bytes.length
    this.#filledBytes = 0
    ;[this.#slab, this.#spareSlab] = [this.#spareSlab, this.#slab]
    this.#pending = this.#writeSlab(bytes, position).catch((error: unknown) => {
      this.#failure ??= diskError(error)
    })
  }

  async #writeSlab(bytes: Uint8Array, position: number): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, written, bytes.length - written, position + written)
      written += bytesWritten
    }
    this.#unsyncedBytes += bytes.length
    if (this.#unsyncedBytes < UNSYNCED_SIZE_BYTES_MAX) return
    await this.#handle.datasync()
    this.#unsyncedBytes = 0
  }
}
