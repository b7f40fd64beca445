import type { PieceDigest } from '@holdfast/proofs'
import { PeerError } from '../error.ts'
import type { IncomingFile, WrittenPiece } from './incoming-file.ts'
import type { PieceWriter, StoredPiece } from './piece-store.ts'

/** What a writer needs of its store. */
export interface PieceWriterHooks {
  open(): Promise<IncomingFile>
  commit(written: WrittenPiece): Promise<StoredPiece>
  /** Called when nothing of the writer is left but a committed piece; may be called again. */
  closed(error?: PeerError): void
}

/** Ties one incoming file to the store's reservation: whatever way it ends, the reservation ends with it, once. */
export class DiskPieceWriter implements PieceWriter {
  readonly #hooks: PieceWriterHooks
  #file: IncomingFile | undefined
  #committed: Promise<StoredPiece> | undefined

  constructor(hooks: PieceWriterHooks) {
    this.#hooks = hooks
  }

  get positionBytes(): number {
    return this.#file?.positionBytes ?? 0
  }

  async open(): Promise<void> {
    try {
      this.#file = await this.#hooks.open()
    } catch (error) {
      this.#hooks.closed(error instanceof PeerError ? error : undefined)
      throw error
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#orGiveUp(file => file.write(bytes))
  }

  finish(): PieceDigest {
    return this.#file!.finish()
  }

  commit(): Promise<StoredPiece> {
    this.#committed ??= (async () => {
      const piece = await this.#orGiveUp(async file => this.#hooks.commit(await file.sync()))
      await this.#close()
      return piece
    })()
    return this.#committed
  }

  async abort(): Promise<void> {
    if (this.#committed === undefined) await this.#close()
    else await this.#committed.catch(() => undefined) // whoever called commit hears of it
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort()
  }

  async #orGiveUp<Result>(work: (file: IncomingFile) => Promise<Result>): Promise<Result> {
    try {
      return await work(this.#file!)
    } catch (error) {
      await this.#close(error instanceof PeerError ? error : undefined)
      throw error
    }
  }

  async #close(error?: PeerError): Promise<void> {
    try {
      await this.#file?.discard()
    } finally {
      this.#hooks.closed(error)
    }
  }
}
