/** Disputes between verifiers as metrics: what this peer won from others, and what it lost, as the ledger settled it. */
import { type Address, formatCredits, type Ledger } from '@holdfast/core'
import { Counter, type Registry } from 'prom-client'

/** Counts from now on; the listener lives as long as the ledger. */
export function countDisputes(registry: Registry, ledger: Pick<Ledger, 'subscribe'>, own: Address): void {
  const registers = [registry]
  const disputes = new Counter({
    name: 'holdfast_disputes_total',
    help: 'Verdicts that were disputed since the start: won from others, answered by others, lost by this verifier',
    labelNames: ['outcome'],
    registers
  })
  const rewards = new Counter({
    name: 'holdfast_dispute_rewards_credits_total',
    help: 'Credits earned since the start from the stakes of refuted verifiers',
    registers
  })
  for (const outcome of ['won', 'answered', 'lost']) disputes.inc({ outcome }, 0)
  ledger.subscribe(({ events }) => {
    for (const event of events) {
      if (event.kind === 'refuted' && event.verifier === own) disputes.inc({ outcome: 'lost' })
      if (event.kind === 'refuted' && event.refuter === own) {
        disputes.inc({ outcome: 'won' })
        rewards.inc(Number.parseFloat(formatCredits(event.reward)))
      }
      if (event.kind === 'transcriptAnswered' && event.demander === own) disputes.inc({ outcome: 'answered' })
    }
  })
}
