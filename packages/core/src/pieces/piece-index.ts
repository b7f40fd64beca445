/**
 * Where each block of a piece lies: entries of 40 bytes, sorted by digest, so that a reader who has only the piece finds
 * a block with one or two reads and never needs the whole index.
 *
 *     SHA-256 digest of the block (32) ‖ uint32 offset of its data in the CAR ‖ uint32 length
 */
import { type BlockPlace, INDEX_ENTRY_SIZE_BYTES } from './piece-footer.ts'

const DIGEST_SIZE_BYTES = INDEX_ENTRY_SIZE_BYTES - 8

/** Collects the blocks of one piece while it is written: 40 bytes a block. */
export class PieceIndexBuilder {
  #entries = new Uint8Array(64 * INDEX_ENTRY_SIZE_BYTES)
  #count = 0

  /** @throws {RangeError} for a digest that is not SHA-256's: no reader would look for it */
  add(digest: Uint8Array, { offset, length }: BlockPlace): void {
    if (digest.length !== DIGEST_SIZE_BYTES) {
      throw new RangeError(`an index holds digests of ${DIGEST_SIZE_BYTES} bytes, got ${digest.length}`)
    }
    const at = this.#count * INDEX_ENTRY_SIZE_BYTES
    if (at === this.#entries.length) this.#grow()
    this.#entries.set(digest, at)
    const view = new DataView(this.#entries.buffer)
    view.setUint32(at + DIGEST_SIZE_BYTES, offset)
    view.setUint32(at + DIGEST_SIZE_BYTES + 4, length)
    this.#count += 1
  }

  /** The sorted index. Of blocks with one digest (the same bytes under two codecs), the first stays. */
  encode(): Uint8Array {
    const entries = this.#entries
    const order = Array.from({ length: this.#count }, (_, index) => index).sort(
      (a, b) => compareDigests(entries, a, entries, b) || a - b
    )
    const sorted = new Uint8Array(this.#count * INDEX_ENTRY_SIZE_BYTES)
    let count = 0
    for (const index of order) {
      if (count > 0 && compareDigests(sorted, count - 1, entries, index) === 0) continue
      const at = index * INDEX_ENTRY_SIZE_BYTES
      sorted.set(entries.subarray(at, at + INDEX_ENTRY_SIZE_BYTES), count * INDEX_ENTRY_SIZE_BYTES)
      count += 1
    }
    return sorted.subarray(0, count * INDEX_ENTRY_SIZE_BYTES)
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#entries.length)
    larger.set(this.#entries)
    this.#entries = larger
  }
}

/** Reads entries `from` to below `to` of an index. */
export type ReadEntries = (from: number, to: number) => Promise<Uint8Array>

export type IndexSearch =
  | { readonly kind: 'found'; readonly place: BlockPlace }
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed' }

/** Entries that a search reads at once, 40 KB: an ordinary piece's whole index, and in one read. */
const SEARCH_ENTRIES = 1024

/**
 * Looks a digest up in an index of `count` entries. Digests are spread evenly, so that the first guess is right for an
 * honest index of a million entries two times in three and the second nearly always; after that it halves, so that
 * no index costs more than fourteen reads. `malformed` when entries that were read are not in ascending order.
 */
export async function searchIndex(digest: Uint8Array, count: number, read: ReadEntries): Promise<IndexSearch> {
  let [low, high] = [0, count]
  let guess = Math.floor((count * leadingBits(digest)) / 2 ** 48)
  for (let reads = 1; low < high; reads++) {
    const from = Math.max(low, Math.min(guess - SEARCH_ENTRIES / 2, high - SEARCH_ENTRIES))
    const to = Math.min(high, from + SEARCH_ENTRIES)
    const entries = await read(from, to)
    if (!isAscending(entries)) return { kind: 'malformed' }
    const side = sideOf(digest, entries)
    if (side === 'within') return searchEntries(digest, entries)
    if (side === 'before') high = from
    else low = to
    const beside = side === 'before' ? high - SEARCH_ENTRIES / 2 : low + SEARCH_ENTRIES / 2
    guess = reads < 3 ? beside : Math.floor((low + high) / 2)
  }
  return { kind: 'absent' }
}

function leadingBits(digest: Uint8Array): number {
  return digest.subarray(0, 6).reduce((bits, byte) => bits * 256 + byte, 0)
}

function sideOf(digest: Uint8Array, entries: Uint8Array): 'before' | 'within' | 'after' {
  if (compareDigests(digest, 0, entries, 0) < 0) return 'before'
  return compareDigests(digest, 0, entries, entries.length / INDEX_ENTRY_SIZE_BYTES - 1) > 0 ? 'after' : 'within'
}

function searchEntries(digest: Uint8Array, entries: Uint8Array): IndexSearch {
  let [low, high] = [0, entries.length / INDEX_ENTRY_SIZE_BYTES]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const order = compareDigests(digest, 0, entries, middle)
    if (order === 0) return { kind: 'found', place: placeAt(entries, middle) }
    if (order < 0) high = middle
    else low = middle + 1
  }
  return { kind: 'absent' }
}

function placeAt(entries: Uint8Array, index: number): BlockPlace {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
  const at = index * INDEX_ENTRY_SIZE_BYTES + DIGEST_SIZE_BYTES
  return { offset: view.getUint32(at), length: view.getUint32(at + 4) }
}

function isAscending(entries: Uint8Array): boolean {
  for (let index = 1; index < entries.length / INDEX_ENTRY_SIZE_BYTES; index++) {
    if (compareDigests(entries, index - 1, entries, index) >= 0) return false
  }
  return true
}

/** Compares the digests of two entries; a digest alone is entry 0 of itself. */
function compareDigests(a: Uint8Array, aIndex: number, b: Uint8Array, bIndex: number): number {
  const [aAt, bAt] = [aIndex * INDEX_ENTRY_SIZE_BYTES, bIndex * INDEX_ENTRY_SIZE_BYTES]
  for (let i = 0; i < DIGEST_SIZE_BYTES; i++) {
    const difference = a[aAt + i]! - b[bAt + i]!
    if (difference !== 0) return difference
  }
  return 0
}
