/** A store that wants providers which answer soon: it measures those that it does not know, before it chooses. */
import { leafCountOf } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { StoreComponents } from '../../src/client/components.ts'
import { measureLatencies } from '../../src/client/measure-latency.ts'
import { createMeasurements } from '../../src/client/measurements.ts'
import { createPublicObject } from '../../src/client/public-object.ts'
import { quoteStore } from '../../src/client/quote-store.ts'
import { storeObject } from '../../src/client/store.ts'
import { ANY_NETWORK, networkInfo } from '../../src/protocols/definitions.ts'
import { serve } from '../../src/protocols/engine.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, PROVIDERS, type TestNetwork } from '../ledger/network-fixture.ts'
import { noise } from '../pieces/private-objects.ts'
import { type MemoryProvider, openMemoryNetwork } from './memory-providers.ts'

const SLOW_MS = 90
const PIECE = { ...pieceOf('small', 3000), leafCount: leafCountOf(3000) }
const OBJECT = createPublicObject(rootOf('object'), {
  pieces: [PIECE],
  async *readPiece(_, offset) {
    yield PIECE.bytes.slice(offset)
  }
})
const WISHES = { object: OBJECT, replicas: 1, leavesPerRound: 4, rounds: 10 }

let life = new AsyncDisposableStack()
let network: TestNetwork
let node: Libp2p
let providers: MemoryProvider[]
let nowMs: number
let asked: number[]
let drawn = 0
beforeEach(async () => {
  life = new AsyncDisposableStack()
  ;({ network, node, providers } = await openMemoryNetwork(life, 3))
  nowMs = 0
  asked = [0, 0, 0]
  for (const [index, provider] of providers.entries()) {
    const answer = async () => {
      asked[index]! += 1
      // The first answer of all comes with the connection.
      if (index === 0 && asked[0] === 2) {
        await fastIsKnown.promise
        nowMs += SLOW_MS
      }
      return { ok: true as const, value: { description: '', timeMs: 0, round: 0 } }
    }
    life.use(await serve(provider.node, networkInfo, answer, { networkId: ANY_NETWORK }))
  }
})
afterEach(() => life.disposeAsync())

let fastIsKnown: PromiseWithResolvers<void>
beforeEach(() => {
  fastIsKnown = Promise.withResolvers()
})

function components(): StoreComponents & { readonly measurements: ReturnType<typeof createMeasurements> } {
  const measurements = createMeasurements()
  return {
    node,
    ledger: network.ledger,
    signer: CLIENT,
    random(sizeBytes) {
      drawn += 1
      return noise(sizeBytes, drawn)
    },
    clock: { ...network.clock, now: () => nowMs, sleep: (ms, signal) => network.clock.sleep(ms, signal) },
    measurements: {
      ...measurements,
      record(provider, sample) {
        measurements.record(provider, sample)
        if (provider === PROVIDERS[1]!.address) fastIsKnown.resolve()
      }
    }
  }
}

it('a store goes to one that answers soon, though another one is cheaper', async () => {
  await providers[2]!.stop()
  const client = components()
  const stored = await storeObject(client, { ...WISHES, latencyMsMax: 60 })
  expect(stored.map(({ provider }) => provider)).toEqual([PROVIDERS[1]!.address])
  expect(client.measurements.of(PROVIDERS[0]!.address).latencyMs).toBe(SLOW_MS)
  expect(asked).toEqual([2, 2, 0])
})

it('a quote for it is the price of that one, and one without the wish asks nobody', async () => {
  const client = components()
  const needs = { ...WISHES, latencyMsMax: 60 }
  await measureLatencies(client, needs)
  expect(quoteStore(client, needs).providers).toEqual([PROVIDERS[1]!.address])
  expect(asked).toEqual([2, 2, 2])
  await measureLatencies(client, WISHES)
  await storeObject(client, WISHES)
  expect(asked).toEqual([2, 2, 2])
})

it('the nearest relaxation is what was measured', async () => {
  for (const provider of providers.slice(1)) await provider.stop()
  fastIsKnown.resolve()
  await expect(storeObject(components(), { ...WISHES, latencyMsMax: 60 })).rejects.toMatchObject({
    code: 'STORE_INCOMPLETE',
    message: expect.stringContaining(`under 60 ms; the nearest relaxation is ${SLOW_MS} ms`)
  })
})

it('nobody is asked who does not fit for another reason', async () => {
  const needs = { ...WISHES, latencyMsMax: 60, excluded: new Map([[PROVIDERS[1]!.address, 'is mine']]) }
  fastIsKnown.resolve()
  await measureLatencies(components(), needs)
  expect(asked).toEqual([2, 0, 2])
})

it('ends with its signal, while somebody is silent', async () => {
  for (const provider of providers.slice(1)) await provider.stop()
  const leaving = new AbortController()
  const measuring = measureLatencies(components(), { ...WISHES, latencyMsMax: 60 }, leaving.signal)
  await expect.poll(() => asked[0]).toBe(2)
  leaving.abort(new Error('enough'))
  await expect(measuring).rejects.toThrow('enough')
  fastIsKnown.resolve()
})
