/** Prometheus metrics of a peer. Amounts are credits, sizes bytes; both lose what a floating-point number cannot hold. */
import { accountOf, resultsIn } from '@holdfast/core'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { creditsForCharts } from '../units.ts'
import { countDisputes } from './dispute-metrics.ts'
import { metricsIn } from './metric-family.ts'
import { createProviderMetrics } from './provider-metrics.ts'
import type { DaemonFacts } from './routes/daemon-facts.ts'
import { createVerifierMetrics } from './verifier-metrics.ts'

/**
 * The library watches the event loop by a timer: every ten milliseconds, which is all that an idle peer does, and more often than
 * anybody asks. It cannot be left out; what is left of it is the delay that a reader of the metrics meets himself.
 */
const NEVER_MS = 2 ** 31 - 1
const WATCHED_BY_TIMER = /_eventloop_lag_(?:min|max|mean|stddev|p\d+)_seconds$/

/** @returns what `/metrics` answers with */
export function createPeerMetrics(facts: DaemonFacts): () => Promise<{ text: string; contentType: string }> {
  const { ledger, address } = facts
  const registry = new Registry()
  registry.setDefaultLabels({ peer: address })
  collectDefaultMetrics({ register: registry, prefix: 'holdfast_', eventLoopMonitoringPrecision: NEVER_MS })
  for (const { name } of registry.getMetricsAsArray())
    if (WATCHED_BY_TIMER.test(name)) registry.removeSingleMetric(name)
  const { gauge, counter } = metricsIn(registry)
  const round = gauge('round', 'Newest round of the ledger')
  const balance = gauge('free_credits', 'Credits that the account can spend')
  const deals = gauge('deals', 'Running deals of this provider')
  const owing = gauge('deals_owing', 'Running deals that owe proofs')
  const bytes = gauge('bytes', 'Bytes given to the network, by state', 'state')
  const audited = gauge(
    'audited_bytes',
    'Bytes of this reading of all pieces that were compared with what they should be'
  )
  const damaged = gauge('damaged_pieces', 'Pieces that are paid for and not whole')
  const healed = gauge('healed_pieces', 'Pieces fetched again from another provider since the start')
  const outcomes = counter(
    'deal_rounds_total',
    'Rounds of this provider’s deals since the start, by outcome',
    'outcome'
  )
  const earned = counter('earned_credits_total', 'Credits earned since the start, what is kept as collateral included')
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
