/** A growing list of hashes in one buffer: as objects of their own they would take several times the memory. */

const HASH_SIZE_BYTES = 32

export interface HashList {
  readonly length: number
  push(hash: Uint8Array): void
  /** A copy. @throws {RangeError} outside the list */
  at(index: number): Uint8Array
  clear(): void
  /** A copy of all, end to end. */
  bytes(): Uint8Array
}

/** @param initial - hashes end to end; copied. @throws {RangeError} when that is no whole number of hashes */
export function createHashList(initial: Uint8Array = new Uint8Array()): HashList {
  if (initial.length % HASH_SIZE_BYTES !== 0)
    throw new RangeError(`expected whole hashes of ${HASH_SIZE_BYTES} bytes, got ${initial.length} bytes`)
  let buffer = initial.slice()
  let end = initial.length
  return {
    get length() {
      return end / HASH_SIZE_BYTES
    },
    push(hash) {
      if (end === buffer.length) {
        const larger = new Uint8Array(Math.max(8 * HASH_SIZE_BYTES, 2 * buffer.length))
        larger.set(buffer)
        buffer = larger
      }
      buffer.set(hash, end)
      end += HASH_SIZE_BYTES
    },
    at(index) {
      const from = index * HASH_SIZE_BYTES
      if (from < 0 || from >= end) throw new RangeError(`expected a hash below ${this.length}, got ${index}`)
      return buffer.slice(from, from + HASH_SIZE_BYTES)
    },
    clear() {
      end = 0
    },
    bytes: () => buffer.slice(0, end)
  }
}
