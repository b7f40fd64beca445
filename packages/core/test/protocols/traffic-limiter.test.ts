import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import * as definitions from '../../src/protocols/definitions.ts'
import { STREAM_BUFFER_SIZE_BYTES } from '../../src/protocols/limits.ts'
import { createSharedBudget } from '../../src/protocols/shared-budget.ts'
import { createTokenBuckets } from '../../src/protocols/token-buckets.ts'
import { createTrafficLimiter, TRAFFIC_TERMS, type TrafficTerms } from '../../src/protocols/traffic-limiter.ts'
import { VirtualClock } from '../virtual-clock.ts'

const NEVER = new AbortController().signal

describe('token buckets', () => {
  it('give a burst, and then as much as time brings', () => {
    const clock = new VirtualClock(0)
    const buckets = createTokenBuckets({ burst: 3, perSecond: 2 }, 10, clock)
    expect([1, 2, 3, 4].map(() => buckets.take('a', 1))).toEqual([true, true, true, false])
    expect(buckets.take('b', 3)).toBe(true)
    clock.jumpTo(499)
    expect(buckets.take('a', 1)).toBe(false)
    clock.jumpTo(500)
    expect(buckets.take('a', 1)).toBe(true)
    clock.jumpTo(3_600_000)
    expect(buckets.take('a', 3)).toBe(true)
    expect(buckets.take('a', 1)).toBe(false)
  })

  it('say how long one who owes must wait', () => {
    const clock = new VirtualClock(0)
    const buckets = createTokenBuckets({ burst: 2, perSecond: 4 }, 10, clock)
    expect([2, 1, 1].map(tokens => buckets.owe('a', tokens))).toEqual([0, 250, 500])
    expect(buckets.waitMs('a')).toBe(500)
    clock.jumpTo(500)
    expect(buckets.waitMs('a')).toBe(0)
    expect(buckets.waitMs('nobody')).toBe(0)
  })

  it('stay few: those that are full are forgotten, and strangers who come too fast share one', () => {
    const clock = new VirtualClock(0)
    const buckets = createTokenBuckets({ burst: 1, perSecond: 1 }, 100, clock)
    for (let index = 0; index < 100; index++) expect(buckets.take(`stranger ${index}`, 1)).toBe(true)
    expect(buckets.take('newcomer', 1)).toBe(true)
    for (let index = 0; index < 1_000; index++) expect(buckets.take(`flood ${index}`, 1)).toBe(false)
    expect(buckets.size).toBe(101)
    clock.jumpTo(1_000)
    expect(buckets.take('later', 1)).toBe(true)
    expect(buckets.size).toBe(1)
  })

  it('refuse a rate that lets nobody through', () => {
    for (const rate of [
      { burst: 0, perSecond: 1 },
      { burst: 1, perSecond: 0 },
      { burst: Number.NaN, perSecond: 1 }
    ])
      expect(() => createTokenBuckets(rate, 1, new VirtualClock(0))).toThrow(RangeError)
  })

  test.prop([
    fc.array(fc.record({ afterMs: fc.integer({ min: -500, max: 500 }), tokens: fc.integer({ min: 0, max: 9 }) }))
  ])('never give more than the burst and what time has brought, also when the clock is set back', steps => {
    let nowMs = 10_000
    let passedMs = 0
    const buckets = createTokenBuckets({ burst: 10, perSecond: 20 }, 4, { now: () => nowMs })
    let given = 0
    for (const { afterMs, tokens } of steps) {
      nowMs += afterMs
      passedMs += Math.max(0, afterMs)
      if (buckets.take('a', tokens)) given += tokens
      expect(given).toBeLessThanOrEqual(10 + (passedMs * 20) / 1000 + 1e-6)
    }
  })
})

describe('a shared budget', () => {
  it('gives nobody more than a share, and all together no more than there is', () => {
    const budget = createSharedBudget(10, 4)
    expect([budget.take('a', 4), budget.take('a', 1), budget.take('b', 4), budget.take('c', 3)]).toEqual([
      true,
      false,
      true,
      false
    ])
    budget.giveBack('a', 3)
    expect([budget.taken, budget.take('c', 4), budget.taken]).toEqual([5, true, 9])
    expect(() => budget.giveBack('a', 2)).toThrow(RangeError)
  })
})

const TERMS: TrafficTerms = {
  requests: { burst: 10, perSecond: 10 },
  messageBytes: { burst: 1_000, perSecond: 1_000 },
  paceMsMax: 1_000,
  streamsPerPeerMax: 2,
  streamsMax: 3,
  quietMs: 500,
  heldBytesPerPeerMax: 100,
  heldBytesMax: 150,
  offences: { burst: 2, perSecond: 1 },
  peersMax: 8
}

describe('a limiter of traffic', () => {
  const open = (clock = new VirtualClock(0)) => {
    const offenders: string[] = []
    const limiter = createTrafficLimiter(TERMS, clock, peer => offenders.push(peer))
    return { clock, limiter, offenders, data: definitions.proposeDeal, proving: definitions.pushProofs }
  }

  it('counts the streams of a peer over all protocols, and of all peers', () => {
    const { limiter, data, proving } = open()
    const first = limiter.open('a', data)
    expect(limiter.open('a', proving)).toBeDefined()
    expect(limiter.open('a', data)).toBeUndefined()
    expect(limiter.open('b', data)).toBeDefined()
    expect(limiter.open('c', data)).toBeUndefined()
    first?.close()
    first?.close()
    expect(limiter.usage.streams).toBe(2)
    expect(limiter.open('c', data)).toBeDefined()
  })

  it('takes the stream that was silent longest, of the peer that holds most, for one that holds fewer', () => {
    const { clock, limiter, data } = open()
    const cut: string[] = []
    const opened = (name: string) => limiter.open(name[0]!, data, () => cut.push(name))
    opened('b1')
    const first = opened('a1')!
    clock.jumpTo(100)
    const second = opened('a2')!
    clock.jumpTo(499)
    expect(opened('c1')).toBeUndefined()
    // A drip is no sign of life, a whole frame that was taken is.
    second.hold(1)
    first.hold(10)
    clock.jumpTo(599)
    first.release(10)
    clock.jumpTo(600)
    expect(opened('c1')).toBeDefined()
    expect(cut).toEqual(['a2'])
    second.close()
    expect(limiter.usage).toEqual({ streams: 3, heldBytes: 0 })
    // Nobody that is silent holds more than two.
    expect(opened('c2')).toBeUndefined()
    expect(opened('d1')).toBeDefined()
    expect(cut).toEqual(['a2', 'b1'])
  })

  it('lets a peer that is too fast wait, refuses it when it owes too much, and lets it in again', async () => {
    const { clock, limiter, data } = open()
    const stream = limiter.open('a', data)!
    await expect(stream.pay(10, 1, NEVER)).resolves.toBeUndefined()
    const paced = stream.pay(11, 1, NEVER)
    await expect(stream.pay(1, 1, NEVER)).resolves.toMatchObject({ code: 'BUSY', details: { retryMs: 1_050 } })
    expect(clock.sleeping).toBe(1)
    await clock.advanceTo(1_050)
    await expect(paced).resolves.toBeUndefined()
    await expect(stream.pay(0, 1, NEVER)).resolves.toBeUndefined()
    expect(clock.sleeping).toBe(0)
  })

  it('keeps the pace of a peer in one class apart from that in another, and from other peers', async () => {
    const { limiter, data, proving } = open()
    const greedy = limiter.open('a', data)!
    await greedy.pay(10, 1, NEVER)
    const waiting = greedy.pay(5, 1, AbortSignal.abort(new Error('gone')))
    await expect(waiting).rejects.toThrow('gone')
    await expect(limiter.open('a', proving)!.pay(10, 1, NEVER)).resolves.toBeUndefined()
    await expect(limiter.open('b', data)!.pay(10, 1, NEVER)).resolves.toBeUndefined()
  })

  it('counts answers: who asks little and gets much is held back at its next question', async () => {
    const { limiter, data } = open()
    const stream = limiter.open('a', data)!
    await stream.pay(1, 10, NEVER)
    stream.charge(5_000)
    await expect(stream.pay(1, 10, NEVER)).resolves.toMatchObject({ code: 'BUSY' })
  })

  it('says who offends again and again, and who opens streams faster than it may ask', async () => {
    const { clock, limiter, offenders, data } = open()
    const stream = limiter.open('a', data)!
    for (let index = 0; index < 2; index++) stream.offend()
    expect(offenders).toEqual([])
    stream.offend()
    expect(offenders).toEqual(['a'])
    stream.close()
    for (let index = 0; index < 61; index++) limiter.open('b', data)?.close()
    expect(limiter.open('b', data)).toBeUndefined()
    expect(offenders).toEqual(['a'])
    for (let index = 0; index < 2; index++) limiter.open('b', data)
    expect(offenders).toEqual(['a', 'b'])
    clock.jumpTo(1_000)
    expect(limiter.open('b', data)).toBeDefined()
  })

  it('holds memory for a share of each peer, and gives all of it back with the stream', () => {
    const { limiter, data } = open()
    const [a, b] = [limiter.open('a', data)!, limiter.open('b', data)!]
    expect([a.hold(100), a.hold(1), b.hold(51), b.hold(50)]).toEqual([true, false, false, true])
    a.release(60)
    expect(limiter.usage.heldBytes).toBe(90)
    a.release(1_000)
    b.close()
    expect(limiter.usage.heldBytes).toBe(0)
    expect(b.hold(1)).toBe(false)
    b.release(1)
    expect(limiter.usage.heldBytes).toBe(0)
  })
})

it('the limits agree with each other and with the protocols', () => {
  const { requests, heldBytesPerPeerMax, heldBytesMax, streamsPerPeerMax, streamsMax } = TRAFFIC_TERMS
  const protocols = Object.values(definitions as Record<string, unknown>).filter(
    (value): value is { id: string; cost?: number; streamsInboundMax: number; requestSizeBytesMax: number } =>
      typeof value === 'object' && value !== null && 'streamsInboundMax' in value
  )
  expect(protocols.length).toBeGreaterThan(10)
  for (const { id, cost = 1, streamsInboundMax, requestSizeBytesMax } of protocols) {
    expect(cost, id).toBeLessThanOrEqual(requests.burst)
    expect(streamsInboundMax, id).toBeLessThanOrEqual(streamsPerPeerMax)
    expect(streamsInboundMax * requestSizeBytesMax, id).toBeLessThanOrEqual(heldBytesPerPeerMax)
  }
  expect(STREAM_BUFFER_SIZE_BYTES).toBeLessThan(heldBytesPerPeerMax)
  expect(heldBytesPerPeerMax * 4).toBeLessThan(heldBytesMax)
  expect(streamsPerPeerMax * 8).toBeLessThanOrEqual(streamsMax)
})
