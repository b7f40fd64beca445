/** Verdicts of one verifier over its deals: two bits each, in the order of `dealsAssignedTo`, lowest bits first. */

/** By their two bits: 0, 1, 2. */
export const VERDICTS = ['no answer', 'pass', 'bad proof'] as const

/** `no answer` is neither proved nor refuted and stays a third thing all the way to the ledger. */
export type Verdict = (typeof VERDICTS)[number]

const VERDICTS_PER_BYTE = 4

export function encodeVerdicts(verdicts: readonly Verdict[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(verdicts.length / VERDICTS_PER_BYTE))
  for (const [index, verdict] of verdicts.entries()) {
    bytes[Math.floor(index / VERDICTS_PER_BYTE)]! |= VERDICTS.indexOf(verdict) << (2 * (index % VERDICTS_PER_BYTE))
  }
  return bytes
}

/** @returns undefined when the bytes are not exactly `count` verdicts: wrong length, a reserved value, a stray bit */
export function decodeVerdicts(bytes: Uint8Array, count: number): Verdict[] | undefined {
  if (bytes.length !== Math.ceil(count / VERDICTS_PER_BYTE)) return undefined
  const verdicts: Verdict[] = []
  for (let index = 0; index < bytes.length * VERDICTS_PER_BYTE; index += 1) {
    const bits = (bytes[Math.floor(index / VERDICTS_PER_BYTE)]! >> (2 * (index % VERDICTS_PER_BYTE))) & 3
    const verdict = VERDICTS[bits]
    if (verdict === undefined || (index >= count && bits !== 0)) return undefined
    if (index < count) verdicts.push(verdict)
  }
  return verdicts
}
