import { leafCountOf } from '@holdfast/proofs'
import { describe, expect, it } from 'vitest'
import { planReplica } from '../../src/client/plan-replica.ts'
import { createPublicObject } from '../../src/client/public-object.ts'
import { quoteStore } from '../../src/client/quote-store.ts'
import { priceOfDeal } from '../../src/ledger/price.ts'
import { pieceOf, rootOf, type TestPiece } from '../ledger/memory-pieces.ts'
import { CLIENT, CREDIT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'

function objectOf(...pieces: readonly TestPiece[]) {
  return createPublicObject(rootOf('object'), {
    pieces: pieces.map(({ cid, rawSize }) => ({ cid, rawSize, leafCount: leafCountOf(rawSize) })),
    async *readPiece(index: number) {
      yield pieces[index]!.bytes
    }
  })
}

const piecesOf = (...pieces: readonly TestPiece[]) => objectOf(...pieces).replica(0)

describe('the plan of a replica', () => {
  const [first, second] = [pieceOf('a'), pieceOf('b', 9000)]

  it('opens a deal and brings everything where there is none', async () => {
    const network = new TestNetwork()
    const ask = { provider: PROVIDER.address, pricePerLeafRound: 100n }
    const plan = planReplica(network.state, CLIENT.address, ask, piecesOf(first, second), 30)
    const price = 100n * BigInt(leafCountOf(3000) + leafCountOf(9000))
    expect(plan).toMatchObject({ deal: undefined, pricePerRound: price, deposit: price * 30n, fundedRounds: 30 })
    expect(plan.missing.map(({ cid }) => cid)).toEqual([first.cid, second.cid])
  })

  it('brings only what the deal lacks, and deposits only what its escrow lacks', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    const { deal } = await network.openDealWithPieces({ pieces: [first], deposit: CREDIT / 10n ** 12n })
    const ask = { provider: PROVIDER.address, pricePerLeafRound: 999n }
    const object = piecesOf(first, second)
    const plan = planReplica(network.state, CLIENT.address, ask, object, 1000)
    expect(plan.deal).toBe(network.state.deals.get(deal.id))
    expect(plan.missing.map(({ cid }) => cid)).toEqual([second.cid])
    const { money } = network.state.parameters
    const before = priceOfDeal(money, deal)
    expect(plan.pricePerRound).toBe(deal.pricePerLeafRound * BigInt(leafCountOf(9000)))
    expect(plan.deposit).toBe((before + plan.pricePerRound) * 1000n - deal.escrow)
  })

  it('costs nothing when everything is there', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    await network.openDealWithPieces({ pieces: [first] })
    const ask = { provider: PROVIDER.address, pricePerLeafRound: 100n }
    const plan = planReplica(network.state, CLIENT.address, ask, piecesOf(first), 1000)
    expect(plan).toMatchObject({ missing: [], deposit: 0n, pricePerRound: 0n })
  })
})

it('goes back to the providers that have part of an object, though others are cheaper', async () => {
  const network = new TestNetwork()
  await network.take(network.ask(OTHER_PROVIDER, { pricePerLeafRound: 1n }), network.ask(PROVIDER))
  await network.openDealWithPieces({ pieces: [pieceOf('a')] })
  const needs = { object: objectOf(pieceOf('a')), replicas: 1, rounds: 1 }
  const quote = quoteStore({ ledger: network.ledger, signer: CLIENT }, needs)
  expect(quote).toMatchObject({ providers: [PROVIDER.address], escrow: 0n })
})
