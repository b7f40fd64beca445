/**
 * The last 32 bytes of a piece's plaintext, which say where everything is:
 *
 *     CAR ‖ index (40 bytes a block) ‖ manifest (in the object's last piece) ‖ footer
 */
import { BLOCK_SIZE_BYTES_MAX } from '../content/index.ts'

export const PIECE_FOOTER_SIZE_BYTES = 32

/** Digest, offset and length of a block. */
export const INDEX_ENTRY_SIZE_BYTES = 40

/** Blocks of a piece: an index of 40 MiB. A piece of the largest size in blocks of 1 MiB has a thousandth of it. */
export const BLOCKS_PER_PIECE_MAX = 2 ** 20

/** A manifest of as many pieces as an object may have stays below this. */
export const MANIFEST_SIZE_BYTES_MAX = 1024 * 1024

export interface PieceFooter {
  /** Bytes of the CAR, at the front of the piece. */
  readonly carSizeBytes: number
  readonly blockCount: number
  /** 0 in every piece but the object's last. */
  readonly manifestSizeBytes: number
  /** Which piece of its object this is, from 0. */
  readonly piece: number
}

export type PieceFooterVerdict =
  | { readonly ok: true; readonly footer: PieceFooter }
  | { readonly ok: false; readonly reason: 'footer format' | 'footer sizes' | 'another piece' }

/** `HFPIECE1` */
const MAGIC = Uint8Array.of(0x48, 0x46, 0x50, 0x49, 0x45, 0x43, 0x45, 0x31)

export function encodePieceFooter(footer: PieceFooter): Uint8Array {
  const bytes = new Uint8Array(PIECE_FOOTER_SIZE_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  view.setUint32(8, footer.carSizeBytes)
  view.setUint32(12, footer.blockCount)
  view.setUint32(16, footer.manifestSizeBytes)
  view.setUint32(20, footer.piece)
  return bytes
}

/**
 * Reads the footer of piece number `piece` with `contentSizeBytes` bytes of plaintext. What it claims adds up to exactly
 * these, so that nothing it says leads outside of the piece.
 */
export function decodePieceFooter(bytes: Uint8Array, piece: number, contentSizeBytes: number): PieceFooterVerdict {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length !== PIECE_FOOTER_SIZE_BYTES || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    return { ok: false, reason: 'footer format' }
  }
  if (bytes.subarray(24).some(byte => byte !== 0)) return { ok: false, reason: 'footer format' }
  const footer: PieceFooter = {
    carSizeBytes: view.getUint32(8),
    blockCount: view.getUint32(12),
    manifestSizeBytes: view.getUint32(16),
    piece: view.getUint32(20)
  }
  const { carSizeBytes, blockCount, manifestSizeBytes } = footer
  const size = carSizeBytes + blockCount * INDEX_ENTRY_SIZE_BYTES + manifestSizeBytes + PIECE_FOOTER_SIZE_BYTES
  if (size !== contentSizeBytes || blockCount > BLOCKS_PER_PIECE_MAX || manifestSizeBytes > MANIFEST_SIZE_BYTES_MAX) {
    return { ok: false, reason: 'footer sizes' }
  }
  return footer.piece === piece ? { ok: true, footer } : { ok: false, reason: 'another piece' }
}

/** Where a block lies in the CAR of its piece. */
export interface BlockPlace {
  readonly offset: number
  readonly length: number
}

/** @returns whether a block may lie there: within the CAR, and no longer than a block is */
export function isBlockPlace({ offset, length }: BlockPlace, { carSizeBytes }: PieceFooter): boolean {
  return length <= BLOCK_SIZE_BYTES_MAX && offset + length <= carSizeBytes
}
