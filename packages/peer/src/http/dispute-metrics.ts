/** Disputes between verifiers as metrics: what this peer won from others, and what it lost, as the ledger settled it. */
import type { Address, Ledger } from '@holdfast/core'
import type { Registry } from 'prom-client'
import { creditsForCharts } from '../units.ts'
import { metricsIn } from './metric-family.ts'

/** Counts from now on; the listener lives as long as the ledger. */
export function countDisputes(registry: Registry, ledger: Pick<Ledger, 'subscribe'>, own: Address): void {
  const { counter } = metricsIn(registry)
  const disputes = counter(
    'disputes_total',
    'Verdicts that were disputed since the start: won from others, answered by others, lost by this verifier',
    'outcome'
  )
  const rewards = counter(
    'dispute_rewards_credits_total',
    'Credits earned since the start from the stakes of refuted verifiers'
  )
  for (const outcome of ['won', 'answered', 'lost']) disputes.inc({ outcome }, 0)
  ledger.subscribe(({ events }) => {
    for (const event of events) {
      if (event.kind === 'refuted' && event.verifier === own) disputes.inc({ outcome: 'lost' })
      if (event.kind === 'refuted' && event.refuter === own) {
        disputes.inc({ outcome: 'won' })
        rewards.inc(creditsForCharts(event.reward))
      }
      if (event.kind === 'transcriptAnswered' && event.demander === own) disputes.inc({ outcome: 'answered' })
    }
  })
}
