/** Ways to spoil valid bytes: what every verifier must refuse. */

/** @returns copies of `bytes` with one bit flipped, all of them or, of long bytes, `count` spread evenly */
export function bitFlips(bytes: Uint8Array, count = Number.POSITIVE_INFINITY): Uint8Array[] {
  const bits = bytes.length * 8
  const step = Math.max(1, Math.floor(bits / count))
  return Array.from({ length: Math.ceil(bits / step) }, (_, i) => {
    const spoiled = bytes.slice()
    spoiled[(i * step) >> 3]! ^= 1 << ((i * step) & 7)
    return spoiled
  })
}

/** @returns all proper prefixes and suffixes, and the bytes with one more at either end */
export function resizings(bytes: Uint8Array): Uint8Array[] {
  const cuts = Array.from({ length: bytes.length }, (_, i) => [bytes.subarray(0, i), bytes.subarray(i + 1)]).flat()
  return [...cuts, Uint8Array.of(...bytes, 0), Uint8Array.of(0, ...bytes)]
}
