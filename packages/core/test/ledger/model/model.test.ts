/**
 * Random runs of the ledger against a model that was written from PROTOCOLS.md alone.
 *
 * `npm test` does a few hundred from a fixed seed. All of them, at least 10,000, from a new seed that is printed:
 *
 *     HOLDFAST_LONG=1 npx vitest run packages/core/test/ledger/model --disable-console-intercept
 *
 * `HOLDFAST_RUNS`, `HOLDFAST_SEED` and `HOLDFAST_PATH` choose how many and which. A failure prints the command that repeats it,
 * and that then looks for a shorter one.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { RareEvents } from './rare-events.ts'
import { play, type Run } from './run.ts'
import { anyStep } from './steps.ts'
import { prepareBeacon, SHIFTS, VARIANTS } from './world.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const RUNS = Number(process.env.HOLDFAST_RUNS ?? (LONG ? 10_000 : 150))
const SEED = Number(process.env.HOLDFAST_SEED ?? (LONG ? Date.now() % 2 ** 31 : 4))
const PATH = process.env.HOLDFAST_PATH

const seldom = (oneIn: number) =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

/** Small numbers are no more interesting than others, they only choose; and short runs meet little. */
const anyRun: fc.Arbitrary<Run> = fc.noBias(
  fc.record({
    variant: fc.nat(VARIANTS - 1),
    shift: fc.nat(SHIFTS - 1),
    /** Real signatures cost a thousand times as much, and change nothing. */
    real: seldom(200),
    crowded: seldom(40),
    prepared: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    steps: fc.array(anyStep, { maxLength: 60, size: 'max' })
  })
)

beforeAll(prepareBeacon, 60_000)

describe('the ledger and a model of it', () => {
  it(`agree in ${RUNS} runs of seed ${SEED}`, { timeout: 7_200_000 }, async () => {
    const seen = new RareEvents()
    const before = performance.now()
    await fc.assert(
      fc.asyncProperty(anyRun, run => play(run, seen)),
      {
        numRuns: RUNS,
        seed: SEED,
        // A failure is told at once; the command that repeats it looks for the shortest one.
        ...(PATH === undefined ? { endOnFailure: true } : { path: PATH }),
        asyncReporter: async details => {
          if (!details.failed) return
          const again = `HOLDFAST_RUNS=${RUNS} HOLDFAST_SEED=${details.seed} HOLDFAST_PATH=${details.counterexamplePath} npx vitest run packages/core/test/ledger/model`
          const cause = details.errorInstance
          throw new Error(
            `${cause instanceof Error ? cause.message : String(cause)}\n\nagain: ${again}\n\n${fc.defaultReportMessage(details)}`,
            { cause }
          )
        }
      }
    )
    if (!LONG) return
    const seconds = (performance.now() - before) / 1000
    process.stdout.write(`seed ${SEED}, ${seconds.toFixed(0)} s: ${seen.report()}\n`)
    if (PATH === undefined) expect(seen.missing()).toEqual([])
  })
})

describe('the model', () => {
  const folder = join(import.meta.dirname, 'simple')

  it('takes nothing but types from what it is the model of', async () => {
    const files = await readdir(folder)
    expect(files.length).toBeGreaterThan(4)
    for (const file of files) {
      const text = await readFile(join(folder, file), 'utf8')
      const imports = text.matchAll(/^(import|export)\s+(type\s+)?[^;]*?from\s+'([^']+)'/gms)
      for (const [, , isType, from] of imports)
        expect(isType !== undefined || /^\.\/[a-z-]+\.ts$/.test(from!), `${file} imports ${from}`).toBe(true)
      expect(text, file).not.toMatch(/import\(|require\(/)
    }
  })
})
