/** Prometheus metrics of a verifier, by the ledger alone: what it said, what it earned, what it has at stake. */
import { type Address, assignmentOf, countAssignedTo, decodeVerdicts, type Ledger, resultsIn } from '@holdfast/core'
import type { Registry } from 'prom-client'
import { creditsForCharts } from '../units.ts'
import { metricsIn } from './metric-family.ts'

/** @returns what sets the gauges, before they are read */
export function createVerifierMetrics(registry: Registry, ledger: Ledger, address: Address): () => void {
  const { state } = ledger
  const { gauge, counter } = metricsIn(registry)
  const stake = gauge('stake_credits', 'Credits that this verifier stakes')
  const assigned = gauge('deals_assigned', 'Deals that the open round assigns to this verifier')
  const verdicts = counter('verdicts_total', 'Verdicts that this verifier attested since the start', 'verdict')
  const silent = counter(
    'silent_rounds_total',
    'Rounds since the start in which this verifier was assigned deals and did not attest'
  )
  const fees = counter('fee_credits_total', 'Fees that this verifier earned since the start')

  function countOwn(): number {
    return state.open === undefined ? 0 : countAssignedTo(assignmentOf(state, state.open), address)
  }

  ledger.subscribe(({ events }) => {
    for (const event of events) {
      if (event.kind === 'silent' && event.verifier === address) silent.inc()
      if (event.kind === 'attested' && event.verifier === address) {
        const said = state.open?.attestations.get(address)?.verdicts
        for (const verdict of (said && decodeVerdicts(said, countOwn())) ?? []) verdicts.inc({ verdict })
      }
      for (const { fees: paid, paidVerifiers } of resultsIn(event))
        if (paidVerifiers.includes(address)) fees.inc(creditsForCharts(paid / BigInt(paidVerifiers.length)))
    }
  })
  return () => {
    stake.set(creditsForCharts(state.verifiers.get(address)?.stake ?? 0n))
    assigned.set(countOwn())
  }
}
