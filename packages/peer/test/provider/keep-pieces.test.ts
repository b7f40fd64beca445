import type { AppliedListener, Ledger } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pieceOf, type TestPiece } from '../../../core/test/ledger/memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createPieceKeeper, type PieceKeeper } from '../../src/provider/keep-pieces.ts'
import { openTestStore, storePiece, type TestStore } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

/** Longer than the test's rounds, so that only what nobody keeps can be swept. */
const LEASE_MS = 15_000
const [PIECE, OTHER] = [pieceOf('kept'), pieceOf('other')]

type KeptStore = Parameters<typeof createPieceKeeper>[1]

let life = new AsyncDisposableStack()
let path: string
let network: TestNetwork
let store: TestStore['store']
let errors: unknown[]
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  network = new TestNetwork()
  errors = []
  store = life.use(await openTestStore(path, { clock: network.clock, leaseMs: LEASE_MS })).store
})
afterEach(async () => {
  expect(errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

function createKeeper(changes: { ledger?: Ledger; store?: KeptStore } = {}): PieceKeeper {
  const keeper = createPieceKeeper(changes.ledger ?? network.ledger, changes.store ?? store, PROVIDER.address, error =>
    errors.push(error)
  )
  life.use(keeper)
  return keeper
}

const dealsOf = async (cid: CID) => (await store.get(cid))?.deals

async function storeAll(...pieces: TestPiece[]): Promise<void> {
  for (const { bytes } of pieces) await storePiece(store, bytes)
}

it('a lease is kept by its deal, and swept when no order came', async () => {
  const keeper = createKeeper()
  await keeper.start()
  await storeAll(PIECE, OTHER)
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE] })
  await network.openRounds(3)
  await keeper.stop()
  expect(await store.get(PIECE.cid)).toMatchObject({ deals: [String(deal.id)] })
  expect(await store.get(PIECE.cid)).not.toHaveProperty('leaseUntilMs')
  expect(await store.has(OTHER.cid)).toBe(false)
})

it('a deal that failed lets its pieces go, and they are swept when their lease is over', async () => {
  await storeAll(PIECE)
  const keeper = createKeeper()
  await keeper.start()
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE] })
  // Nobody proves it.
  while (network.state.deals.get(deal.id)!.status !== 'failed') await network.openRound()
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([])

  const later = createKeeper()
  await later.start()
  await network.openRounds(3)
  await later.stop()
  expect(await store.has(PIECE.cid)).toBe(false)
})

it('a deal that ended lets its pieces go, and one that still gives notice does not', async () => {
  await storeAll(PIECE)
  const keeper = createKeeper()
  await keeper.start()
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE] })
  await network.openRound()
  await network.take(network.endDeal(PROVIDER, deal.id))
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([String(deal.id)])

  const later = createKeeper()
  await later.start()
  expect(await dealsOf(PIECE.cid)).toEqual([String(deal.id)])
  const { endsAfterRound } = network.state.deals.get(deal.id)!
  network.voidRounds(endsAfterRound)
  await network.openRound()
  expect(network.state.deals.get(deal.id)!.status).toBe('ended')
  await later.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([])
})

/** Removes the first piece of a deal and opens the rounds that may still challenge it. */
async function removeFirst(dealId: number): Promise<void> {
  await network.take(network.removePieces(CLIENT, dealId, [0]))
  const { untilOpening } = network.state.deals.get(dealId)!.pieces[0]!
  while (network.state.openings <= untilOpening!) {
    expect(await dealsOf(PIECE.cid)).toEqual([String(dealId)])
    await network.openRound()
  }
}

it('a piece that its client removed stays until no round can challenge it, and goes then', async () => {
  await storeAll(PIECE, OTHER)
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE, OTHER] })
  const keeper = createKeeper()
  await keeper.start()
  await network.openRounds(2)
  await removeFirst(deal.id)
  await keeper.stop()
  expect(await store.has(PIECE.cid)).toBe(false)
  expect(await dealsOf(OTHER.cid)).toEqual([String(deal.id)])
})

it('a removal that a peer slept through is made up for at its start', async () => {
  await storeAll(PIECE, OTHER)
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE, OTHER] })
  const keeper = createKeeper()
  await keeper.start()
  await keeper.stop()
  await removeFirst(deal.id)
  expect(await store.has(PIECE.cid)).toBe(true)
  await createKeeper().start()
  expect(await store.has(PIECE.cid)).toBe(false)
  expect(await store.has(OTHER.cid)).toBe(true)
})

it('a removed piece that another deal pays for stays', async () => {
  await storeAll(PIECE, OTHER)
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE, OTHER] })
  const { deal: other } = await network.openDealWithPieces({ pieces: [PIECE] })
  const keeper = createKeeper()
  await keeper.start()
  await network.take(network.removePieces(CLIENT, deal.id, [0]))
  await network.openRounds(3)
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([String(other.id)])
})

it('a start keeps what a live deal pays for, and lets go what none does', async () => {
  await storeAll(PIECE, OTHER)
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE] })
  await store.keep(OTHER.cid, '77')
  await store.keep(PIECE.cid, '78')
  await createKeeper().start()
  expect(await dealsOf(PIECE.cid)).toEqual([String(deal.id)])
  expect(await dealsOf(OTHER.cid)).toEqual([])
})

it('another provider’s deal keeps nothing here', async () => {
  await storeAll(PIECE)
  await network.openDealWithPieces({ pieces: [PIECE], provider: OTHER_PROVIDER })
  const keeper = createKeeper()
  await keeper.start()
  await network.openDealWithPieces({ pieces: [PIECE], provider: OTHER_PROVIDER })
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([])
})

it('a piece of two deals stays until both are over', async () => {
  await storeAll(PIECE)
  const { deal: first } = await network.openDealWithPieces({ pieces: [PIECE] })
  await network.openRounds(2)
  const { deal: second } = await network.openDealWithPieces({ pieces: [PIECE] })
  const keeper = createKeeper()
  await keeper.start()
  expect(await dealsOf(PIECE.cid)).toEqual([String(first.id), String(second.id)])
  while (network.state.deals.get(first.id)!.status !== 'failed') await network.openRound()
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([String(second.id)])
})

it('an order that comes while the start still compares is not lost', async () => {
  await storeAll(PIECE, OTHER)
  const entered = Promise.withResolvers<void>()
  const comparing = Promise.withResolvers<void>()
  const keeper = createKeeper({
    store: {
      keep: (cid, dealId) => store.keep(cid, dealId),
      release: (cid, dealId) => store.release(cid, dealId),
      sweep: () => store.sweep(),
      async *list() {
        entered.resolve()
        await comparing.promise
        yield* store.list()
      }
    }
  })
  const starting = keeper.start()
  await entered.promise
  const { deal } = await network.openDealWithPieces({ pieces: [PIECE] })
  comparing.resolve()
  await starting
  await keeper.stop()
  expect(await dealsOf(PIECE.cid)).toEqual([String(deal.id)])
})

it('a start that fails follows nothing', async () => {
  let listeners = 0
  const ledger: Ledger = {
    state: network.state,
    submit: command => network.ledger.submit(command),
    subscribe(listener: AppliedListener) {
      listeners += 1
      const end = network.ledger.subscribe(listener)
      return () => {
        listeners -= 1
        end()
      }
    }
  }
  const stopped = await openTestStore(`${path}/another`)
  const keeper = createKeeper({ ledger, store: stopped.store })
  await stopped[Symbol.asyncDispose]()
  await expect(keeper.start()).rejects.toThrow()
  await expect(keeper.start()).rejects.toThrow()
  expect(listeners).toBe(0)
  await keeper.stop()
})

it('stops any number of times, started or not', async () => {
  const keeper = createKeeper()
  await keeper.stop()
  const other = createKeeper()
  await Promise.all([other.start(), other.start()])
  await Promise.all([other.stop(), other.stop()])
})
