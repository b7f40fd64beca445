import { describe, expect, it } from 'vitest'
import {
  drawObject,
  drawPauseMs,
  drawReadSize,
  READ_SIZE_BYTES_MAX,
  READ_SIZE_BYTES_MIN,
  refill,
  spend
} from '../../src/observations/plan-observation.ts'
import { createDraw } from '../../src/rounds/draw.ts'
import { pieceOf } from '../ledger/memory-pieces.ts'
import { CLIENT, LABEL, PROVIDERS, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'

const draw = createDraw(new Uint8Array(32).fill(5), 'test')
const SELF = VERIFIERS[0]!.address
const PRIVATE_LABEL = new Uint8Array(20).fill(9)

describe('what is looked at', () => {
  it('is a public object that is challenged, of any provider alike, and nothing of its own', async () => {
    const network = new TestNetwork()
    const [one, two, three, four] = PROVIDERS as [(typeof PROVIDERS)[0], ...typeof PROVIDERS]
    await network.openDealWithPieces({ provider: one })
    await network.openDealWithPieces({ provider: two!, pieces: [pieceOf('a'), pieceOf('b'), pieceOf('c')] })
    await network.take(network.ask(three!), network.dealOrder(three!))
    await network.take(network.piecesOrder(3, [pieceOf('private')], { labels: [PRIVATE_LABEL] }, [CLIENT, three!]))
    await network.take(network.ask(four!, { operator: SELF }))
    await network.openDealWithPieces({ provider: four! })
    expect(drawObject(network.state, SELF, draw)).toBeUndefined() // nothing is challenged yet
    await network.openRounds(2)
    const seen = new Map<string, number>()
    for (let look = 0; look < 400; look += 1) {
      const object = drawObject(network.state, SELF, draw)!
      expect(object.root.bytes).toEqual(LABEL)
      expect(object.addresses).toEqual([`/memory/${object.provider}`])
      expect(object.pieces).toHaveLength(object.dealId === 1 ? 1 : 3)
      seen.set(object.provider, (seen.get(object.provider) ?? 0) + 1)
    }
    expect([...seen.keys()].sort()).toEqual([one.address, two!.address].sort())
    // Four standard deviations of a fair coin thrown 400 times.
    expect(Math.abs(seen.get(one.address)! - 200)).toBeLessThan(40)
    expect(drawObject(network.state, two!.address, draw)?.provider).not.toBe(two!.address)
  })
})

describe('when', () => {
  it('is after pauses whose mean is the rate, and whose past says nothing', () => {
    const pauses = Array.from({ length: 4000 }, () => drawPauseMs(60, draw))
    const mean = pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length
    expect(mean / 60_000).toBeGreaterThan(0.93)
    expect(mean / 60_000).toBeLessThan(1.07)
    // Memoryless: of those that wait for more than a mean, as many wait for another one as of all.
    const longer = (over: number) => pauses.filter(pause => pause > over * 60_000).length
    expect(longer(1) / pauses.length).toBeCloseTo(Math.exp(-1), 1)
    expect(longer(2) / longer(1)).toBeCloseTo(Math.exp(-1), 1)
  })

  it('is no later than a timer waits: one that is told more fires at once', () => {
    const pauses = Array.from({ length: 50 }, () => drawPauseMs(1e-9, draw))
    expect(Math.max(...pauses)).toBe(2 ** 31 - 1)
  })

  it('is as far as a budget of bytes goes, which an hour fills', () => {
    const full = { bytes: 1000, timeMs: 0 }
    const spent = spend(full, 1500)
    expect(spent.bytes).toBe(-500)
    expect(refill(spent, 1000, 1_800_000).bytes).toBe(0)
    expect(refill(spent, 1000, 3_600_000 * 5).bytes).toBe(1000)
    expect(refill({ bytes: 5, timeMs: 100 }, 1000, 50).bytes).toBe(5)
  })

  it('reads sizes between their bounds', () => {
    for (let look = 0; look < 200; look += 1) {
      const size = drawReadSize(draw)
      expect(size).toBeGreaterThanOrEqual(READ_SIZE_BYTES_MIN)
      expect(size).toBeLessThanOrEqual(READ_SIZE_BYTES_MAX)
    }
  })
})
