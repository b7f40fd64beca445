/**
 * How soon a loss shows: of a share α of the leaves, K draws a round find some with chance 1 − (1 − α)^K, as counted on the
 * ledger. Long mode (`HOLDFAST_LONG=1`) has more cells and more rounds.
 */
import { describe, expect, it } from 'vitest'
import { chanceOf } from './chance.ts'
import { openBusiness, setAsk } from './clients.ts'
import { partyOf } from './parties.ts'
import { proveToLedger } from './providers.ts'
import { anyParameters, HONEST, type Scenario } from './scenario.ts'
import { LEAVES_PER_PIECE, PIECES } from './sim-network.ts'
import { World } from './world.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const SEED = process.env.HOLDFAST_SEED ?? '4'
const DEALS = 25
const ROUNDS = LONG ? 120 : 12

/** Lost leaves of 16, and leaves drawn a round. */
const CELLS: readonly (readonly [lost: number, drawn: number])[] = LONG
  ? [
      [1, 1],
      [1, 4],
      [1, 16],
      [2, 2],
      [2, 8],
      [3, 5],
      [4, 1],
      [4, 3],
      [4, 8],
      [8, 1],
      [8, 3],
      [12, 2]
    ]
  : [
      [1, 8],
      [4, 3],
      [8, 1]
    ]

/** @returns in how many rounds of deals some leaf that was asked for was not there, of how many */
async function countFaults(lost: number, drawn: number): Promise<[faulted: number, all: number]> {
  const base = anyParameters(chanceOf('detection'), 0)
  const parameters = {
    ...base,
    proving: { ...base.proving, cureRounds: 1000, docketLeavesMax: 16_000, openingOneIn: 1 },
    money: { ...base.money, noticeRounds: 1001, pricePerRoundMin: 1n }
  }
  const scenario: Scenario = {
    name: `detection ${SEED} ${lost} ${drawn}`,
    parameters,
    verifiers: [],
    friends: { client: false, provider: true },
    pieces: 2,
    leavesPerRound: drawn,
    pricePerLeafRound: 0n,
    audits: false,
    rounds: ROUNDS
  }
  const world = new World(scenario, { ...HONEST, proves: 'always' })
  const provider = partyOf('provider')
  setAsk(world, provider, provider)
  for (let opened = 0; opened < DEALS; opened += 1) {
    const business = openBusiness(world, partyOf('client'), provider, 2)
    // Which ones are lost makes no difference to the chance, only how many.
    for (let index = 0; index < lost; index += 1) {
      const leaf = (index * 5 + opened) % (2 * LEAVES_PER_PIECE)
      business.lost.add(`${PIECES[Math.floor(leaf / LEAVES_PER_PIECE)]!.cid}/${leaf % LEAVES_PER_PIECE}`)
    }
  }
  for (let round = 0; round < ROUNDS + 2; round += 1) {
    world.network.openRound()
    await proveToLedger(world)
  }
  const { faulted, proved } = world.ombudsman.counts
  expect(world.ombudsman.complaints).toEqual([])
  return [faulted, faulted + proved]
}

describe('a loss', () => {
  it.each(CELLS)(
    'of %i leaves in 16 shows in as many rounds of %i draws as it must',
    { timeout: 600_000 },
    async (lost, drawn) => {
      const [faulted, all] = await countFaults(lost, drawn)
      const expected = 1 - (1 - lost / 16) ** drawn
      const z = (faulted / all - expected) / Math.sqrt((expected * (1 - expected)) / all)
      if (LONG)
        process.stdout.write(
          `α ${lost}/16, K ${drawn}: ${faulted} of ${all}, expected ${(expected * all).toFixed(1)}, z ${z.toFixed(2)}\n`
        )
      expect(all).toBeGreaterThanOrEqual(DEALS * (ROUNDS - 1))
      expect(Math.abs(z), `${faulted} of ${all}`).toBeLessThan(3)
    }
  )
})
