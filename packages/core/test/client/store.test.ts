import { createPieceHasher, leafCountOf, portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type StoreEvent, type StoreOptions, storeObject } from '../../src/client/store.ts'
import { CoreError } from '../../src/error.ts'
import type { Signer } from '../../src/identity.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { proposeDeal, storePiece } from '../../src/protocols/definitions.ts'
import { serve } from '../../src/protocols/engine.ts'
import { type Refusal, refuse } from '../../src/protocols/protocol.ts'
import { serveUpload } from '../../src/protocols/upload.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, PROVIDERS, TestNetwork } from '../ledger/network-fixture.ts'
import { createNode } from '../protocols/network.ts'

const PIECES = [pieceOf('first', 3000), pieceOf('second', 70_000)]

/** A provider as far as a store sees it: signs orders and takes bytes, or does not. */
interface TestProvider {
  readonly signer: Signer
  /** Sizes of the pieces that it took. */
  readonly taken: number[]
  /** Says why it takes no piece. */
  refuses: Refusal | undefined
  /** Gives the stream up in the middle of a piece. */
  dies: boolean
  /** Changes a byte on its way to the disk. */
  isDamaged: boolean
  refusesOrders: boolean
}

let life = new AsyncDisposableStack()
let network: TestNetwork
let node: Libp2p
let providers: TestProvider[]
let read: number[]
let events: StoreEvent[]
beforeEach(async () => {
  network = new TestNetwork()
  node = await openNode()
  providers = await Promise.all(PROVIDERS.map(openProvider))
  read = [0, 0]
  events = []
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openNode(): Promise<Libp2p> {
  const opened = await createNode()
  life.defer(() => opened.stop())
  return opened
}

async function openProvider(signer: Signer, index: number): Promise<TestProvider> {
  const opened = await openNode()
  const options = { networkId: network.state.networkId }
  const provider: TestProvider = {
    signer,
    taken: [],
    refuses: undefined,
    dies: false,
    isDamaged: false,
    refusesOrders: false
  }
  life.use(
    await serve(
      opened,
      proposeDeal,
      async ({ kind, statement }) => {
        if (provider.refusesOrders && kind === 'PiecesOrder') return refuse('ORDER_TOO_LONG', 'not for so long')
        return { ok: true, value: { acceptance: network.accept(signer, kind, statement) } }
      },
      options
    )
  )
  life.use(
    await serveUpload(
      opened,
      storePiece,
      async () => {
        if (provider.refuses !== undefined) return provider.refuses
        const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
        return {
          ok: true,
          value: {
            offset: 0,
            async write(chunk) {
              if (provider.dies) {
                await opened.stop()
                return
              }
              hasher.update(provider.isDamaged ? chunk.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) : chunk)
            },
            async finish(totalBytes) {
              provider.taken.push(totalBytes)
              const { cid, rawSize } = hasher.digest()
              return { ok: true, value: { cid, rawSize } }
            },
            abort: async () => undefined
          }
        }
      },
      options
    )
  )
  // Each is dearer than the one before it, so that they are chosen in this order.
  await network.take(
    network.ask(signer, { addresses: opened.getMultiaddrs().map(String), pricePerLeafRound: 100n + BigInt(index) })
  )
  return provider
}

function store(changes: Partial<StoreOptions> = {}, ledger: Ledger = network.ledger) {
  const object = {
    root: rootOf('object'),
    pieces: PIECES.map(({ cid, rawSize }) => ({ cid, rawSize, leafCount: leafCountOf(rawSize) })),
    async *readPiece(index: number, offset: number) {
      read[index]! += 1
      yield PIECES[index]!.bytes.subarray(offset)
    }
  }
  let drawn = 0
  const random = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++drawn + 100 * network.state.sequence)
  return storeObject(
    { node, ledger, signer: CLIENT, random },
    { object, replicas: 2, leavesPerRound: 4, rounds: 10, onProgress: event => events.push(event), ...changes }
  )
}

const nameOf = (provider: string) => PROVIDERS.findIndex(({ address }) => address === provider)
const namesOf = (stored: readonly { provider: string }[]) => stored.map(({ provider }) => nameOf(provider)).sort()
const failedProviders = () => events.flatMap(event => (event.kind === 'failed' ? [nameOf(event.provider)] : []))
const piecesOf = (dealId: number) => network.state.deals.get(dealId)!.pieces.map(({ cid }) => cid.toString())

it('resolves when every replica is at its provider and on the ledger', async () => {
  const stored = await store()
  expect(namesOf(stored)).toEqual([0, 1])
  for (const { dealId } of stored) expect(piecesOf(dealId)).toEqual(PIECES.map(({ cid }) => cid.toString()))
  expect(providers.map(({ taken }) => taken)).toEqual([[3000, 70_000], [3000, 70_000], [], []])
  const last = events.findLast(event => event.kind === 'progress')
  expect(last).toMatchObject({ storedBytes: 73_000, sizeBytes: 73_000 })
})

it.each<[string, (provider: TestProvider) => void, RegExp]>([
  ['has no room', provider => Object.assign(provider, { refuses: refuse('NO_SPACE', 'full') }), /full \(NO_SPACE\)/],
  ['dies in the middle', provider => Object.assign(provider, { dies: true }), /did not store the piece/],
  ['stores other bytes', provider => Object.assign(provider, { isDamaged: true }), /damaged/],
  ['does not sign', provider => Object.assign(provider, { refusesOrders: true }), /refused to sign the order/]
])('replaces a provider that %s', async (_, spoil, reason) => {
  spoil(providers[0]!)
  expect(namesOf(await store())).toEqual([1, 2])
  expect(events.filter(({ kind }) => kind === 'failed')).toEqual([
    { kind: 'failed', provider: PROVIDERS[0]!.address, reason: expect.stringMatching(reason) }
  ])
})

it('says which replicas stand when there are not enough providers, and goes on from there', async () => {
  const full = refuse('NO_SPACE', 'full')
  for (const index of [0, 1, 3]) providers[index]!.refuses = full
  const error = await store().then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof CoreError)) throw new Error('expected a store that is incomplete')
  const stored = [{ provider: PROVIDERS[2]!.address, dealId: expect.any(Number) }]
  expect(error).toMatchObject({ code: 'STORE_INCOMPLETE', details: { stored, wanted: 2 } })
  expect(error.message).toContain(PROVIDERS[2]!.address)
  expect(error.message).toContain('full')
  expect(failedProviders().sort()).toEqual([0, 1, 3])

  providers[3]!.refuses = undefined
  const deals = network.state.deals.size
  expect(namesOf(await store())).toEqual([2, 3])
  expect(network.state.deals.size).toBe(deals)
  expect(providers[2]!.taken).toEqual([3000, 70_000])
})

it('done again, uses the same deals and sends nothing twice', async () => {
  const first = await store()
  const { sequence } = network.state
  const readBefore = [...read]
  expect(await store()).toEqual(first)
  expect(network.state.sequence).toBe(sequence)
  expect(read).toEqual(readBefore)
})

it('takes no provider for a replica that owes proofs of what it has', async () => {
  const { dealId } = (await store({ replicas: 1 }))[0]!
  // Nobody proves: the first challenged round that closes is a fault.
  while (network.state.deals.get(dealId)!.docket.length === 0) await network.openRound()
  expect(namesOf(await store({ replicas: 1 }))).toEqual([1])
  expect(failedProviders()).toEqual([0])
})

it('says what stands when the ledger gives no answer any more', async () => {
  let submitted = 0
  const ledger: Ledger = {
    ...network.ledger,
    async submit(command) {
      submitted += 1
      // The first replica's deal and pieces; then the host is gone.
      if (submitted > 2) throw new CoreError('LEDGER_UNREACHABLE', 'the host is down')
      return await network.ledger.submit(command)
    }
  }
  await expect(store({ replicas: 1 }, ledger)).resolves.toHaveLength(1)
  await expect(store({ replicas: 2 }, ledger)).rejects.toMatchObject({
    code: 'STORE_INCOMPLETE',
    message: expect.stringContaining('the host is down'),
    details: { stored: [{ provider: PROVIDERS[0]!.address }], wanted: 2 }
  })
})

it('obeys its signal, untouched, and waits for what it has begun', async () => {
  const leaving = new AbortController()
  const onProgress = (event: StoreEvent) => {
    events.push(event)
    if (event.kind === 'progress' && event.storedBytes > 0) leaving.abort(new Error('no longer wanted'))
  }
  await expect(store({ signal: leaving.signal, onProgress })).rejects.toThrow('no longer wanted')
  const heard = events.length
  await expect(store({ signal: leaving.signal })).rejects.toThrow('no longer wanted')
  expect(events).toHaveLength(heard)
})
