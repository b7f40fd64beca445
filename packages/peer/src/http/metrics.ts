/** Prometheus metrics of a peer. Amounts are credits, sizes bytes; both lose what a floating-point number cannot hold. */
import { accountOf, resultsIn } from '@holdfast/core'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { creditsForCharts } from '../units.ts'
import { countDisputes } from './dispute-metrics.ts'
import { createProviderMetrics } from './provider-metrics.ts'
import type { DaemonFacts } from './routes/daemon-facts.ts'
import { createVerifierMetrics } from './verifier-metrics.ts'

/** @returns what `/metrics` answers with */
export function createPeerMetrics(facts: DaemonFacts): () => Promise<{ text: string; contentType: string }> {
  const { ledger, address } = facts
  const registry = new Registry()
  registry.setDefaultLabels({ peer: address })
  collectDefaultMetrics({ register: registry, prefix: 'holdfast_' })
  const registers = [registry]
  const round = new Gauge({ name: 'holdfast_round', help: 'Newest round of the ledger', registers })
  const balance = new Gauge({ name: 'holdfast_free_credits', help: 'Credits that the account can spend', registers })
  const deals = new Gauge({ name: 'holdfast_deals', help: 'Running deals of this provider', registers })
  const owing = new Gauge({ name: 'holdfast_deals_owing', help: 'Running deals that owe proofs', registers })
  const bytes = new Gauge({
    name: 'holdfast_bytes',
    help: 'Bytes given to the network, by state',
    labelNames: ['state'],
    registers
  })
  const audited = new Gauge({
    name: 'holdfast_audited_bytes',
    help: 'Bytes of this reading of all pieces that were compared with what they should be',
    registers
  })
  const damaged = new Gauge({
    name: 'holdfast_damaged_pieces',
    help: 'Pieces that are paid for and not whole',
    registers
  })
  const healed = new Gauge({
    name: 'holdfast_healed_pieces',
    help: 'Pieces fetched again from another provider since the start',
    registers
  })
  const outcomes = new Counter({
    name: 'holdfast_deal_rounds_total',
    help: 'Rounds of this provider’s deals since the start, by outcome',
    labelNames: ['outcome'],
    registers
  })
  const earned = new Counter({
    name: 'holdfast_earned_credits_total',
    help: 'Credits earned since the start, what is kept as collateral included',
    registers
  })
  ledger.subscribe(({ events }) => {
    for (const result of events.flatMap(resultsIn)) {
      if (result.provider !== address) continue
      outcomes.inc({ outcome: result.outcome.kind })
      earned.inc(creditsForCharts(result.paid + result.withheld + result.reward))
    }
  })
  countDisputes(registry, ledger, address)
  const { verifier } = facts
  const setVerifier = verifier && createVerifierMetrics(registry, ledger, address)
  const setProviders = verifier && createProviderMetrics(registry, ledger.state, verifier.observations)
  return async () => {
    const peer = await facts.peer()
    round.set(peer.round)
    balance.set(creditsForCharts(accountOf(ledger.state, address).free))
    deals.set(peer.deals.running)
    owing.set(peer.deals.owing)
    for (const [state, size] of Object.entries(peer.bytes ?? {})) bytes.set({ state }, size)
    audited.set(peer.audit?.readBytes ?? 0)
    damaged.set(peer.audit?.damaged.length ?? 0)
    healed.set(peer.audit?.healed ?? 0)
    setVerifier?.()
    setProviders?.()
    return { text: await registry.metrics(), contentType: registry.contentType }
  }
}
