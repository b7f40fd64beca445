/** fast-check, set so that a failure prints the command that repeats it. */
import fc from 'fast-check'
import { counterBytes } from './vectors.ts'

const seed = process.env.HOLDFAST_SEED

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  reporter(details) {
    if (!details.failed) return
    const again = `HOLDFAST_SEED=${details.seed} npx vitest run packages/proofs`
    throw new Error(`${fc.defaultReportMessage(details)}\n\nagain: ${again}`, { cause: details.errorInstance })
  }
})

/**
 * Byte strings of any length up to a maximum. A length and a place in one long stream, because they shrink in a few steps;
 * an array of a thousand bytes shrinks for minutes.
 */
function anyBytes(maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.tuple(fc.nat(maxLength), fc.nat(10_000)).map(([length, from]) => counterBytes(from + length).subarray(from))
}

export { anyBytes, fc }
