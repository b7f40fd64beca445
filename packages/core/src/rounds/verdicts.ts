/** Verdicts of one verifier over its deals: two bits each, in the order of `dealsAssignedTo`, lowest bits first. */

/** By their two bits: 0, 1, 2. */
export const VERDICTS = ['no answer', 'pass', 'bad proof'] as const

/** `no answer` is neither proved nor refuted and stays a third thing all the way to the ledger. */
export type Verdict = (typeof VERDICTS)[number]

const VERDICTS_PER_BYTE = 4
/** The high bit of each verdict: set for *bad proof*, and for the reserved value. */
const HIGH_BITS = 0b10101010
const LOW_BITS = 0b01010101

export function encodeVerdicts(verdicts: readonly Verdict[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(verdicts.length / VERDICTS_PER_BYTE))
  for (const [index, verdict] of verdicts.entries()) {
    bytes[Math.floor(index / VERDICTS_PER_BYTE)]! |= VERDICTS.indexOf(verdict) << (2 * (index % VERDICTS_PER_BYTE))
  }
  return bytes
}

/** Says whether bytes are exactly `count` verdicts: the right length, no reserved value, no stray bit. */
export function areVerdicts(bytes: Uint8Array, count: number): boolean {
  if (bytes.length !== Math.ceil(count / VERDICTS_PER_BYTE)) return false
  for (const byte of bytes) if ((((byte & HIGH_BITS) >> 1) & byte & LOW_BITS) !== 0) return false
  const used = count % VERDICTS_PER_BYTE
  return used === 0 || bytes.at(-1)! >> (2 * used) === 0
}

/** The verdict at a position of bytes that `areVerdicts`. */
export function verdictAt(bytes: Uint8Array, position: number): Verdict {
  const bits = bytes[Math.floor(position / VERDICTS_PER_BYTE)]! >> (2 * (position % VERDICTS_PER_BYTE))
  return VERDICTS[bits & 3]!
}

/** Positions of the bad proofs in bytes that `areVerdicts`. */
export function badProofsIn(bytes: Uint8Array): number[] {
  const positions: number[] = []
  for (const [index, byte] of bytes.entries()) {
    if ((byte & HIGH_BITS) === 0) continue
    for (let within = 0; within < VERDICTS_PER_BYTE; within += 1) {
      if ((byte >> (2 * within)) & 2) positions.push(index * VERDICTS_PER_BYTE + within)
    }
  }
  return positions
}

/** @returns undefined when the bytes are not exactly `count` verdicts */
export function decodeVerdicts(bytes: Uint8Array, count: number): Verdict[] | undefined {
  if (!areVerdicts(bytes, count)) return undefined
  return Array.from({ length: count }, (_, position) => verdictAt(bytes, position))
}
