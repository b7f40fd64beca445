/** An unsigned varint takes at most nine bytes in multiformats, which is 63 bits. */
export const VARINT_SIZE_BYTES_MAX = 9

export type VarintVerdict =
  | { readonly ok: true; readonly value: number; readonly size: number }
  | { readonly ok: false; readonly reason: 'incomplete' | 'not-minimal' | 'too-large' }

/** The bytes of `value` as an unsigned LEB128 varint, shortest form. */
export function encodeVarint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`a varint holds an integer from 0 to 2^53 - 1, got ${value}`)
  }
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/**
 * Reads one varint of foreign bytes at `offset`. `incomplete` says that more bytes may make it whole; the other
 * reasons are final. A value above 2^53 - 1 is `too-large`: no length or code of ours comes near it.
 */
export function decodeVarint(bytes: Uint8Array, offset = 0): VarintVerdict {
  let value = 0
  for (let size = 1; size <= VARINT_SIZE_BYTES_MAX; size++) {
    const byte = bytes[offset + size - 1]
    if (byte === undefined) return { ok: false, reason: 'incomplete' }
    value += (byte & 0x7f) * 2 ** (7 * (size - 1))
    if (byte >= 0x80) continue
    if (byte === 0 && size > 1) return { ok: false, reason: 'not-minimal' }
    return value <= Number.MAX_SAFE_INTEGER ? { ok: true, value, size } : { ok: false, reason: 'too-large' }
  }
  return { ok: false, reason: 'too-large' }
}
