import { encodePieceCid, leafCountOf, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { escrowNeeded, pricePerRound } from '../../src/ledger/price.ts'
import { pieceOf, rootOf } from './memory-pieces.ts'
import { CLIENT, CREDIT, LABEL, OTHER_PROVIDER, PROVIDER, STRANGER, TestNetwork } from './network-fixture.ts'

async function networkWithDeal() {
  const network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  return { network, deal: network.state.deals.get(1)! }
}

const PIECE = pieceOf('a')

describe('opening a deal', () => {
  it('locks the escrow and numbers the deal', async () => {
    const network = new TestNetwork()
    const events = await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER, { escrow: 5n }))
    expect(events.at(-1)).toMatchObject({ kind: 'dealOpened', dealId: 1 })
    const deal = network.state.deals.get(1)!
    expect(deal).toMatchObject({ client: CLIENT.address, provider: PROVIDER.address, status: 'active', escrow: 5n })
    expect(deal.totals.funded).toBe(5n)
    expect(network.freeOf(CLIENT)).toBe(1000n * CREDIT - 5n)
    expect(network.state.nextDealId).toBe(2)
  })

  it('needs the ask of a provider', async () => {
    const network = new TestNetwork()
    expect(await network.refusalOf(network.dealOrder(PROVIDER))).toBe('NO_ASK')
  })

  it('needs the acceptance of that provider, over that order', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    const order = network.dealOrder(PROVIDER)
    const other = network.dealOrder(PROVIDER)
    if (order.kind !== 'DealOrder' || other.kind !== 'DealOrder') throw new Error('not an order')
    expect(await network.refusalOf({ ...order, acceptance: other.acceptance })).toBe('BAD_ACCEPTANCE')
    expect(
      await network.refusalOf({ ...order, acceptance: network.accept(OTHER_PROVIDER, 'DealOrder', order.statement) })
    ).toBe('BAD_ACCEPTANCE')
    expect(await network.refusalOf({ ...order, acceptance: new Uint8Array(65) })).toBe('BAD_ACCEPTANCE')
    await network.take(order)
  })

  it.each([0, 65])('for %i leaves a round is refused', async leavesPerRound => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    expect(await network.refusalOf(network.dealOrder(PROVIDER, { leavesPerRound }))).toBe('TOO_MANY_LEAVES')
  })

  it('with more escrow than the client has is refused', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    expect(await network.refusalOf(network.dealOrder(PROVIDER, { escrow: 1001n * CREDIT }))).toBe('BALANCE_TOO_SMALL')
  })
})

describe('adding pieces', () => {
  it('moves the deposit, counts leaves and says the price', async () => {
    const { network, deal } = await networkWithDeal()
    const events = await network.take(network.piecesOrder(1, [PIECE, pieceOf('b', 200)]))
    const leafCount = leafCountOf(3000) + leafCountOf(200)
    expect(deal.leafCount).toBe(leafCount)
    const label = bytesToHex(LABEL)
    const time = { fromOpening: 2, untilOpening: undefined }
    expect(deal.pieces).toEqual([
      { id: 0, cid: PIECE.cid, label, rawSize: 3000, leafCount: leafCountOf(3000), ...time },
      { id: 1, cid: pieceOf('b', 200).cid, label, rawSize: 200, leafCount: leafCountOf(200), ...time }
    ])
    expect(events).toEqual([{ kind: 'piecesAdded', dealId: 1, pieces: 2, pricePerRound: 100n * BigInt(leafCount) }])
    expect(deal.escrow).toBe(10n * CREDIT)
    expect(network.freeOf(CLIENT)).toBe(990n * CREDIT)
  })

  it('costs at least the minimum price', async () => {
    const { network } = await networkWithDeal()
    const events = await network.take(network.piecesOrder(1, [pieceOf('b', 127)]))
    expect(events).toMatchObject([{ pricePerRound: 1000n }])
  })

  it('needs escrow for the notice period and one round, to the atto', async () => {
    const { network } = await networkWithDeal()
    const { money } = network.parameters
    const needed = escrowNeeded(money, pricePerRound(money, 100n, leafCountOf(3000)))
    expect(needed).toBe(100n * BigInt(leafCountOf(3000)) * 5n)
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE], { deposit: needed - 1n }))).toBe('ESCROW_TOO_SMALL')
    await network.take(network.piecesOrder(1, [PIECE], { deposit: needed }))
  })

  it('is refused for deals that are not there, not the client’s, or over', async () => {
    const { network } = await networkWithDeal()
    expect(await network.refusalOf(network.piecesOrder(2, [PIECE]))).toBe('NO_DEAL')
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE], {}, [STRANGER, PROVIDER]))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE], {}, [CLIENT, OTHER_PROVIDER]))).toBe(
      'BAD_ACCEPTANCE'
    )
    await network.take(network.endDeal(CLIENT, 1))
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE]))).toBe('DEAL_NOT_ACTIVE')
  })

  it('refuses what is no piece, an empty or too large one, and one that is there already', async () => {
    const { network } = await networkWithDeal()
    const root = new Uint8Array(32)
    const wrong = [
      rootOf('x'),
      encodePieceCid({ root, rawSize: 0 }),
      encodePieceCid({ root, rawSize: PIECE_SIZE_BYTES_MAX + 1 })
    ]
    for (const cid of wrong) expect(await network.refusalOf(network.piecesOrder(1, [{ cid }]))).toBe('BAD_PIECE')
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE, PIECE]))).toBe('PIECE_ALREADY_IN_DEAL')
    await network.take(network.piecesOrder(1, [PIECE]))
    expect(await network.refusalOf(network.piecesOrder(1, [pieceOf('b'), PIECE]))).toBe('PIECE_ALREADY_IN_DEAL')
  })

  it('is refused above the balance, whatever the price', async () => {
    const { network } = await networkWithDeal()
    expect(await network.refusalOf(network.piecesOrder(1, [PIECE], { deposit: 1001n * CREDIT }))).toBe(
      'BALANCE_TOO_SMALL'
    )
    const dear = { pricePerLeafRound: 2n ** 128n - 1n }
    await network.take(network.dealOrder(PROVIDER, dear))
    expect(await network.refusalOf(network.piecesOrder(2, [PIECE]))).toBe('ESCROW_TOO_SMALL')
  })

  it('keeps a provider without collateral below its cap, over all its deals', async () => {
    const network = new TestNetwork({ money: { uncollateralisedBytesMax: 5999 } })
    await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER), network.dealOrder(PROVIDER))
    await network.take(network.piecesOrder(1, [PIECE]))
    expect(await network.refusalOf(network.piecesOrder(2, [pieceOf('b')]))).toBe('UNCOLLATERALISED_CAP')
    await network.take(network.piecesOrder(2, [pieceOf('b', 2999)]))
  })

  it('does not count deals whose collateral is full', async () => {
    const money = { uncollateralisedBytesMax: 5999, collateralRounds: 2, earnInPpm: 1_000_000 }
    const network = new TestNetwork({ money, proving: { openingOneIn: 1 } })
    const { deal, pieces } = await network.openDealWithPieces({ pieces: [PIECE] })
    await network.openRounds(2)
    for (let round = 0; round < 3; round += 1) {
      await network.take(await network.selfProof(deal, PROVIDER, pieces))
      await network.openRound()
    }
    expect(deal.collateral).toBe(2n * 100n * BigInt(deal.leafCount))
    await network.take(network.dealOrder(PROVIDER), network.piecesOrder(2, [pieceOf('b')]))
  })
})

describe('topping up', () => {
  it('adds to the escrow', async () => {
    const { network, deal } = await networkWithDeal()
    await network.take(network.topUp(CLIENT, 1, 9n))
    expect(deal.escrow).toBe(9n)
    expect(deal.totals.funded).toBe(9n)
  })

  it('is for the client of an active deal with money', async () => {
    const { network } = await networkWithDeal()
    expect(await network.refusalOf(network.topUp(CLIENT, 2, 1n))).toBe('NO_DEAL')
    expect(await network.refusalOf(network.topUp(PROVIDER, 1, 1n))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(network.topUp(CLIENT, 1, 1001n * CREDIT))).toBe('BALANCE_TOO_SMALL')
    await network.take(network.endDeal(CLIENT, 1))
    expect(await network.refusalOf(network.topUp(CLIENT, 1, 1n))).toBe('DEAL_NOT_ACTIVE')
  })
})

describe('ending', () => {
  it.each([
    ['client', CLIENT],
    ['provider', PROVIDER]
  ])('takes the notice of the %s, once', async (_, party) => {
    const { network, deal } = await networkWithDeal()
    await network.take(network.piecesOrder(1, [PIECE]))
    await network.openRound()
    const events = await network.take(network.endDeal(party, 1))
    expect(events).toEqual([{ kind: 'dealEnding', dealId: 1, endsAfterRound: 5, reason: 'notice' }])
    expect(deal.status).toBe('ending')
    expect(await network.refusalOf(network.endDeal(party, 1))).toBe('DEAL_NOT_ACTIVE')
  })

  it('of a deal without pieces comes at the next boundary', async () => {
    const { network, deal } = await networkWithDeal()
    await network.openRound()
    expect(await network.take(network.endDeal(CLIENT, 1))).toMatchObject([{ kind: 'dealEnding', endsAfterRound: 1 }])
    await network.openRound()
    expect(deal.status).toBe('ended')
  })

  it('is refused to strangers and for deals that are not there', async () => {
    const { network } = await networkWithDeal()
    expect(await network.refusalOf(network.endDeal(STRANGER, 1))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(network.endDeal(CLIENT, 2))).toBe('NO_DEAL')
  })
})
