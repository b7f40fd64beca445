/**
 * Checksums of what was written: a disk's mistakes are found by them at a tenth of what the piece's tree or a block's digest takes.
 *
 * CRC-32, of each span of 16,256 bytes, which is a subtree of the cached layer. It shows every change of one or two bits and
 * every burst of up to 32; of everything else one in four billion passes. That is for a disk, which has nothing in mind. What
 * others rely on is hashed: by whoever receives it, in every proof, and by the self-audit.
 */
import { crc32 } from 'node:zlib'
import { CACHED_LAYER_HEIGHT, rawCapacityOf } from '@holdfast/proofs'

/** The last span of a piece may be shorter. */
export const SPAN_SIZE_BYTES = rawCapacityOf(CACHED_LAYER_HEIGHT)
export const CHECKSUM_SIZE_BYTES = 4

export function spanCountOf(rawSize: number): number {
  return Math.ceil(rawSize / SPAN_SIZE_BYTES)
}

export interface SpanSummer {
  /** Takes the next bytes of the piece; keeps none of them. */
  update(bytes: Uint8Array): void
  /** @returns of each span u32, big-endian, end to end; call once */
  finish(): Uint8Array
}

export function createSpanSummer(): SpanSummer {
  const sums: number[] = []
  let sum = 0
  let filledBytes = 0

  function endSpan(): void {
    sums.push(sum)
    sum = 0
    filledBytes = 0
  }

  return {
    update(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + SPAN_SIZE_BYTES - filledBytes)
        sum = crc32(part, sum)
        filledBytes += part.length
        at += part.length
        if (filledBytes === SPAN_SIZE_BYTES) endSpan()
      }
    },
    finish() {
      if (filledBytes > 0) endSpan()
      const bytes = new Uint8Array(sums.length * CHECKSUM_SIZE_BYTES)
      const view = new DataView(bytes.buffer)
      for (const [span, value] of sums.entries()) view.setUint32(span * CHECKSUM_SIZE_BYTES, value)
      return bytes
    }
  }
}

/** What is read to see whether some bytes of a piece are right: the spans that they lie in. */
export interface SpanRange {
  /** Number of the first span. */
  readonly first: number
  /** Where that begins in the piece. */
  readonly offset: number
  /** Up to the end of the last one, or of the piece. */
  readonly sizeBytes: number
}

/** @param end - exclusive, at most `rawSize` */
export function spansAround(offset: number, end: number, rawSize: number): SpanRange {
  const first = Math.floor(offset / SPAN_SIZE_BYTES)
  const from = first * SPAN_SIZE_BYTES
  return {
    first,
    offset: from,
    sizeBytes: Math.min(Math.ceil(end / SPAN_SIZE_BYTES) * SPAN_SIZE_BYTES, rawSize) - from
  }
}

/**
 * Whether whole spans are what they were when they were written.
 *
 * @param bytes - of spans from `first` on, the last of them whole or up to the end of the piece
 * @param sums - of all spans of the piece
 */
export function areSpansRight(bytes: Uint8Array, first: number, sums: Uint8Array): boolean {
  const view = new DataView(sums.buffer, sums.byteOffset, sums.byteLength)
  for (let at = 0, span = first; at < bytes.length; at += SPAN_SIZE_BYTES, span += 1) {
    const position = span * CHECKSUM_SIZE_BYTES
    if (position + CHECKSUM_SIZE_BYTES > sums.length) return false
    if (crc32(bytes.subarray(at, at + SPAN_SIZE_BYTES)) !== view.getUint32(position)) return false
  }
  return true
}
