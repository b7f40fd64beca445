/** How long proofs took, from when this verifier knew a round's challenges; and of whom none came. */
import type { Clock, Ledger, Observation, VerifierEvent } from '@holdfast/core'

export interface ProofTimes extends Disposable {
  /** Proofs that came tell their time; an attestation tells of whom it says *no answer*. */
  observationsOf(event: VerifierEvent): Observation[]
}

export function createProofTimes(ledger: Pick<Ledger, 'state' | 'subscribe'>, clock: Pick<Clock, 'now'>): ProofTimes {
  const { state } = ledger
  let known = { round: state.round, sinceMs: undefined as number | undefined }
  /** A provider that pushes one proof ten times has proved once. */
  const counted = new Set<number>()
  const end = ledger.subscribe(() => {
    if (state.round === known.round) return
    known = { round: state.round, sinceMs: clock.now() }
    counted.clear()
  })

  function observed(round: number, dealId: number, outcome: 'pass' | 'bad proof' | 'no answer'): Observation[] {
    const deal = state.deals.get(dealId)
    if (deal === undefined || round !== known.round || counted.has(dealId)) return []
    counted.add(dealId)
    const timeMs = clock.now()
    const isKnown = outcome !== 'no answer' && known.sinceMs !== undefined
    const answerMs = isKnown ? { answerMs: Math.max(0, timeMs - known.sinceMs!) } : {}
    return [{ kind: 'proof', provider: deal.provider, dealId, round, timeMs, outcome, ...answerMs }]
  }

  return {
    observationsOf(event) {
      if (event.kind === 'checked') {
        const { dealId, verdict } = event.checked
        return verdict === 'not asked' ? [] : observed(event.round, dealId, verdict)
      }
      if (event.kind !== 'attested') return []
      return event.verdicts.flatMap(({ dealId, verdict }) =>
        verdict === 'no answer' ? observed(event.round, dealId, verdict) : []
      )
    },
    [Symbol.dispose]: end
  }
}
