import { leafCountOf } from '@holdfast/proofs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBlockFetcher } from '../../src/client/fetch-blocks.ts'
import { createPublicObject } from '../../src/client/public-object.ts'
import { quoteStore } from '../../src/client/quote-store.ts'
import { type StoreEvent, storeObject } from '../../src/client/store.ts'
import { parsePeerAddresses } from '../../src/protocols/peer-addresses.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'
import { openPair, type Pair } from '../protocols/network.ts'

/** Text that the ledger takes as an address and that nobody can dial. */
const HOSTILE = ['/nonsense', '/ip4/999.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1']

let pair: Pair
beforeAll(async () => {
  pair = await openPair()
})
afterAll(() => pair[Symbol.asyncDispose]())

const PIECE = pieceOf('a')
const OBJECT = createPublicObject(rootOf('object'), {
  pieces: [{ cid: PIECE.cid, rawSize: 3000, leafCount: leafCountOf(3000) }],
  async *readPiece(_index: number, offset: number) {
    yield PIECE.bytes.subarray(offset)
  }
})

it('keeps what can be dialled', () => {
  expect(parsePeerAddresses(HOSTILE).map(String)).toEqual(['/ip4/127.0.0.1/tcp/1'])
  expect(parsePeerAddresses([])).toEqual([])
})

describe.each([[HOSTILE.slice(0, 2)], [HOSTILE]])('a provider at %j', addresses => {
  it('fails alone: a store goes on to the next, and says what stands where', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER, { addresses }), network.ask(OTHER_PROVIDER, { addresses }))
    const events: StoreEvent[] = []
    const components = {
      node: pair.client,
      ledger: network.ledger,
      signer: CLIENT,
      random: (size: number) => new Uint8Array(size)
    }
    const options = {
      object: OBJECT,
      replicas: 1,
      leavesPerRound: 4,
      rounds: 10,
      onProgress: (one: StoreEvent) => events.push(one)
    }
    await expect(storeObject(components, options)).rejects.toMatchObject({
      code: 'STORE_INCOMPLETE',
      details: { stored: [], wanted: 1 }
    })
    // Each is asked once more when nobody else is left.
    const failed = events.flatMap(event => (event.kind === 'failed' ? [event.provider] : []))
    expect(new Set(failed).size).toBe(2)
    expect(failed).toHaveLength(4)
  })

  it('is left for the next when blocks are fetched', async () => {
    const failures: string[] = []
    const fetchBlocks = createBlockFetcher({
      node: pair.client,
      networkId: new Uint8Array(32),
      providers: [PROVIDER, OTHER_PROVIDER].map(({ address }) => ({ provider: address, addresses })),
      onFailure: ({ provider }) => failures.push(provider)
    })
    const fetching = async () => {
      for await (const _ of fetchBlocks([rootOf('object')], {})) throw new Error('a block from nobody')
    }
    await expect(fetching()).rejects.toMatchObject({ code: 'BLOCK_MISSING' })
    expect(failures).toEqual([PROVIDER.address, OTHER_PROVIDER.address])
  })
})

describe('a quote', () => {
  it('is the sum over the providers that would be chosen', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER), network.ask(OTHER_PROVIDER, { pricePerLeafRound: 200n }))
    expect(quoteStore({ ledger: network.ledger, signer: CLIENT }, { object: OBJECT, replicas: 2, rounds: 1 })).toEqual({
      providers: [PROVIDER.address, OTHER_PROVIDER.address],
      reasons: new Map([
        [PROVIDER.address, 'asks 100 atto for a leaf and round, region eu'],
        [OTHER_PROVIDER.address, 'asks 200 atto for a leaf and round, region eu']
      ]),
      pricePerRound: 95n * 300n,
      escrow: 95n * 300n * 5n,
      fundedRounds: 5
    })
    expect(() =>
      quoteStore({ ledger: network.ledger, signer: CLIENT }, { object: OBJECT, replicas: 3, rounds: 1 })
    ).toThrow('3 providers are needed')
  })
})
