/** Prometheus metrics of a verifier, by the ledger alone: what it said, what it earned, what it has at stake. */
import { type Address, assignmentOf, countAssignedTo, decodeVerdicts, type Ledger, resultsIn } from '@holdfast/core'
import { Counter, Gauge, type Registry } from 'prom-client'
import { creditsForCharts } from '../units.ts'

/** @returns what sets the gauges, before they are read */
export function createVerifierMetrics(registry: Registry, ledger: Ledger, address: Address): () => void {
  const { state } = ledger
  const registers = [registry]
  const stake = new Gauge({ name: 'holdfast_stake_credits', help: 'Credits that this verifier stakes', registers })
  const assigned = new Gauge({
    name: 'holdfast_deals_assigned',
    help: 'Deals that the open round assigns to this verifier',
    registers
  })
  const verdicts = new Counter({
    name: 'holdfast_verdicts_total',
    help: 'Verdicts that this verifier attested since the start',
    labelNames: ['verdict'],
    registers
  })
  const silent = new Counter({
    name: 'holdfast_silent_rounds_total',
    help: 'Rounds since the start in which this verifier was assigned deals and did not attest',
    registers
  })
  const fees = new Counter({
    name: 'holdfast_fee_credits_total',
    help: 'Fees that this verifier earned since the start',
    registers
  })

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
