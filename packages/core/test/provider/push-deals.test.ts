import { describe, expect, it } from 'vitest'
import type { PieceProof } from '../../src/ledger/commands.ts'
import type { PushedProof } from '../../src/protocols/definitions.ts'
import { PUSH_FAILURES_MAX, PUSHES_IN_FLIGHT_MAX, pushDeals } from '../../src/provider/push-deals.ts'
import { createSharedProofs } from '../../src/provider/shared-proofs.ts'
import { createTurns } from '../../src/provider/turns.ts'
import { settled } from '../virtual-clock.ts'

const dealIds = Array.from({ length: 100 }, (_, index) => index)
const KIB = 1024

function proofsOfSize(sizeBytes: number): PieceProof[] {
  return [{ pieceId: 0, leafIndices: [0], leaves: new Uint8Array(32), nodes: new Uint8Array(sizeBytes) }]
}

const sign = (dealId: number, proofs: PieceProof[]): PushedProof => ({ dealId, proofs, signature: new Uint8Array(65) })
const signal = new AbortController().signal

describe('deals on their way to a verifier', () => {
  it('go in order, many in a message, and those that cannot be proved are left out', async () => {
    const messages: number[][] = []
    await pushDeals({
      dealIds,
      proofsOf: async dealId => (dealId === 3 ? undefined : proofsOfSize(14 * KIB)),
      sign,
      send: async items => {
        messages.push(items.map(item => item.dealId))
        return true
      },
      signal
    })
    expect(messages.flat()).toEqual(dealIds.filter(dealId => dealId !== 3))
    expect(Math.max(...messages.map(({ length }) => length))).toBe(8)
  })

  it('are proved no faster than a verifier answers', async () => {
    let proved = 0
    const sent: (() => void)[] = []
    const pushing = pushDeals({
      dealIds,
      proofsOf: async () => {
        proved += 1
        return proofsOfSize(60 * KIB)
      },
      sign,
      send: () => new Promise(resolve => sent.push(() => resolve(true))),
      signal
    })
    await settled()
    expect(sent).toHaveLength(PUSHES_IN_FLIGHT_MAX)
    // Two a message: what is under way, what waits for its turn, and the one that did not fit any more.
    expect(proved).toBeLessThanOrEqual(2 * (PUSHES_IN_FLIGHT_MAX + 1) + 1)
    while (proved < dealIds.length || sent.length > 0) {
      sent.shift()?.()
      await settled()
    }
    await pushing
    expect(proved).toBe(dealIds.length)
  })

  it('are left to be asked for when the verifier does not answer', async () => {
    let proved = 0
    let messages = 0
    await pushDeals({
      dealIds,
      proofsOf: async () => {
        proved += 1
        return proofsOfSize(100 * KIB)
      },
      sign,
      send: async () => {
        messages += 1
        return false
      },
      signal
    })
    expect(messages).toBeLessThanOrEqual(PUSH_FAILURES_MAX + 2)
    expect(proved).toBeLessThan(dealIds.length / 10)
  })

  it('end with the round', async () => {
    const round = new AbortController()
    const pushing = pushDeals({
      dealIds,
      proofsOf: async dealId => {
        if (dealId === 5) round.abort(new Error('the round is over'))
        return proofsOfSize(KIB)
      },
      sign,
      send: async () => true,
      signal: round.signal
    })
    await expect(pushing).rejects.toThrow('the round is over')
  })
})

describe('proofs for several verifiers', () => {
  it('are made once', async () => {
    let made = 0
    const proofsOf = createSharedProofs(
      async () => {
        made += 1
        return proofsOfSize(KIB)
      },
      () => 3
    )
    await Promise.all([1, 2, 3].map(() => Promise.all(dealIds.map(proofsOf))))
    expect(made).toBe(dealIds.length)
  })

  it('are made again for one that comes after they had to make room', async () => {
    const made: number[] = []
    const proofsOf = createSharedProofs(
      async dealId => {
        made.push(dealId)
        return proofsOfSize(10 * KIB)
      },
      () => 2,
      25 * KIB
    )
    for (const dealId of [1, 2, 3]) await proofsOf(dealId)
    for (const dealId of [1, 2, 3]) await proofsOf(dealId)
    expect(made.slice(0, 4)).toEqual([1, 2, 3, 1])
  })
})

describe('turns', () => {
  it('are so many at once, and go on after work that fails', async () => {
    const take = createTurns(2)
    let running = 0
    let most = 0
    const work = async () => {
      running += 1
      most = Math.max(most, running)
      await settled()
      running -= 1
      throw new Error('it failed')
    }
    const results = await Promise.allSettled(Array.from({ length: 7 }, () => take(work)))
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(most).toBe(2)
  })
})
