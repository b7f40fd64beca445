/**
 * No coalition comes out ahead: payoffs are balances at the very end, of plays on the real ledger, against honest play of the
 * same coalition in the same network under the same beacon.
 *
 * `npm test` plays a few of each strategy. Thousands of them, with a table:
 *
 *     HOLDFAST_LONG=1 npx vitest run packages/core/test/economics --disable-console-intercept
 *
 * `HOLDFAST_SEED` chooses others; `HOLDFAST_PLAY='<name>'` repeats one that failed.
 */
import { describe, expect, it } from 'vitest'
import { formatRow, type Pair, playPair, type Row, rowOf } from './gains.ts'
import { STRATEGIES } from './scenario.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const SEED = process.env.HOLDFAST_SEED ?? (LONG ? String(Date.now() % 2 ** 31) : '4')
const EACH = LONG ? 50 : 1
const MIXTURES = LONG ? 1_000 : 24
const MIXTURE = 'any mixture'
const ONLY = process.env.HOLDFAST_PLAY

const again = (name: string) =>
  `again: HOLDFAST_PLAY='${name}' npx vitest run packages/core/test/economics/coalitions.test.ts`

/** Plays one, and asks whether anybody honest was wronged. */
async function playOne(name: string): Promise<Pair> {
  const strategy = STRATEGIES.find(one => name.startsWith(`${one.name}/`))
  const pair = await playPair(name, strategy)
  expect(pair.complaints, `${pair.facts}\n${again(name)}`).toEqual([])
  return pair
}

function expectNothingGained(pairs: readonly Pair[]): void {
  const ahead = pairs.filter(({ gain }) => gain > 0)
  expect(ahead.map(({ name, gain }) => `${name}: ${gain} rounds of price; ${again(name)}`)).toEqual([])
}

async function playAll(): Promise<void> {
  const all: Pair[] = []
  const rows: Row[] = []
  for (const name of [...STRATEGIES.map(strategy => strategy.name), MIXTURE]) {
    const own: Pair[] = []
    const count = name === MIXTURE ? MIXTURES : EACH
    for (let index = 0; index < count; index += 1) own.push(await playOne(`${name}/${SEED}/${index}`))
    rows.push(rowOf(name, own))
    all.push(...own)
    if (LONG) process.stdout.write(`${formatRow(rows.at(-1)!)}\n`)
  }
  for (const { strategy, mean, standardError, cutMean, cutStandardError, maxName } of rows) {
    expect(mean, `${strategy}; ${again(maxName)}`).toBeLessThanOrEqual(3 * standardError)
    expect(cutMean, `${strategy}; ${again(maxName)}`).toBeLessThanOrEqual(3 * cutStandardError)
  }
  // More than the mean: no single play ends ahead of its twin.
  expectNothingGained(all)
  for (const event of ['failed', 'refuted', 'handedOver', 'silent'] as const)
    expect(
      all.some(({ counts }) => counts[event] > 0),
      event
    ).toBe(true)
}

describe('a coalition', () => {
  it(`gains nothing over honesty, and wrongs nobody (seed ${SEED})`, { timeout: 7_200_000 }, async () => {
    if (LONG) process.stdout.write(`seed ${SEED}\n`)
    if (ONLY === undefined) await playAll()
    else expectNothingGained([await playOne(ONLY)])
  })
})
