import { describe, expect, it } from 'vitest'
import type { Observation } from '../../src/observations/observation.ts'
import { createObservationBook } from '../../src/observations/observation-book.ts'
import { reportProviders } from '../../src/reports/provider-report.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../ledger/network-fixture.ts'

const at = (timeMs: number) => ({ provider: PROVIDER.address, dealId: 1, round: 3, timeMs })

describe('the report on a provider', () => {
  it('counts rounds and leaves by the ledger, and bounds what they show', async () => {
    const network = new TestNetwork()
    const { deal, pieces } = await network.openDealWithPieces({ leavesPerRound: 4 })
    await network.openRounds(2)
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    await network.openRound()
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    await network.openRounds(2) // one proved, one missed
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    const [report, ...others] = reportProviders(network.state, undefined)
    expect(others).toEqual([])
    expect(report).toMatchObject({
      provider: PROVIDER.address,
      region: 'eu',
      deals: 1,
      rounds: { proved: 2, faulted: 1, void: 0 },
      proving: { good: 2, trials: 3 },
      storing: { good: 8, trials: 12 },
      retrieval: { good: 0, trials: 0, lowerBound: 0 },
      firstByteMs: undefined,
      lastTrouble: undefined
    })
    // Shares at which 2 or 3 of 3, and 8 to 12 of 12, come up with 5 %.
    expect(report!.proving.lowerBound).toBeCloseTo(0.1354, 4)
    expect(report!.storing.lowerBound).toBeCloseTo(0.3909, 4)
  })

  it('claims of a spotless provider what its leaves show and no more', async () => {
    const network = new TestNetwork()
    const { deal } = await network.openDealWithPieces({ leavesPerRound: 20 })
    deal.rounds.proved = 168
    expect(reportProviders(network.state, undefined)[0]!.storing).toEqual({
      good: 3360,
      trials: 3360,
      lowerBound: 0.05 ** (1 / 3360)
    })
  })

  it('adds what a verifier saw by itself', () => {
    const network = new TestNetwork()
    const book = createObservationBook()
    const seen: Observation[] = [
      ...[20, 40, 60].map(
        (answerMs, index): Observation => ({ kind: 'proof', ...at(index), outcome: 'pass', answerMs })
      ),
      { kind: 'proof', ...at(4), outcome: 'no answer' },
      { kind: 'read', ...at(5), outcome: 'read', bytes: 2_000_000, firstByteMs: 30, transferMs: 1000 },
      { kind: 'read', ...at(6), outcome: 'read', bytes: 4_000_000, firstByteMs: 10, transferMs: 1000 },
      { kind: 'read', ...at(7), outcome: 'read', bytes: 1000, firstByteMs: 5, transferMs: 1 },
      { kind: 'read', ...at(8), outcome: 'failed', bytes: 0, reason: 'what block?' },
      { kind: 'binding', ...at(9), outcome: 'bound', bytes: 100 },
      { kind: 'binding', ...at(10), outcome: 'not bound', bytes: 0, reason: 'it stands nowhere' },
      { kind: 'read', ...at(11), provider: OTHER_PROVIDER.address, outcome: 'read', bytes: 1 }
    ]
    for (const observation of seen) book.add(observation)
    const reports = reportProviders(network.state, book)
    expect(reports.map(({ provider }) => provider)).toEqual([PROVIDER.address, OTHER_PROVIDER.address].sort())
    const report = reports.find(({ provider }) => provider === PROVIDER.address)
    expect(report).toMatchObject({
      deals: 0,
      operator: undefined,
      retrieval: { good: 3, trials: 4 },
      checks: { pass: 3, badProof: 0, noAnswer: 1 },
      binding: { bound: 1, notBound: 1, noAnswer: 0, unboundDeals: [1] },
      firstByteMs: { p50: 10, p90: 30, p99: 30, count: 3 },
      proofMs: { p50: 40, p90: 60, p99: 60, count: 3 },
      megabytesPerSecond: { p50: 4, p10: 2, count: 2 },
      lastTrouble: { kind: 'binding', outcome: 'not bound', timeMs: 10, reason: 'it stands nowhere' }
    })
    expect(reportProviders(network.state, book, OTHER_PROVIDER.address)).toHaveLength(1)
  })

  it.each([
    ['no answer', 'no proof of round 3 came in time'],
    ['bad proof', 'its proof of round 3 was wrong']
  ] as const)('says of %s as the last trouble what it was', (outcome, reason) => {
    const book = createObservationBook()
    book.add({ kind: 'binding', ...at(1), outcome: 'not bound', bytes: 0, reason: 'it stands nowhere' })
    book.add({ kind: 'proof', ...at(2), outcome })
    const [report] = reportProviders(new TestNetwork().state, book)
    expect(report!.lastTrouble).toMatchObject({ kind: 'proof', outcome, reason })
  })

  it('is about nobody of whom nothing is known', () => {
    const network = new TestNetwork()
    expect(reportProviders(network.state, createObservationBook())).toEqual([])
    expect(reportProviders(network.state, undefined, CLIENT.address)).toEqual([])
  })
})
