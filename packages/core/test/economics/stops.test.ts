/**
 * A missed deadline loses that round's pay and nothing else: whoever stops, at whatever moment, for less than the time of
 * cure, forfeits nothing, and is paid again as soon as everybody is back.
 */
import { describe, expect, it } from 'vitest'
import { resultsIn } from '../../src/ledger/event.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { chanceOf } from './chance.ts'
import { anyParameters, type Scenario } from './scenario.ts'
import { anyStops, playStops } from './stops.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const SEED = process.env.HOLDFAST_SEED ?? (LONG ? String(Date.now() % 2 ** 31) : '4')
const PLAYS = LONG ? 2_000 : 60
const ONLY = process.env.HOLDFAST_PLAY

const seen = { faulted: 0, void: 0, silent: 0 }

async function stopAndGoOn(name: string): Promise<void> {
  const chance = chanceOf(`stops ${name}`)
  const verifiers = chance.between(0, 5)
  const base = anyParameters(chance, verifiers)
  const cureRounds = chance.between(1, 4)
  const scenario: Scenario = {
    name,
    parameters: {
      ...base,
      // A stake that silence does not use up: the verifiers are to come back.
      money: {
        ...base.money,
        noticeRounds: cureRounds + 1,
        silencePenalty: 1n,
        pricePerRoundMin: 1_000n,
        verifierFeePpm: 60_000
      },
      proving: { ...base.proving, cureRounds, docketLeavesMax: 4 * 16 }
    },
    verifiers: Array.from({ length: verifiers }, (_, index) => ({
      name: `verifier ${index}`,
      places: 2,
      isFriend: false
    })),
    friends: { client: false, provider: false },
    pieces: 2,
    leavesPerRound: chance.between(1, 6),
    pricePerLeafRound: 101n,
    audits: false,
    rounds: 40
  }
  const stops = anyStops(chance, cureRounds, 12)
  const { network, ombudsman, businesses } = await playStops(scenario, stops)
  const facts = `${JSON.stringify({ cureRounds, stops })}\nagain: HOLDFAST_PLAY='${name}' npx vitest run packages/core/test/economics/stops.test.ts`
  const { deal } = businesses[0]!
  expect(
    { failed: ombudsman.counts.failed, forfeited: ombudsman.counts.forfeited, status: deal.status },
    facts
  ).toEqual({
    failed: 0,
    forfeited: 0n,
    status: 'active'
  })
  expect(deal.docket, facts).toEqual([])
  const results = network.openRound().flatMap(resultsIn)
  expect(results, facts).toMatchObject([{ dealId: deal.id, outcome: { kind: 'proved' } }])
  expect(results[0]!.paid + results[0]!.withheld, facts).toBeGreaterThan(0n)
  expect(checkInvariants(network.state), facts).toEqual([])
  for (const event of ['faulted', 'void', 'silent'] as const) seen[event] += ombudsman.counts[event]
}

describe('stops shorter than the time of cure', () => {
  it(`end with nothing forfeited and everybody paid again (seed ${SEED})`, { timeout: 7_200_000 }, async () => {
    for (let index = 0; index < (ONLY === undefined ? PLAYS : 1); index += 1)
      await stopAndGoOn(ONLY ?? `${SEED}/${index}`)
    if (LONG) process.stdout.write(`stops, seed ${SEED}, ${PLAYS} schedules: ${JSON.stringify(seen)}\n`)
    if (ONLY !== undefined) return
    // They did cost pay, and rounds, and a little stake.
    for (const [event, count] of Object.entries(seen)) expect(count, event).toBeGreaterThan(0)
  })
})
