import { describe, expect, it } from 'vitest'
import { cutReason, type Observation } from '../../src/observations/observation.ts'
import { createObservationBook } from '../../src/observations/observation-book.ts'
import { noAnswer } from '../../src/protocols/envelope.ts'
import { OTHER_PROVIDER, PROVIDER } from '../ledger/network-fixture.ts'

const proof = (provider: { address: Observation['provider'] }, timeMs: number): Observation => ({
  kind: 'proof',
  provider: provider.address,
  dealId: 1,
  round: timeMs,
  timeMs,
  outcome: 'pass'
})

describe('the observations of a verifier', () => {
  it('are the newest of each provider and kind', () => {
    const book = createObservationBook({ perKindMax: 3 })
    for (let timeMs = 1; timeMs <= 5; timeMs += 1) book.add(proof(PROVIDER, timeMs))
    book.add({ ...proof(PROVIDER, 6), kind: 'read', outcome: 'failed', bytes: 0 } as Observation)
    book.add(proof(OTHER_PROVIDER, 7))
    expect(book.list(PROVIDER.address).map(({ timeMs }) => timeMs)).toEqual([3, 4, 5, 6])
    expect(book.list().map(({ timeMs }) => timeMs)).toEqual([3, 4, 5, 6, 7])
    expect(book.size).toBe(5)
    expect(book.list('0x0000000000000000000000000000000000000000')).toEqual([])
  })

  it('are bounded together: whoever has most loses the oldest', () => {
    const book = createObservationBook({ allMax: 4 })
    book.add(proof(OTHER_PROVIDER, 1))
    for (let timeMs = 2; timeMs <= 9; timeMs += 1) book.add(proof(PROVIDER, timeMs))
    expect(book.list().map(({ timeMs }) => timeMs)).toEqual([1, 7, 8, 9])
    expect(book.size).toBe(4)
    expect(book.providers()).toEqual([OTHER_PROVIDER.address, PROVIDER.address])
  })
})

it('an error that says nothing is shown in words all the same', () => {
  expect(noAnswer('UNREACHABLE', '').reason).toBe('no reason was given (UNREACHABLE)')
  expect([cutReason(''), cutReason('x'.repeat(1000)).length]).toEqual(['no reason was given', 256])
})
