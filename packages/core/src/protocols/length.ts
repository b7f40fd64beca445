/** The length prefix of a frame: an unsigned LEB128 varint, minimal, of at most 32 bits. */
import type { Uint8ArrayList } from 'uint8arraylist'

/** Five groups of seven bits hold every 32-bit length. */
export const LENGTH_SIZE_BYTES_MAX = 5

export function encodeLength(length: number): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 0 || length >= 2 ** 32) {
    throw new RangeError(`a frame length is an integer below 2^32, got ${length}`)
  }
  const bytes: number[] = []
  let rest = length
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/**
 * Decodes a prefix that would be `sizeBytes` long.
 *
 * @returns the length, `incomplete` when the prefix goes on, `malformed` when no continuation can make it valid
 */
export function decodeLength(bytes: Uint8ArrayList, sizeBytes: number): number | 'incomplete' | 'malformed' {
  const last = bytes.get(sizeBytes - 1)
  if (last >= 0x80) return sizeBytes < LENGTH_SIZE_BYTES_MAX ? 'incomplete' : 'malformed'
  if (last === 0 && sizeBytes > 1) return 'malformed'
  let length = 0
  for (let index = sizeBytes - 1; index >= 0; index--) length = length * 0x80 + (bytes.get(index) % 0x80)
  return length < 2 ** 32 ? length : 'malformed'
}
