/**
 * Lays blocks out as CARv1 pieces: opens a piece when the first block needs one, writes it in large steps, closes it
 * when the next section does not fit. Owns nothing on disk: pieces go to sinks. Does not hash them: see `hashPieces`.
 */
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { abortable } from './abortable.ts'
import { encodeCarHeader, encodeSectionPrefix, PLACEHOLDER_ROOT, SECTION_SIZE_BYTES_MAX } from './car.ts'

/**
 * Where the bytes of one piece go.
 *
 * The caller owns what lies behind: `write` takes over the bytes it is given, `close` says that the piece is whole,
 * and `discard` throws away whatever was written. When packing fails or is aborted, every opened sink is discarded,
 * closed ones too, even while a write is under way.
 */
export interface PieceSink {
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
  discard(): Promise<void>
  /**
   * Lends a buffer of that size to fill for a coming `write`, most often one that an earlier `write` took over. Making
   * every buffer anew costs a quarter of the packer's time, in collecting them.
   */
  lend?(sizeBytes: number): Uint8Array
}

export type OpenPiece = (index: number) => Promise<PieceSink>

/** A piece as the packer wrote it. */
export interface LaidOutPiece {
  readonly rawSize: number
  readonly blockCount: number
}

export interface PackedPiece extends LaidOutPiece {
  /** PieceCIDv2. */
  readonly cid: CID
}

/** What of a piece's size is not for its CAR: bytes that the sink adds behind a CAR of so many blocks. */
export type TrailerSizeOf = (index: number, blockCount: number) => number

export interface PiecePackerOptions {
  readonly openPiece: OpenPiece
  readonly pieceSizeBytesMax: number
  /** Default: nothing follows. `Infinity` says that a piece takes no block more. */
  readonly trailerSizeOf?: TrailerSizeOf | undefined
  readonly signal?: AbortSignal | undefined
}

/** Every write of a piece but the last is this long: few calls for small blocks, and large steps for what hashes or encrypts. */
export const PIECE_WRITE_SIZE_BYTES = 1024 * 1024

/** The smallest piece that a commitment is defined for: one quad of fr32 input. */
export const PIECE_SIZE_BYTES_MIN = 127

const HEADER = encodeCarHeader([PLACEHOLDER_ROOT])

/** A piece must at least hold the header and one section of any size. */
export const PIECE_SIZE_LIMIT_BYTES_MIN = HEADER.length + SECTION_SIZE_BYTES_MAX

interface CurrentPiece {
  readonly sink: PieceSink
  rawSize: number
  blockCount: number
}

export class PiecePacker {
  readonly pieces: LaidOutPiece[] = []
  readonly #options: PiecePackerOptions
  readonly #sinks: PieceSink[] = []
  #piece: CurrentPiece | undefined
  #buffer: Uint8Array<ArrayBufferLike> = new Uint8Array()
  #buffered = 0

  constructor(options: PiecePackerOptions) {
    this.#options = options
  }

  /** Bytes of all pieces so far, headers included. */
  get rawSize(): number {
    return this.pieces.reduce((sum, piece) => sum + piece.rawSize, this.#piece?.rawSize ?? 0)
  }

  /** Appends one section; a section is never split over two pieces. */
  async put(cid: CID, block: Uint8Array): Promise<void> {
    const prefix = encodeSectionPrefix(cid, block.length)
    const sectionSize = prefix.length + block.length
    if (this.#piece !== undefined && !this.#hasRoom(this.#piece, sectionSize)) await this.#close(this.#piece)
    this.#piece ??= await this.#open()
    await this.#append(this.#piece, prefix)
    await this.#append(this.#piece, block)
    this.#piece.blockCount += 1
  }

  #hasRoom({ rawSize, blockCount }: CurrentPiece, sectionSize: number): boolean {
    const { pieceSizeBytesMax, trailerSizeOf = () => 0 } = this.#options
    return rawSize + sectionSize + trailerSizeOf(this.pieces.length, blockCount + 1) <= pieceSizeBytesMax
  }

  async finish(): Promise<void> {
    if (this.#piece !== undefined) await this.#close(this.#piece)
  }

  /** Discards every piece that was opened. Never rejects: what went wrong first is what the caller must learn. */
  async discard(): Promise<void> {
    this.#piece = undefined
    await Promise.allSettled(this.#sinks.map(sink => sink.discard()))
  }

  async #open(): Promise<CurrentPiece> {
    const { openPiece, signal } = this.#options
    const opening = openPiece(this.#sinks.length)
    const sink = await abortable(opening, signal).catch(cause => {
      opening.then(late => late.discard()).catch(() => {})
      throw cause
    })
    this.#sinks.push(sink)
    const piece = { sink, rawSize: 0, blockCount: 0 }
    this.#buffer = borrowBuffer(sink, PIECE_WRITE_SIZE_BYTES)
    await this.#append(piece, HEADER)
    return piece
  }

  async #close(piece: CurrentPiece): Promise<void> {
    if (piece.rawSize < PIECE_SIZE_BYTES_MIN) await this.#pad(piece)
    await this.#flush(piece)
    await abortable(piece.sink.close(), this.#options.signal)
    this.pieces.push({ rawSize: piece.rawSize, blockCount: piece.blockCount })
    this.#piece = undefined
  }

  /** Adds a raw block of zeros that brings the piece to the smallest size a commitment has. */
  async #pad(piece: CurrentPiece): Promise<void> {
    const shortest = encodeSectionPrefix(await rawCid(new Uint8Array(1)), 1).length + 1
    const missing = PIECE_SIZE_BYTES_MIN - piece.rawSize
    const zeros = new Uint8Array(1 + Math.max(0, missing - shortest))
    await this.#append(piece, encodeSectionPrefix(await rawCid(zeros), zeros.length))
    await this.#append(piece, zeros)
    piece.blockCount += 1
  }

  async #append(piece: CurrentPiece, bytes: Uint8Array): Promise<void> {
    piece.rawSize += bytes.length
    for (let offset = 0; offset < bytes.length; ) {
      const part = bytes.subarray(offset, offset + this.#buffer.length - this.#buffered)
      this.#buffer.set(part, this.#buffered)
      this.#buffered += part.length
      offset += part.length
      if (this.#buffered === this.#buffer.length) await this.#flush(piece)
    }
  }

  async #flush(piece: CurrentPiece): Promise<void> {
    if (this.#buffered === 0) return
    const bytes = this.#buffer.subarray(0, this.#buffered)
    this.#buffered = 0
    await abortable(piece.sink.write(bytes), this.#options.signal)
    this.#buffer = borrowBuffer(piece.sink, PIECE_WRITE_SIZE_BYTES)
  }
}

/** A buffer to fill for the sink. */
export function borrowBuffer(sink: PieceSink, sizeBytes: number): Uint8Array<ArrayBufferLike> {
  return sink.lend?.(sizeBytes) ?? new Uint8Array(sizeBytes)
}

async function rawCid(block: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(block))
}
