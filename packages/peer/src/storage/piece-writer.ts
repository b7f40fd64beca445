import { PeerError } from '../error.ts'
import type { IncomingFile, PieceName, WrittenPiece } from './incoming-file.ts'
import type { PieceWriter, StoredPiece } from './piece-store.ts'

/** What a writer needs of its store. */
export interface PieceWriterHooks {
  open(): Promise<IncomingFile>
  commit(written: WrittenPiece): Promise<StoredPiece>
  /** Called when a writer that may be resumed has left its bytes on the disk. */
  suspended(bytes: number): void
  /** Called when the store has nothing more to do with the writer; may be called again. */
  closed(error?: PeerError): void
}

/** Ties one incoming file to the store's reservation: whatever way it ends, the reservation ends with it, once. */
export class DiskPieceWriter implements PieceWriter {
  readonly #hooks: PieceWriterHooks
  readonly #canResume: boolean
  #file: IncomingFile | undefined
  /** Opening takes as long as what is there must be hashed again; whoever ends the writer meanwhile waits for it. */
  #opening: Promise<void> | undefined
  #isGivenUp = false
  #committed: Promise<StoredPiece> | undefined
  #suspended: Promise<void> | undefined

  constructor(hooks: PieceWriterHooks, canResume: boolean) {
    this.#hooks = hooks
    this.#canResume = canResume
  }

  get positionBytes(): number {
    return this.#file?.positionBytes ?? 0
  }

  open(): Promise<void> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  async #open(): Promise<void> {
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

  finish(): Promise<PieceName> {
    return this.#orGiveUp(file => file.finish())
  }

  commit(): Promise<StoredPiece> {
    this.#committed ??= (async () => {
      const piece = await this.#orGiveUp(async file => this.#hooks.commit(await file.sync()))
      await this.#close()
      return piece
    })()
    return this.#committed
  }

  suspend(): Promise<void> {
    this.#suspended ??= this.#suspend()
    return this.#suspended
  }

  async #suspend(): Promise<void> {
    await this.#opening?.catch(() => undefined) // whoever opened it hears of it
    const isOpen = this.#committed === undefined && !this.#isGivenUp
    if (!isOpen || !this.#canResume || this.positionBytes === 0) return this.abort()
    try {
      this.#hooks.suspended(await this.#file!.suspend())
      this.#hooks.closed()
    } catch (error) {
      // What cannot be kept is given up, unless it was given up before.
      await this.#close(error instanceof PeerError && error.code !== 'WRITER_CLOSED' ? error : undefined)
    }
  }

  async abort(): Promise<void> {
    await this.#opening?.catch(() => undefined)
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
      if (error instanceof PeerError && error.code === 'WRITER_CLOSED') await this.#suspended
      else await this.#close(error instanceof PeerError ? error : undefined)
      throw error
    }
  }

  async #close(error?: PeerError): Promise<void> {
    this.#isGivenUp = true
    try {
      await this.#file?.discard()
    } finally {
      this.#hooks.closed(error)
    }
  }
}
