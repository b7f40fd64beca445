import { describe, expect, it } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { isPresent } from '../../src/ledger/piece-rules.ts'
import { openChallengesOf } from '../../src/ledger/proof-rules.ts'
import { frozenDealOf } from '../../src/rounds/freeze.ts'
import { pieceOf } from './memory-pieces.ts'
import { CLIENT, CREDIT, PROVIDER, resultOf, STRANGER, TestNetwork } from './network-fixture.ts'

const FIRST = pieceOf('first')
const SECOND = pieceOf('second')

/** Opening 2 is open and challenges two pieces. */
async function networkWithPieces() {
  const network = new TestNetwork()
  await network.stakeAll()
  const opened = await network.openDealWithPieces({ pieces: [FIRST, SECOND], leavesPerRound: 20 })
  await network.openRounds(2)
  const { deal } = opened
  const challenged = () =>
    network.state.open!.dealIds.includes(1) ? frozenDealOf(deal, network.state.openings).pieceIds : []
  return { network, ...opened, challenged, price: 100n * BigInt(deal.leafCount) }
}

/** The open round is proved, and the next opened. @returns what the deal cost */
async function pricePaid(network: TestNetwork): Promise<bigint> {
  await network.attestAll(() => 'pass')
  const { paid, withheld, fees } = resultOf(await network.openRound(), 1)
  return paid + withheld + fees
}

describe('removing a piece', () => {
  it('leaves it challenged and paid in the next opening, and gone after that', async () => {
    const { network, deal, challenged, price } = await networkWithPieces()
    const removed = { kind: 'piecesRemoved', dealId: 1, pieceIds: [0], untilOpening: 3 }
    expect(await network.take(network.removePieces(CLIENT, 1, [0]))).toEqual([removed])
    expect(deal.leafCount).toBe(190)
    expect(await pricePaid(network)).toBe(price)
    expect(challenged()).toEqual([0, 1])
    await network.attestAll(() => 'pass')
    const events = await network.openRound()
    expect(events).toContainEqual({ kind: 'piecesGone', dealId: 1, pieceIds: [0] })
    expect(challenged()).toEqual([1])
    expect(deal).toMatchObject({ leafCount: 95, rawSize: 3000 })
    expect(await pricePaid(network)).toBe(price / 2n)
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('counts in openings: void rounds bring nothing nearer', async () => {
    const { network, deal, challenged } = await networkWithPieces()
    await network.take(network.removePieces(CLIENT, 1, [0]))
    network.voidRounds(9)
    expect(deal.leafCount).toBe(190)
    await network.openRound()
    expect(challenged()).toEqual([0, 1])
    network.voidRounds(12)
    expect(deal.leafCount).toBe(95)
    await network.openRound()
    expect(challenged()).toEqual([1])
  })

  it('before it was ever challenged means that it never is', async () => {
    const network = new TestNetwork()
    const { deal } = await network.openDealWithPieces({ pieces: [FIRST, SECOND] })
    await network.take(network.removePieces(CLIENT, 1, [1]))
    await network.openRounds(2)
    expect(network.state.open!.dealIds).toEqual([1])
    expect(frozenDealOf(deal, 2).pieceIds).toEqual([0])
    expect(deal.leafCount).toBe(95)
  })

  it('drops what it owes when it is gone, and keeps what the others owe', async () => {
    const { network, deal } = await networkWithPieces()
    await network.take(network.removePieces(CLIENT, 1, [0]))
    await network.openRound()
    expect(new Set(deal.docket.map(({ pieceId }) => pieceId))).toEqual(new Set([0, 1]))
    await network.openRound()
    expect(new Set(deal.docket.map(({ pieceId }) => pieceId))).toEqual(new Set([1]))
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('keeps its number from all others, and lets its bytes join again under a new one', async () => {
    const { network, deal, challenged } = await networkWithPieces()
    await network.take(network.removePieces(CLIENT, 1, [1]), network.piecesOrder(1, [SECOND]))
    expect(deal.pieces.filter(isPresent).map(({ id }) => id)).toEqual([0, 2])
    await network.openRound()
    expect(challenged()).toEqual([0, 1])
    await network.openRound()
    expect(challenged()).toEqual([0, 2])
  })

  it('keeps the facts for as long as a round that challenged it can be disputed', async () => {
    const { network, deal } = await networkWithPieces()
    await network.take(network.removePieces(CLIENT, 1, [0]))
    const last = 3
    await network.openRound()
    const asked = openChallengesOf(network.state.open!, deal)
    while (network.state.closed.size === 0 || !network.state.closed.has(last)) await network.openRound()
    while (network.state.closed.has(last)) {
      expect(openChallengesOf(network.state.closed.get(last)!, deal)).toEqual(asked)
      await network.attestAll(() => 'pass')
      await network.openRound()
    }
    expect(deal.status === 'failed' || deal.pieces.every(({ id }) => id !== 0)).toBe(true)
  })

  it('of all of them leaves a deal that costs nothing and can end at once', async () => {
    const { network, deal } = await networkWithPieces()
    await network.take(network.removePieces(CLIENT, 1, [0, 1]))
    await pricePaid(network)
    await pricePaid(network)
    expect(network.state.open!.dealIds).toEqual([])
    await network.take(network.endDeal(CLIENT, 1))
    await network.openRound()
    expect(deal.status).toBe('ended')
    expect(network.freeOf(CLIENT)).toBe(1000n * CREDIT - deal.totals.paidToProvider - deal.totals.paidToVerifiers)
  })

  it('is the client’s, of an active deal, of pieces that are there', async () => {
    const { network } = await networkWithPieces()
    expect(await network.refusalOf(network.removePieces(CLIENT, 9, [0]))).toBe('NO_DEAL')
    expect(await network.refusalOf(network.removePieces(PROVIDER, 1, [0]))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(network.removePieces(STRANGER, 1, [0]))).toBe('NOT_A_PARTY')
    for (const ids of [[2], [0, 7], [0, 0]])
      expect(await network.refusalOf(network.removePieces(CLIENT, 1, ids))).toBe('NO_PIECE')
    await network.take(network.removePieces(CLIENT, 1, [0]))
    expect(await network.refusalOf(network.removePieces(CLIENT, 1, [0]))).toBe('NO_PIECE')
    await network.take(network.endDeal(CLIENT, 1))
    expect(await network.refusalOf(network.removePieces(CLIENT, 1, [1]))).toBe('DEAL_NOT_ACTIVE')
  })
})

describe('labels', () => {
  it('are one a piece', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
    const label = Uint8Array.of(1)
    for (const labels of [[label], [label, label, label]])
      expect(await network.refusalOf(network.piecesOrder(1, [FIRST, SECOND], { labels }))).toBe('WRONG_LABELS')
    await network.take(network.piecesOrder(1, [FIRST, SECOND], { labels: [label, Uint8Array.of(0xab, 0xcd)] }))
    expect(network.state.deals.get(1)!.pieces.map(one => one.label)).toEqual(['01', 'abcd'])
  })
})
