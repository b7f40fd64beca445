import { beforeEach, describe, expect, it } from 'vitest'
import type { Signer } from '../../src/identity.ts'
import type { Deal } from '../../src/ledger/state.ts'
import type { Statement } from '../../src/ledger/statements.ts'
import { expectAllCredits } from './all-credits.ts'
import type { MemoryPieces } from './memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, PROVIDERS, resultOf, STRANGER, TestNetwork } from './network-fixture.ts'

const [, , THIRD] = PROVIDERS as [Signer, Signer, Signer, Signer]
let network: TestNetwork
let deal: Deal
let pieces: MemoryPieces

/** One deal, whose provider has earned in some collateral by self-proofs; cure of three rounds, two for repair. */
beforeEach(async () => {
  network = new TestNetwork({ money: { collateralRounds: 2_000_000, earnInPpm: 1_000_000, repairRounds: 4 } })
  await network.take(network.ask(OTHER_PROVIDER, { region: 'eu' }), network.ask(THIRD, { region: 'us' }))
  ;({ deal, pieces } = await network.openDealWithPieces())
  await network.openRounds(2)
})

async function proveRounds(count: number, own: Deal = deal, provider: Signer = PROVIDER): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    await network.take(await network.selfProof(own, provider, pieces))
    await network.openRound()
  }
}

async function letItFail(): Promise<void> {
  while (deal.status !== 'failed') await network.openRound()
}

const order = (changes: Partial<Statement<'TakeOverOrder'>> = {}, client = CLIENT) =>
  network.command('TakeOverOrder', client, {
    client: client.address,
    dealId: 1,
    pricePerLeafRoundMax: 100n,
    reward: 10n ** 18n,
    regions: [],
    ...changes
  })
const handOver = (provider: Signer, changes: Partial<Statement<'HandOver'>> = {}) =>
  network.command('HandOver', provider, {
    provider: provider.address,
    dealId: 1,
    pricePerLeafRound: 100n,
    ...changes
  })

describe('a failed deal', () => {
  it('is taken over under its client’s order, paid from what was forfeited', async () => {
    await network.take(order({ regions: ['eu'] }))
    await proveRounds(8)
    const forfeit = deal.collateral
    await letItFail()
    expect(deal.repairBudget).toBe(forfeit)
    const free = network.freeOf(CLIENT)
    const price = 100n * BigInt(deal.leafCount)
    const escrow = 5n * price
    const allowed = forfeit / 5n
    const reward = allowed < forfeit - escrow ? allowed : forfeit - escrow
    expect(await network.take(handOver(OTHER_PROVIDER))).toEqual([
      { kind: 'handedOver', dealId: 1, successor: 2, provider: OTHER_PROVIDER.address, escrow, reward }
    ])
    const next = network.state.deals.get(2)!
    expect(next).toMatchObject({
      status: 'active',
      client: CLIENT.address,
      provider: OTHER_PROVIDER.address,
      escrow,
      escrowFromRepair: escrow,
      repairReward: reward,
      leafCount: deal.leafCount,
      takeOver: { regions: ['eu'] }
    })
    expect(next.pieces.map(({ id, cid, label, fromOpening }) => ({ id, cid, label, fromOpening }))).toEqual(
      deal.pieces.map(({ id, cid, label }) => ({ id, cid, label, fromOpening: network.state.openings + 2 }))
    )
    expect(deal.repairBudget).toBe(forfeit - escrow - reward)
    expect(network.freeOf(CLIENT)).toBe(free)
    expectAllCredits(network.state)
    expect(await network.refusalOf(handOver(THIRD))).toBe('ALREADY_TAKEN_OVER')
    expect(await network.refusalOf(order())).toBe('ALREADY_TAKEN_OVER')
  })

  it('pays the reward at the first proved round of the new deal, and not before', async () => {
    await network.take(order())
    await proveRounds(8)
    await letItFail()
    await network.take(handOver(OTHER_PROVIDER))
    const next = network.state.deals.get(2)!
    const { repairReward } = next
    await network.openRounds(2)
    expect(next.repairReward).toBe(repairReward)
    const free = network.freeOf(OTHER_PROVIDER)
    await network.take(await network.selfProof(next, OTHER_PROVIDER, pieces))
    const result = resultOf(await network.openRound(), 2)
    expect(result).toMatchObject({ outcome: { kind: 'proved' }, reward: repairReward, paid: 0n })
    expect(network.freeOf(OTHER_PROVIDER)).toBe(free + repairReward)
    expectAllCredits(network.state)
  })

  it('burns reward and what is left of the budget when the new provider fails too, and gives the client none of it', async () => {
    await network.take(order())
    await proveRounds(8)
    await letItFail()
    const budget = deal.repairBudget
    const [free, { burned }] = [network.freeOf(CLIENT), network.state]
    await network.take(handOver(OTHER_PROVIDER))
    const next = network.state.deals.get(2)!
    while (next.status !== 'failed') await network.openRound()
    await network.openRounds(5)
    expect(network.freeOf(CLIENT)).toBe(free)
    expect(network.state.burned).toBe(burned + budget)
    expect(network.state.liveDeals.size).toBe(0)
    expectAllCredits(network.state)
  })

  it('is not taken over without an order, before it failed, after its time, or by who failed it', async () => {
    await proveRounds(8)
    expect(await network.refusalOf(handOver(OTHER_PROVIDER, { dealId: 7 }))).toBe('NO_DEAL')
    expect(await network.refusalOf(handOver(OTHER_PROVIDER))).toBe('NOT_REPAIRABLE')
    await letItFail()
    expect(await network.refusalOf(handOver(OTHER_PROVIDER))).toBe('NO_TAKE_OVER_ORDER')
    expect(await network.refusalOf(order({}, STRANGER))).toBe('NOT_A_PARTY')
    await network.take(order({ regions: ['eu'], pricePerLeafRoundMax: 50n }))
    expect(await network.refusalOf(handOver(PROVIDER, { pricePerLeafRound: 50n }))).toBe('SAME_PROVIDER')
    expect(await network.refusalOf(handOver(THIRD, { pricePerLeafRound: 50n }))).toBe('WRONG_REGION')
    expect(await network.refusalOf(handOver(OTHER_PROVIDER))).toBe('PRICE_TOO_HIGH')
    expect(await network.refusalOf(handOver(STRANGER, { pricePerLeafRound: 50n }))).toBe('NO_ASK')
    await network.take(network.ask(OTHER_PROVIDER, { operator: PROVIDER.address }))
    await network.openRound()
    expect(await network.refusalOf(handOver(OTHER_PROVIDER, { pricePerLeafRound: 50n }))).toBe('SAME_PROVIDER')
    await network.openRounds(4)
    expect(await network.refusalOf(handOver(OTHER_PROVIDER, { pricePerLeafRound: 50n }))).toBe('NOT_REPAIRABLE')
  })

  it('whose budget does not reach for a notice period is not taken over', async () => {
    await network.take(order())
    await proveRounds(3)
    await letItFail()
    expect(await network.refusalOf(handOver(OTHER_PROVIDER))).toBe('ESCROW_TOO_SMALL')
    await network.take(order({ pricePerLeafRoundMax: 1n }))
  })

  it('counts against the cap of who takes it over', async () => {
    await network.take(order())
    await proveRounds(8)
    await letItFail()
    const capped = network.parameters.money.uncollateralisedBytesMax
    expect(deal.rawSize).toBeLessThan(capped)
    // The fixture's cap is far above one piece: the rule is the one of orders, and is tested there.
    await network.take(handOver(OTHER_PROVIDER))
    expect([...network.state.dealsByProvider.get(OTHER_PROVIDER.address)!]).toEqual([2])
  })
})

it('an order to take over is refused of a deal that has ended', async () => {
  await network.take(network.endDeal(CLIENT, 1))
  await proveRounds(5)
  expect(deal.status).toBe('ended')
  expect(await network.refusalOf(order())).toBe('DEAL_NOT_ACTIVE')
})
