/**
 * Indexes the blocks of a public piece from its file, in bounded memory.
 *
 * Reads the fronts of sections and skips the data, which was compared with the CIDs when the piece came in. Writes the index
 * in batches, so that a CAR of a million blocks costs time and no memory.
 */
import { cidFault, createCarScanner } from '@holdfast/core'
import type { BlockPlace, PieceIndex } from './piece-index.ts'
import type { VerifiedPiece } from './verified-reader.ts'

/**
 * Blocks of one piece that are indexed: an average of 1 KiB in the largest piece. A CAR of smaller ones is stored and
 * proved, but not served block by block, or its index would outgrow it.
 */
export const BLOCKS_INDEXED_MAX = 2 ** 20

/** Places that wait for their batch. */
const PLACES_PER_BATCH = 2048
/** One read: many small sections, or the front of a large one. */
const WINDOW_SIZE_BYTES = 16 * 1024
/** Holds the length and the CID of any section. */
const FRONT_SIZE_BYTES_MAX = 256

const NO_DATA = new Uint8Array(64 * 1024)

export interface IndexedPiece {
  /** PieceCIDv2 as text. */
  readonly name: string
  readonly rawSize: number
  /** What it was when it came in: what names a block is never read wrong. */
  readonly bytes: Pick<VerifiedPiece, 'read'>
}

/**
 * @param piece - was a CAR when it came in
 * @returns whether it was one, as far as its sections go; some of its blocks may be indexed if not
 * @throws what reading and the index throw, and the signal's reason
 */
export async function indexBlocks(
  { name, rawSize, bytes }: IndexedPiece,
  index: Pick<PieceIndex, 'addBlocks'>,
  signal: AbortSignal
): Promise<boolean> {
  let places: BlockPlace[] = []
  const scanner = createCarScanner({
    onBlock({ cid, offset, length }) {
      if (cidFault(cid) !== undefined) return
      places.push({ multihash: Buffer.from(cid.multihash.bytes).toString('hex'), offset, length })
    }
  })
  async function flush(atLeast: number): Promise<void> {
    while (places.length >= atLeast && places.length > 0) {
      await index.addBlocks(name, places.slice(0, PLACES_PER_BATCH))
      places = places.slice(PLACES_PER_BATCH)
    }
  }
  const read = (offset: number, sizeBytes: number) => bytes.read(offset, Math.min(sizeBytes, rawSize - offset))
  let offset = 0
  while (offset < rawSize) {
    signal.throwIfAborted()
    const window = await read(offset, WINDOW_SIZE_BYTES)
    // The header is read whole; of a section that is longer than the window, the front is enough.
    const isHeader = offset === 0
    const headerSize = isHeader ? (sectionEnd(window, 0) ?? 0) : 0
    if (headerSize > window.length) {
      scanner.update(await read(0, headerSize))
      offset = headerSize
    } else {
      offset += takeSections(window, offset + window.length >= rawSize, scanner.update.bind(scanner))
    }
    await flush(PLACES_PER_BATCH)
  }
  await flush(0)
  return offset === rawSize && scanner.finish().ok
}

/**
 * Hands the sections that begin in a window to a scanner, with nothing in place of the data behind the window.
 *
 * @returns how far they go: behind the window where the last one does, to a front that the window cuts where it does
 */
function takeSections(window: Uint8Array, isLast: boolean, update: (bytes: Uint8Array) => { ok: boolean }): number {
  let at = 0
  while (at < window.length) {
    if (!isLast && at > 0 && window.length - at < FRONT_SIZE_BYTES_MAX) return at
    const end = sectionEnd(window, at) ?? window.length
    if (!update(window.subarray(at, end)).ok) return Number.POSITIVE_INFINITY
    for (let skipped = window.length; skipped < end; skipped += NO_DATA.length) {
      update(NO_DATA.subarray(0, end - skipped))
    }
    at = end
  }
  return at
}

/** Where the section ends whose length stands at `at`: an unsigned varint of at most four bytes, and what it counts. */
function sectionEnd(bytes: Uint8Array, at: number): number | undefined {
  let length = 0
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    length += (byte % 0x80) * 0x80 ** i
    if (byte < 0x80) return at + i + 1 + length
  }
  return undefined
}
