/**
 * Reads one private piece: its footer, its manifest, blocks by CID, ranges of its plaintext. Believes nothing that does
 * not authenticate, and of what does (a stranger may have made the object) no size before it is checked.
 */
import type { CID } from 'multiformats/cid'
import type { FrameCache } from './frame-cache.ts'
import { FrameReader, type FrameReaderOptions, framesOf, pieceInvalid } from './frame-reader.ts'
import { FRAME_CONTENT_SIZE_BYTES } from './frames.ts'
import { decodeManifest, type Manifest } from './manifest.ts'
import {
  type BlockPlace,
  decodePieceFooter,
  INDEX_ENTRY_SIZE_BYTES,
  isBlockPlace,
  PIECE_FOOTER_SIZE_BYTES,
  type PieceFooter
} from './piece-footer.ts'
import { searchIndex } from './piece-index.ts'

/** Frames at the end of a piece that are read at once: footer, index and manifest of an ordinary piece. */
const TAIL_FRAMES = 2

export interface OpenPieceOptions extends FrameReaderOptions {
  /** For footers, indexes and manifests, of this piece and of others of the same object. */
  readonly cache: FrameCache
  readonly signal?: AbortSignal | undefined
}

export interface OpenedPiece {
  readonly footer: PieceFooter
  /** Where a block lies, or `undefined` when it is not in this piece. @throws {CoreError} as `readContent` below */
  find(cid: CID, signal?: AbortSignal): Promise<BlockPlace | undefined>
  /**
   * A range of the piece's plaintext, chunk by chunk.
   *
   * @throws {CoreError} `PIECE_UNREADABLE`; `PIECE_INVALID` when the index is none
   */
  readContent(offset: number, length: number, signal?: AbortSignal): AsyncGenerator<Uint8Array>
  /** The object's manifest, which stands in its last piece; `undefined` in every other. */
  manifest(signal?: AbortSignal): Promise<Manifest | undefined>
}

/**
 * Reads the end of a piece: one read of at most 128 KiB.
 *
 * @throws {CoreError} `PIECE_UNREADABLE` when no replica gives it; `PIECE_INVALID` for what its maker got wrong
 */
export async function openPrivatePiece(options: OpenPieceOptions): Promise<OpenedPiece> {
  const { cache, signal, piece } = options
  const reader = new FrameReader(options)
  const { contentSizeBytes, frameCount } = reader

  /** Bytes of the trailer, through the cache. */
  async function readCached(offset: number, length: number, abort?: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    const { from, to } = framesOf(offset, length)
    for await (const { number, frame } of cache.read(piece, reader, from, to, abort)) {
      const start = number * FRAME_CONTENT_SIZE_BYTES
      const part = frame.subarray(Math.max(0, offset - start), offset + length - start)
      bytes.set(part, Math.max(0, start - offset))
    }
    return bytes
  }

  if (contentSizeBytes < PIECE_FOOTER_SIZE_BYTES) throw pieceInvalid(piece, 'size')
  await cache.load(piece, reader, Math.max(0, frameCount - TAIL_FRAMES), frameCount, signal)
  const end = await readCached(contentSizeBytes - PIECE_FOOTER_SIZE_BYTES, PIECE_FOOTER_SIZE_BYTES, signal)
  const decoded = decodePieceFooter(end, piece, contentSizeBytes)
  if (!decoded.ok) throw pieceInvalid(piece, decoded.reason)
  const { footer } = decoded
  const { carSizeBytes, blockCount, manifestSizeBytes } = footer

  async function* readContent(offset: number, length: number, abort?: AbortSignal): AsyncGenerator<Uint8Array> {
    if (offset < 0 || length < 0 || offset + length > contentSizeBytes) {
      throw new RangeError(`piece ${piece} has bytes 0 to ${contentSizeBytes}, asked for ${length} from ${offset} on`)
    }
    if (length === 0) return
    const { from, to } = framesOf(offset, length)
    let start = from * FRAME_CONTENT_SIZE_BYTES
    for await (const frame of reader.read(from, to, abort)) {
      yield frame.subarray(Math.max(0, offset - start), offset + length - start)
      start += frame.length
    }
  }

  return {
    footer,
    readContent,
    async find(cid, abort) {
      const found = await searchIndex(cid.multihash.digest, blockCount, (from, to) =>
        readCached(carSizeBytes + from * INDEX_ENTRY_SIZE_BYTES, (to - from) * INDEX_ENTRY_SIZE_BYTES, abort)
      )
      if (found.kind === 'absent') return undefined
      if (found.kind === 'malformed') throw pieceInvalid(piece, 'index order')
      if (!isBlockPlace(found.place, footer)) throw pieceInvalid(piece, 'index entry')
      return found.place
    },
    async manifest(abort) {
      if (manifestSizeBytes === 0) return undefined
      const offset = contentSizeBytes - PIECE_FOOTER_SIZE_BYTES - manifestSizeBytes
      const verdict = decodeManifest(await readCached(offset, manifestSizeBytes, abort), piece)
      if (!verdict.ok) throw pieceInvalid(piece, verdict.reason)
      return verdict.manifest
    }
  }
}
