/**
 * What a failure costs, against what cheating earns: the relations between parameters that a network may not break, each
 * shown by the cheat that lived on its absence.
 */
import { describe, expect, it } from 'vitest'
import { collateralTarget, priceOfDeal } from '../../src/ledger/price.ts'
import { networkParametersSchema } from '../../src/network.ts'
import { chanceOf } from './chance.ts'
import { openBusiness, setAsk } from './clients.ts'
import { gainOf, statisticsOf } from './gains.ts'
import { partyOf } from './parties.ts'
import { play } from './play.ts'
import { proveToLedger } from './providers.ts'
import { anyParameters, HONEST, type Scenario } from './scenario.ts'
import { stall } from './stalled-docket.ts'
import { World } from './world.ts'

const LONG = process.env.HOLDFAST_LONG === '1'
const PPM = 1_000_000

/** Everybody who checks is a friend of the provider; the client is honest. */
function capturedNetwork(name: string, openingOneIn: number, repairRewardPpm: number): Scenario {
  const base = anyParameters(chanceOf('captured network'), 4)
  const collateralRounds = Math.ceil((openingOneIn * PPM) / (PPM - repairRewardPpm))
  return {
    name,
    parameters: {
      ...base,
      proving: { ...base.proving, openingOneIn, cureRounds: 1, docketLeavesMax: 16 },
      money: {
        ...base.money,
        pricePerRoundMin: 0n,
        verifierFeePpm: 60_000,
        noticeRounds: 2,
        collateralRounds: Math.max(collateralRounds, 2 * openingOneIn),
        earnInPpm: PPM,
        repairRounds: 3,
        repairRewardPpm
      }
    },
    verifiers: [0, 1, 2, 3].map(index => ({ name: `verifier ${index}`, places: 1, isFriend: true })),
    friends: { client: false, provider: true },
    pieces: 2,
    leavesPerRound: 4,
    pricePerLeafRound: 100n,
    audits: false,
    rounds: 10 * openingOneIn + 6
  }
}

describe('a provider with full collateral and all verifiers on its side', () => {
  const cells: readonly (readonly [openingOneIn: number, repairRewardPpm: number, plays: number])[] = LONG
    ? [
        [2, 0, 200],
        [2, 200_000, 200],
        [4, 200_000, 200],
        [4, 500_000, 200],
        [8, 500_000, 100]
      ]
    : [
        [2, 200_000, 25],
        [2, 500_000, 25]
      ]

  it.each(cells)(
    'loses by dropping everything rather than leaving, one opening in %i, reward %i ppm',
    { timeout: 3_600_000 },
    async (openingOneIn, repairRewardPpm, plays) => {
      const gains: number[] = []
      for (let index = 0; index < plays; index += 1) {
        const scenario = capturedNetwork(`captured ${openingOneIn}/${index}`, openingOneIn, repairRewardPpm)
        const dropsIn = Math.ceil(scenario.parameters.money.collateralRounds / 0.94) + 4
        const drop = { ...HONEST, dropsIn, lostPermille: 1000, verifiers: 'friends', takesOver: true } as const
        const leave = { ...HONEST, dropsIn, givesNotice: true }
        const [dropped, left] = [await play(scenario, drop), await play(scenario, leave)]
        expect(dropped.complaints).toEqual([])
        gains.push(gainOf(scenario, dropped.payoff - left.payoff))
      }
      const [mean, standardError] = statisticsOf(gains)
      if (LONG)
        process.stdout.write(
          `1 in ${openingOneIn}, reward ${repairRewardPpm}: ${mean.toFixed(2)} ± ${standardError.toFixed(2)} rounds over leaving\n`
        )
      expect(mean + standardError).toBeLessThan(0)
    }
  )
})

describe('a docket', () => {
  const parametersOf = (docketLeavesMax: number) => {
    const { parameters } = capturedNetwork('stalled docket', 4, 0)
    const proving = { ...parameters.proving, openingOneIn: 4, cureRounds: 2, leavesPerRoundMax: 8, docketLeavesMax }
    return { ...parameters, proving, money: { ...parameters.money, noticeRounds: 4 } }
  }

  it('that is full of what is there hides nothing that is lost', { timeout: 600_000 }, async () => {
    for (let index = 0; index < (LONG ? 300 : 20); index += 1) {
      const { isKept, collateral } = await stall(`stalled docket ${index}`, parametersOf(16), 8)
      expect(collateral).toBeGreaterThan(0n)
      expect(isKept, `schedule ${index}`).toBe(false)
    }
  })

  it('is large enough on any network: half as large, it let 87 of 100 cheats keep their collateral', () => {
    expect(networkParametersSchema.safeEncode(parametersOf(16)).success).toBe(true)
    expect(networkParametersSchema.safeEncode(parametersOf(15)).success).toBe(false)
  })
})

it('before collateral is full, at least as much is withheld as is paid, on any network', async () => {
  for (let index = 0; index < (LONG ? 100 : 8); index += 1) {
    const parameters = anyParameters(chanceOf(`earn-in ${index}`), 0)
    const scenario: Scenario = { ...capturedNetwork(`earn-in ${index}`, 1, 0), parameters, pricePerLeafRound: 101n }
    const world = new World(scenario, HONEST)
    const provider = partyOf('provider')
    setAsk(world, provider, provider)
    const { deal } = openBusiness(world, partyOf('client'), provider, 2)
    for (let round = 0; round < 10; round += 1) {
      world.network.openRound()
      await proveToLedger(world)
      const { collateral, totals, rounds } = deal
      const paid = totals.paidToProvider - collateral
      const isFull = collateral >= collateralTarget(parameters.money, priceOfDeal(parameters.money, deal))
      // One atto a round is what halves of odd amounts round down to.
      if (!isFull) expect(paid - collateral).toBeLessThanOrEqual(BigInt(rounds.proved))
    }
    expect(deal.rounds.proved).toBeGreaterThan(5)
  }
})
