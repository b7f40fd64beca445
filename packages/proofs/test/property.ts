/** fast-check, set so that a failure prints the command that repeats it. */
import fc from 'fast-check'
import { counterBytes } from './vectors.ts'

const seed = process.env.HOLDFAST_SEED

const options: fc.Parameters<unknown> = {
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  reporter(details) {
    if (!details.failed) return
    const again = `HOLDFAST_SEED=${details.seed} npx vitest run packages/proofs`
    throw new Error(`${fc.defaultReportMessage(details)}\n\nagain: ${again}`, { cause: details.errorInstance })
  }
}

/** `fc.assert` with that setting. Not fast-check's global one, which would reach the tests that share a worker with these. */
function assertProperty<Values>(
  property: fc.IRawProperty<Values, false>,
  parameters?: Omit<fc.Parameters<Values>, 'reporter' | 'asyncReporter'>
): void
function assertProperty<Values>(
  property: fc.IRawProperty<Values, true>,
  parameters?: Omit<fc.Parameters<Values>, 'reporter' | 'asyncReporter'>
): Promise<void>
function assertProperty<Values>(property: fc.IRawProperty<Values>, parameters: fc.Parameters<Values> = {}): unknown {
  return fc.assert(property, { ...(options as fc.Parameters<Values>), ...parameters })
}

/**
 * Byte strings of any length up to a maximum. A length and a place in one long stream, because they shrink in a few steps;
 * an array of a thousand bytes shrinks for minutes.
 */
function anyBytes(maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.tuple(fc.nat(maxLength), fc.nat(10_000)).map(([length, from]) => counterBytes(from + length).subarray(from))
}

export { anyBytes, assertProperty, fc }
