import { createPieceHasher, leafCountOf, portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StoreComponents } from '../../src/client/components.ts'
import { createMeasurements } from '../../src/client/measurements.ts'
import { createPublicObject } from '../../src/client/public-object.ts'
import { quoteStore } from '../../src/client/quote-store.ts'
import { type StoreEvent, type StoreOptions, storeObject } from '../../src/client/store.ts'
import { CoreError } from '../../src/error.ts'
import type { Signer } from '../../src/identity.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { proposeDeal, pullPiece, storePiece } from '../../src/protocols/definitions.ts'
import { serve } from '../../src/protocols/engine.ts'
import { type Refusal, type Reply, refuse } from '../../src/protocols/protocol.ts'
import { serveUpload } from '../../src/protocols/upload.ts'
import { pieceOf, rootOf, type TestPiece } from '../ledger/memory-pieces.ts'
import { CLIENT, PROVIDERS, TestNetwork } from '../ledger/network-fixture.ts'
import { createNode } from '../protocols/network.ts'

const PIECES = [pieceOf('first', 3000), pieceOf('second', 70_000)]
const MIB = 1024 * 1024
/** Large enough that replicas are pulled and that an upload can break in the middle. */
const LARGE = pieceOf('large', 3 * MIB)

/** A provider as far as a store sees it: signs orders and takes bytes, or does not. */
interface TestProvider {
  readonly signer: Signer
  /** Sizes of the pieces that it took. */
  readonly taken: number[]
  /** Says why it takes no piece. */
  refuses: Refusal | undefined
  /** Gives the stream up in the middle of a piece. */
  dies: boolean
  /** Takes a first chunk and then no more, with its connection open: a process that was stopped. */
  stalls: boolean
  /** Cuts the stream in the middle of a piece, so many times, and keeps what came. */
  breaks: number
  /** Pieces that it was asked to fetch. */
  readonly pulled: string[]
  /** Where uploads began that it took. */
  readonly offsets: number[]
  /** What it does when it is asked to fetch a piece from another provider. */
  pulls: (from: readonly string[]) => Promise<Reply<{ receivedBytes: number; held: boolean }>>
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
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 10 ** 9 } })
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
    stalls: false,
    breaks: 0,
    offsets: [],
    pulled: [],
    pulls: async () => refuse('PULL_FAILED', 'the source sent other bytes'),
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
  const partial = new Map<string, { hasher: ReturnType<typeof createPieceHasher>; bytes: number }>()
  life.use(
    await serve(
      opened,
      pullPiece,
      async ({ piece, from }) => {
        provider.pulled.push(piece.toString())
        return await provider.pulls(from)
      },
      options
    )
  )
  life.use(
    await serveUpload(
      opened,
      storePiece,
      async ({ uploadId, sizeBytes }, { signal }) => {
        if (provider.refuses !== undefined) return provider.refuses
        const kept = partial.get(uploadId!) ?? {
          hasher: createPieceHasher({ nodeHasher: portableNodeHasher }),
          bytes: 0
        }
        partial.set(uploadId!, kept)
        const { hasher } = kept
        provider.offsets.push(kept.bytes)
        return {
          ok: true,
          value: {
            offset: kept.bytes,
            async write(chunk) {
              if (provider.dies) {
                await opened.stop()
                return
              }
              if (provider.stalls) await new Promise(resolve => signal.addEventListener('abort', resolve))
              if (provider.breaks > 0 && kept.bytes > 0) {
                provider.breaks -= 1
                for (const connection of opened.getConnections()) connection.abort(new Error('restarted'))
                return
              }
              kept.bytes += chunk.length
              hasher.update(provider.isDamaged ? chunk.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) : chunk)
            },
            async finish(totalBytes) {
              if (totalBytes !== sizeBytes) throw new Error('wrong size')
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
    network.ask(signer, {
      addresses: opened.getMultiaddrs().map(String),
      pricePerLeafRound: 100n + BigInt(index),
      capacityBytes: 10 ** 9
    })
  )
  return provider
}

const largeObject = () => objectOf([LARGE])

function objectOf(pieces: readonly TestPiece[]) {
  return createPublicObject(rootOf('object'), {
    pieces: pieces.map(({ cid, rawSize }) => ({ cid, rawSize, leafCount: leafCountOf(rawSize) })),
    async *readPiece(index: number, offset: number) {
      read[index]! += 1
      const { bytes } = pieces[index]!
      for (let at = offset; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB)
    }
  })
}

function store(
  changes: Partial<StoreOptions> = {},
  ledger: Ledger = network.ledger,
  more: Pick<StoreComponents, 'patience' | 'measurements'> = {}
) {
  let drawn = 0
  const random = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++drawn + 100 * network.state.sequence)
  return storeObject(
    { node, ledger, signer: CLIENT, random, ...more },
    {
      object: objectOf(PIECES),
      replicas: 2,
      leavesPerRound: 4,
      rounds: 10,
      onProgress: event => events.push(event),
      ...changes
    }
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

it('costs what was quoted: first, for more pieces with the same providers, and for another replica', async () => {
  const more = objectOf([...PIECES, pieceOf('third', 9000)])
  for (const needs of [{ replicas: 2 }, { replicas: 2, object: more }, { replicas: 3, object: more }]) {
    const wishes = { object: objectOf(PIECES), rounds: 10, ...needs }
    const quote = quoteStore({ ledger: network.ledger, signer: CLIENT }, wishes)
    const before = network.freeOf(CLIENT)
    const stored = await store(needs)
    expect(before - network.freeOf(CLIENT)).toBe(quote.escrow)
    expect(quote.escrow).toBeGreaterThan(0n)
    expect(new Set(stored.map(({ provider }) => provider))).toEqual(new Set(quote.providers))
  }
  const everything = quoteStore({ ledger: network.ledger, signer: CLIENT }, { object: more, replicas: 3, rounds: 10 })
  expect(everything.escrow).toBe(0n)
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
  const stored = [{ provider: PROVIDERS[2]!.address, dealId: expect.any(Number), index: 0 }]
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
  const excluded = new Map(PROVIDERS.slice(1).map(({ address }) => [address, 'is out'] as const))
  await expect(store({ replicas: 2, excluded })).rejects.toThrow(/has not proved 4 leaves that it owes/)
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

describe('a provider that stalls', () => {
  const patience = { answerMsMax: 1500, bytesPerSecondMin: MIB }

  it('in the middle of a piece is replaced after the least rate', async () => {
    providers[0]!.stalls = true
    expect(namesOf(await store({ object: largeObject(), replicas: 1 }, network.ledger, { patience }))).toEqual([1])
    expect(events.find(({ kind }) => kind === 'failed')).toMatchObject({
      reason: expect.stringMatching(/did not store the piece: .*silent for 1000 ms/)
    })
  })

  it('before it takes a byte is replaced after the time for an answer', async () => {
    const stuck = Promise.withResolvers<Reply<never>>()
    life.defer(() => stuck.resolve(refuse('LATE', 'too late')))
    Object.defineProperty(providers[0]!, 'refuses', { get: () => stuck.promise })
    expect(namesOf(await store({ replicas: 1 }, network.ledger, { patience }))).toEqual([1])
    expect(events.find(({ kind }) => kind === 'failed')).toMatchObject({
      reason: expect.stringMatching(/did not begin to take the piece/)
    })
  })
})

it('asks a provider that was only busy once more when nobody else is left', async () => {
  const patience = { answerMsMax: 1500, bytesPerSecondMin: MIB }
  const excluded = new Map(PROVIDERS.slice(1).map(({ address }) => [address, 'is out'] as const))
  providers[0]!.stalls = true
  const onProgress = (event: StoreEvent) => {
    events.push(event)
    if (event.kind === 'failed') providers[0]!.stalls = false
  }
  const busy = { object: largeObject(), replicas: 1, excluded, onProgress }
  expect(namesOf(await store(busy, network.ledger, { patience }))).toEqual([0])
  expect(failedProviders()).toEqual([0])
  providers[0]!.refuses = refuse('NO_SPACE', 'full')
  const other = { ...busy, object: objectOf(PIECES) }
  await expect(store(other)).rejects.toMatchObject({ details: { failed: [{ provider: PROVIDERS[0]!.address }] } })
})

describe('an upload that breaks', () => {
  it('goes on where the provider stands, in the same store', async () => {
    providers[0]!.breaks = 2
    expect(namesOf(await store({ object: largeObject(), replicas: 1 }))).toEqual([0])
    const { offsets, taken } = providers[0]!
    expect(taken).toEqual([3 * MIB])
    expect(offsets).toHaveLength(3)
    expect(offsets[0]).toBe(0)
    expect(offsets[2]!).toBeGreaterThan(0)
  })

  it('goes on in another store of the same content', async () => {
    const leaving = new AbortController()
    const onProgress = (event: StoreEvent) => {
      if (event.kind === 'progress' && event.storedBytes >= MIB) leaving.abort(new Error('killed'))
    }
    await expect(store({ object: largeObject(), replicas: 1, signal: leaving.signal, onProgress })).rejects.toThrow(
      'killed'
    )
    expect(namesOf(await store({ object: largeObject(), replicas: 1 }))).toEqual([0])
    expect(providers[0]!.offsets[1]).toBeGreaterThanOrEqual(MIB)
    expect(providers[0]!.taken).toEqual([3 * MIB])
  })

  it('again and again is given up', async () => {
    providers[0]!.breaks = 99
    expect(namesOf(await store({ object: largeObject(), replicas: 1 }))).toEqual([1])
    expect(providers[0]!.offsets).toHaveLength(4)
  })
})

describe('identical replicas', () => {
  it('are pulled from the first, and uploaded once', async () => {
    const waits = [
      { receivedBytes: 2 * MIB, held: false },
      { receivedBytes: 3 * MIB, held: true }
    ]
    providers[1]!.pulls = async () => ({ ok: true, value: waits.shift()! })
    providers[2]!.pulls = async () => ({ ok: true, value: { receivedBytes: 3 * MIB, held: true } })
    const stored = await store({ object: largeObject(), replicas: 3 })
    expect(namesOf(stored)).toEqual([0, 1, 2])
    for (const { dealId } of stored) expect(piecesOf(dealId)).toEqual([LARGE.cid.toString()])
    expect(read).toEqual([1, 0])
    expect(providers.map(({ pulled }) => pulled.length)).toEqual([0, 2, 1, 0])
  })

  it('that cannot be pulled are uploaded', async () => {
    expect(namesOf(await store({ object: largeObject(), replicas: 2 }))).toEqual([0, 1])
    expect(providers.map(({ taken }) => taken.length)).toEqual([1, 1, 0, 0])
    expect(events.filter(({ kind }) => kind === 'pullFailed')).toEqual([
      {
        kind: 'pullFailed',
        provider: PROVIDERS[1]!.address,
        from: PROVIDERS[0]!.address,
        reason: 'the source sent other bytes'
      }
    ])
  })

  it('whose pull makes no progress are uploaded', async () => {
    providers[1]!.pulls = async () => ({ ok: true, value: { receivedBytes: 7, held: false } })
    const patience = { answerMsMax: 300 }
    expect(namesOf(await store({ object: largeObject(), replicas: 2 }, network.ledger, { patience }))).toEqual([0, 1])
    expect(providers[1]!.taken).toEqual([3 * MIB])
  })

  it('wait for another first one when the first fails, and for nobody when all do', async () => {
    providers[0]!.dies = true
    providers[1]!.pulls = async () => ({ ok: true, value: { receivedBytes: 3 * MIB, held: true } })
    expect(namesOf(await store({ object: largeObject(), replicas: 2 }))).toEqual([1, 2])
    expect(providers.map(({ taken }) => taken.length)).toEqual([0, 0, 1, 0])
  })

  it('are pulled from one that stands already', async () => {
    await store({ object: largeObject(), replicas: 1 })
    providers[1]!.pulls = async () => ({ ok: true, value: { receivedBytes: 3 * MIB, held: true } })
    expect(namesOf(await store({ object: largeObject(), replicas: 2 }))).toEqual([0, 1])
    expect(read).toEqual([1, 0])
  })
})

it('measures whom it stores with', async () => {
  const measurements = createMeasurements()
  providers[0]!.refuses = refuse('NO_SPACE', 'full')
  await store({ object: largeObject(), replicas: 1 }, network.ledger, { measurements })
  expect(measurements.of(PROVIDERS[0]!.address)).toMatchObject({ failures: 1 })
  const { uploadBytesPerSecond, latencyMs, failures } = measurements.of(PROVIDERS[1]!.address)
  expect(uploadBytesPerSecond).toBeGreaterThan(0)
  expect(latencyMs).toBeGreaterThanOrEqual(0)
  expect(failures).toBe(0)
})
