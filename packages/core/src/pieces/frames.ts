/**
 * The inner layer: a piece's plaintext cut into frames, each sealed by itself (the STREAM construction, as age has it).
 *
 * The nonce is the frame's number and whether it is the last, so that a frame that was moved, left out or made the last
 * one is refused; the key is that of one piece of one object, so that frames of any other are. Offsets map by arithmetic:
 * frame n holds the plaintext from n · 65520 on and lies at n · 65536 of the piece.
 */
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { derivePieceKey, type ReadKey } from './object-keys.ts'
import { FRAME_TAG_SIZE_BYTES, type PieceCiphers } from './piece-ciphers.ts'

/** Sealed bytes of every frame but a piece's last, which may be shorter. */
export const FRAME_SIZE_BYTES = 64 * 1024

/** Plaintext of such a frame. */
export const FRAME_CONTENT_SIZE_BYTES = FRAME_SIZE_BYTES - FRAME_TAG_SIZE_BYTES

/** Plaintext that the largest piece holds: 16256 full frames. */
export const SEALED_CONTENT_SIZE_BYTES_MAX = (PIECE_SIZE_BYTES_MAX / FRAME_SIZE_BYTES) * FRAME_CONTENT_SIZE_BYTES

/** Part of every tag, so that a later form of the format does not pass for this one. */
const FORMAT = utf8ToBytes('holdfast/piece/1')
const NONCE_SIZE_BYTES = 12

/** @returns bytes of the piece that holds `contentSize` bytes of plaintext */
export function sealedSizeOf(contentSize: number): number {
  return contentSize + Math.ceil(contentSize / FRAME_CONTENT_SIZE_BYTES) * FRAME_TAG_SIZE_BYTES
}

/** @returns bytes of plaintext in a piece of this size, or `undefined` when no piece of frames has it */
export function contentSizeOf(sealedSize: number): number | undefined {
  if (!Number.isSafeInteger(sealedSize) || sealedSize <= 0 || sealedSize > PIECE_SIZE_BYTES_MAX) return undefined
  const rest = sealedSize % FRAME_SIZE_BYTES
  if (rest > 0 && rest <= FRAME_TAG_SIZE_BYTES) return undefined
  return sealedSize - Math.ceil(sealedSize / FRAME_SIZE_BYTES) * FRAME_TAG_SIZE_BYTES
}

/** @returns bytes of plaintext that a piece of at most this size has room for */
export function contentRoomOf(sealedSizeMax: number): number {
  const rest = sealedSizeMax % FRAME_SIZE_BYTES
  return (
    ((sealedSizeMax - rest) / FRAME_SIZE_BYTES) * FRAME_CONTENT_SIZE_BYTES + Math.max(0, rest - FRAME_TAG_SIZE_BYTES)
  )
}

/** Seals and opens the frames of one piece, in place. */
export interface FrameCipher {
  /** @param frame - plaintext and 16 bytes of room */
  seal(frame: Uint8Array, number: number, isLast: boolean): void
  /** @returns whether it is this frame of this piece; its plaintext then stands before the last 16 bytes */
  open(frame: Uint8Array, number: number, isLast: boolean): boolean
}

export function createFrameCipher(ciphers: PieceCiphers, readKey: ReadKey, piece: number): FrameCipher {
  return frameCipherOf(ciphers, derivePieceKey(readKey, piece), piece)
}

/** The same for a key that is no object's. */
export function frameCipherOf(ciphers: PieceCiphers, key: Uint8Array, piece: number): FrameCipher {
  const associatedData = new Uint8Array(FORMAT.length + 4)
  associatedData.set(FORMAT)
  new DataView(associatedData.buffer).setUint32(FORMAT.length, piece)
  return {
    seal: (frame, number, isLast) => ciphers.sealFrame(frame, key, nonceOf(number, isLast), associatedData),
    open: (frame, number, isLast) => ciphers.openFrame(frame, key, nonceOf(number, isLast), associatedData)
  }
}

/** Eleven bytes of number, big-endian, and one that is 1 for the last frame. */
function nonceOf(number: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(NONCE_SIZE_BYTES)
  new DataView(nonce.buffer).setUint32(7, number)
  nonce[NONCE_SIZE_BYTES - 1] = isLast ? 1 : 0
  return nonce
}
