/**
 * Encrypts a piece as it is laid out: takes the bytes of its CAR, gives the sealed frames of CAR, index, manifest and
 * footer to a sink, in steps of 1 MiB. Holds one such step and 40 bytes for each block.
 */
import { borrowBuffer, type CarBlockPosition, createCarScanner, type PieceSink } from '../content/index.ts'
import { FRAME_CONTENT_SIZE_BYTES, FRAME_SIZE_BYTES, type FrameCipher } from './frames.ts'
import { FRAME_TAG_SIZE_BYTES } from './piece-ciphers.ts'
import { encodePieceFooter, INDEX_ENTRY_SIZE_BYTES } from './piece-footer.ts'
import { PieceIndexBuilder } from './piece-index.ts'

/** Of one write: whole frames, 1 MiB. */
const WRITE_SIZE_BYTES = 16 * FRAME_SIZE_BYTES

export class PieceEncryptor {
  readonly #sink: PieceSink
  readonly #frames: FrameCipher
  readonly #piece: number
  readonly #index = new PieceIndexBuilder()
  readonly #scanner = createCarScanner({ onBlock: block => this.#addBlock(block) })
  #carSizeBytes = 0
  #sizeBytes = 0
  #buffer: Uint8Array<ArrayBufferLike>
  /** Sealed bytes in the buffer, whole frames. */
  #sealed = 0
  /** Plaintext behind them, which is sealed when it is known whether more comes. */
  #open = 0
  #frameNumber = 0

  /** @param sink - gets the stored bytes; written to and closed here, discarded by whoever owns it */
  constructor({ sink, frames, piece }: { sink: PieceSink; frames: FrameCipher; piece: number }) {
    this.#sink = sink
    this.#frames = frames
    this.#piece = piece
    this.#buffer = borrowBuffer(sink, WRITE_SIZE_BYTES)
  }

  /** Stored bytes so far; of the whole piece once it has ended. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Takes the next bytes of the CAR; they are read before the promise resolves, and not kept. */
  async write(car: Uint8Array): Promise<void> {
    const verdict = this.#scanner.update(car)
    if (!verdict.ok) throw new RangeError(`what is encrypted is no CAR (${verdict.reason} at byte ${verdict.offset})`)
    this.#carSizeBytes += car.length
    await this.#append(car)
  }

  /** Adds what stands behind the CAR, and closes the sink. @param manifest - of the object, in its last piece */
  async end(manifest: Uint8Array = new Uint8Array()): Promise<void> {
    const index = this.#index.encode()
    await this.#append(index)
    await this.#append(manifest)
    await this.#append(
      encodePieceFooter({
        carSizeBytes: this.#carSizeBytes,
        blockCount: index.length / INDEX_ENTRY_SIZE_BYTES,
        manifestSizeBytes: manifest.length,
        piece: this.#piece
      })
    )
    this.#seal(true)
    await this.#flush()
    await this.#sink.close()
  }

  #addBlock({ cid, offset, length }: CarBlockPosition): void {
    this.#index.add(cid.multihash.digest, { offset, length })
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#open === FRAME_CONTENT_SIZE_BYTES) {
        this.#seal(false)
        if (this.#sealed === this.#buffer.length) await this.#flush()
      }
      const part = bytes.subarray(at, at + FRAME_CONTENT_SIZE_BYTES - this.#open)
      this.#buffer.set(part, this.#sealed + this.#open)
      this.#open += part.length
      at += part.length
    }
  }

  #seal(isLast: boolean): void {
    const end = this.#sealed + this.#open + FRAME_TAG_SIZE_BYTES
    this.#frames.seal(this.#buffer.subarray(this.#sealed, end), this.#frameNumber, isLast)
    this.#sealed = end
    this.#open = 0
    this.#frameNumber += 1
  }

  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#sealed)
    this.#sizeBytes += bytes.length
    this.#sealed = 0
    await this.#sink.write(bytes)
    this.#buffer = borrowBuffer(this.#sink, WRITE_SIZE_BYTES)
  }
}
