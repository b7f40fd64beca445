import { portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HttpSource } from '../../src/client/fetch-over-http.ts'
import { machineClock } from '../../src/clock.ts'
import { lookByReading, lookForBinding } from '../../src/observations/look.ts'
import { createDraw } from '../../src/rounds/draw.ts'
import { directory, file } from '../content/memory-content.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { createNode, NETWORK_ID } from '../protocols/network.ts'
import { type Behaviour, packObjectOf, serveObject } from './serve-object.ts'

const bytesOf = (sizeBytes: number, seed: number) =>
  new Uint8Array(sizeBytes).map((_, at) => (at * seed + (at >> 9)) % 251)
const OBJECT = await packObjectOf([
  directory('a'),
  file('a/large.bin', bytesOf(1_200_000, 31)),
  file('a/small.bin', bytesOf(1000, 7)),
  file('b.bin', bytesOf(100_000, 13))
])

let node: Libp2p
beforeAll(async () => {
  node = await createNode()
})
afterAll(() => node.stop())

const { signal } = new AbortController()
const drawOf = (seed: number) => createDraw(new Uint8Array(32).fill(seed), 'test')
const components = () => ({
  node,
  http: undefined,
  networkId: NETWORK_ID,
  nodeHasher: portableNodeHasher,
  now: machineClock.now
})

describe('a read of a measurement', () => {
  it('reads ranges of files in any directory, and says how soon and how fast they came', async () => {
    await using served = await serveObject(OBJECT)
    for (let seed = 0; seed < 8; seed += 1) {
      const seen = await lookByReading(components(), served.object, {
        lengthBytes: 300_000,
        draw: drawOf(seed),
        signal
      })
      expect(seen).toMatchObject({ kind: 'read', outcome: 'read' })
      expect(seen.bytes).toBeGreaterThan(0)
      expect(seen.firstByteMs).toBeGreaterThanOrEqual(0)
      expect(seen.transferMs).toBeGreaterThanOrEqual(0)
    }
  })

  it('asks for each block once, root first, as a reader does who knows the path', async () => {
    await using served = await serveObject(OBJECT)
    await lookByReading(components(), served.object, { lengthBytes: 300_000, draw: drawOf(1), signal })
    const asked = served.asked.flat()
    expect(asked[0]).toBe(served.object.root.toString())
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('asks over HTTP first, as a reader does', async () => {
    await using served = await serveObject(OBJECT)
    const peers = new Set<string | undefined>()
    const http: HttpSource = {
      mayDial: () => true,
      async request({ peer }) {
        peers.add(peer)
        return { ok: false, reason: 'not here', isSilent: false }
      }
    }
    const looking = { lengthBytes: 300_000, draw: drawOf(1), signal }
    expect(await lookByReading({ ...components(), http }, served.object, looking)).toMatchObject({ outcome: 'read' })
    expect([...peers]).toEqual([/\w+$/.exec(served.object.addresses[0]!)![0]])
    expect(served.asked.flat()[0]).toBe(served.object.root.toString())
  })

  it.each<[string, Behaviour, RegExp]>([
    ['refuses', { refusesReads: true }, /BLOCK_MISSING/],
    ['sends other bytes', { spoils: bytes => bytes.map(byte => byte ^ 1) }, /sent bytes that are not/],
    ['ends early', { spoils: bytes => bytes.subarray(1) }, /sent 0 of 1 blocks/]
  ])('fails, with the reason, where a provider %s', async (_, behaviour, reason) => {
    await using served = await serveObject(OBJECT, behaviour)
    const seen = await lookByReading(components(), served.object, { lengthBytes: 300_000, draw: drawOf(3), signal })
    expect(seen).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason) })
  })

  it('fails where a provider is slower than any reader bears', async () => {
    await using served = await serveObject(OBJECT, { stalls: true })
    const hasty = { ...components(), patience: { bytesPerSecondMin: 100 * 1024 ** 2 } }
    const seen = await lookByReading(hasty, served.object, { lengthBytes: 300_000, draw: drawOf(3), signal })
    expect(seen).toMatchObject({ outcome: 'failed', bytes: 0, firstByteMs: expect.any(Number) })
  })

  it('times what a slow provider takes', async () => {
    await using served = await serveObject(OBJECT)
    let nowMs = 0
    const slow = { ...components(), now: () => (nowMs += 400) }
    const seen = await lookByReading(slow, served.object, { lengthBytes: 300_000, draw: drawOf(3), signal })
    expect(seen).toMatchObject({ outcome: 'read', firstByteMs: 400 })
    expect(seen.transferMs).toBeGreaterThanOrEqual(400)
  })

  it('fails where nobody answers', async () => {
    const served = await serveObject(OBJECT)
    await served[Symbol.asyncDispose]()
    const seen = await lookByReading(components(), served.object, { lengthBytes: 300_000, draw: drawOf(3), signal })
    expect(seen).toMatchObject({ outcome: 'failed', bytes: 0 })
    expect(seen.firstByteMs).toBeUndefined()
  })

  it('ends with its signal', async () => {
    await using served = await serveObject(OBJECT)
    const aborted = AbortSignal.abort(new Error('enough'))
    const looking = lookByReading(components(), served.object, { lengthBytes: 1, draw: drawOf(3), signal: aborted })
    await expect(looking).rejects.toThrow('enough')
  })
})

describe('a binding check', () => {
  it('finds that blocks from the root to a leaf stand in the piece, with a proof each', async () => {
    await using served = await serveObject(OBJECT)
    for (let seed = 0; seed < 3; seed += 1) {
      const seen = await lookForBinding(components(), served.object, { draw: drawOf(seed), signal })
      expect(seen).toMatchObject({ kind: 'binding', outcome: 'bound' })
      expect(seen.bytes).toBeGreaterThan(0)
    }
    expect(served.asked).toEqual([])
  })

  it('finds a label that is not what the pieces hold', async () => {
    await using served = await serveObject(OBJECT, {}, rootOf('of something else'))
    const seen = await lookForBinding(components(), served.object, { draw: drawOf(1), signal })
    expect(seen).toMatchObject({ outcome: 'not bound', reason: expect.stringMatching(/none of the pieces/) })
  })

  it.each<[string, Behaviour, string, RegExp]>([
    ['knows no place', { knowsNoPlace: true }, 'not bound', /none of the pieces/],
    [
      'sends what is not the piece',
      { spoils: bytes => bytes.map(byte => byte ^ 1) },
      'not bound',
      /do not lie in piece/
    ],
    ['refuses', { refusesReads: true }, 'no answer', /PIECE_MISSING/]
  ])('tells apart: one that %s', async (_, behaviour, outcome, reason) => {
    await using served = await serveObject(OBJECT, behaviour)
    const seen = await lookForBinding(components(), served.object, { draw: drawOf(1), signal })
    expect(seen).toMatchObject({ outcome, reason: expect.stringMatching(reason) })
  })
})
