import type { VerifierEvent } from '@holdfast/core'
import { describe, expect, it } from 'vitest'
import { PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createProofTimes } from '../../src/verifier/proof-times.ts'

const checked = (round: number, dealId: number, verdict: 'pass' | 'bad proof' | 'not asked'): VerifierEvent => ({
  kind: 'checked',
  round,
  checked: { dealId, verdict, reason: '' }
})

describe('the times of proofs', () => {
  it('run from when a round was known, once a deal; who did not come is known from the attestation', async () => {
    const network = new TestNetwork()
    await network.openDealWithPieces()
    await network.openRound()
    using times = createProofTimes(network.ledger, network.clock)
    // It does not know since when this round was open.
    expect(times.observationsOf(checked(1, 1, 'pass'))).toMatchObject([{ kind: 'proof', outcome: 'pass', round: 1 }])
    await network.openRound()
    network.clock.jumpTo(network.clock.now() + 250)
    const common = { kind: 'proof', provider: PROVIDER.address, dealId: 1, round: 2, timeMs: network.clock.now() }
    expect(times.observationsOf(checked(2, 1, 'pass'))).toEqual([{ ...common, outcome: 'pass', answerMs: 250 }])
    expect(times.observationsOf(checked(2, 1, 'pass'))).toEqual([]) // pushed again
    expect(times.observationsOf(checked(2, 7, 'pass'))).toEqual([]) // there is no such deal
    expect(times.observationsOf(checked(1, 1, 'pass'))).toEqual([])
    await network.openRound()
    expect(times.observationsOf(checked(3, 1, 'not asked'))).toEqual([])
    const verdicts = [{ dealId: 1, verdict: 'no answer' as const }]
    const attested = { kind: 'attested', round: 3, verdicts, receipt: { ok: true, sequence: 9 } } as VerifierEvent
    const [silence] = times.observationsOf(attested)
    expect(silence).toMatchObject({ outcome: 'no answer', round: 3 })
    expect(silence).not.toHaveProperty('answerMs')
  })
})
