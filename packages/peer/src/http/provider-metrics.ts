/** What a verifier knows of providers, as metrics: gauges of its reports, made anew whenever they are asked for. */
import {
  type Address,
  type LedgerState,
  type ObservationBook,
  type ProviderReport,
  reportProviders
} from '@holdfast/core'
import type { Gauge, Registry } from 'prom-client'
import { metricsIn } from './metric-family.ts'

/** Providers that have labels of their own, those with most samples: series cost whoever stores them. */
export const PROVIDERS_IN_METRICS_MAX = 100

const QUANTILES = [
  ['0.5', 'p50'],
  ['0.9', 'p90'],
  ['0.99', 'p99']
] as const

/** @returns what sets the gauges to what is known now */
export function createProviderMetrics(
  registry: Registry,
  state: LedgerState,
  observations: Pick<ObservationBook, 'list' | 'providers'>
): () => void {
  const ofProvider = metricsIn(registry, 'holdfast_provider_')
  const gauge = (name: string, help: string, ...labels: string[]) => ofProvider.gauge(name, help, 'provider', ...labels)
  const samples = gauge('samples', 'What this verifier remembers of a provider, by kind and outcome', 'kind', 'outcome')
  const bounds = gauge('share_at_least', 'Lower bound at 95 % of what a provider proves, holds, hands out', 'of')
  const trials = gauge('share_trials', 'How many trials a bound is of', 'of')
  const rounds = gauge('rounds', 'Rounds of a provider’s deals since genesis, by outcome', 'outcome')
  const firstByte = gauge('first_byte_seconds', 'From a request to its first byte, connecting included', 'quantile')
  const proof = gauge('proof_seconds', 'From when challenges were known to the proof', 'quantile')
  const speed = gauge('megabytes_per_second', 'Median speed of reads that moved enough to tell')
  const known = metricsIn(registry).gauge(
    'providers_known',
    'Providers of whom anything is known; the series of some may be left out'
  )
  const all = [samples, bounds, trials, rounds, firstByte, proof, speed]

  function set({ provider, ...report }: ProviderReport): void {
    const { checks, retrieval, binding, megabytesPerSecond } = report
    const counts = [
      ['proof', 'pass', checks.pass],
      ['proof', 'bad proof', checks.badProof],
      ['proof', 'no answer', checks.noAnswer],
      ['read', 'read', retrieval.good],
      ['read', 'failed', retrieval.trials - retrieval.good],
      ['binding', 'bound', binding.bound],
      ['binding', 'not bound', binding.notBound],
      ['binding', 'no answer', binding.noAnswer]
    ] as const
    for (const [kind, outcome, count] of counts) samples.set({ provider, kind, outcome }, count)
    for (const share of ['proving', 'storing', 'retrieval'] as const) {
      bounds.set({ provider, of: share }, report[share].lowerBound)
      trials.set({ provider, of: share }, report[share].trials)
    }
    for (const [outcome, count] of Object.entries(report.rounds)) rounds.set({ provider, outcome }, count)
    setQuantiles(firstByte, provider, report.firstByteMs)
    setQuantiles(proof, provider, report.proofMs)
    if (megabytesPerSecond !== undefined) speed.set({ provider }, megabytesPerSecond.p50)
  }

  return () => {
    for (const one of all) one.reset()
    const reports = reportProviders(state, observations)
    known.set(reports.length)
    for (const report of mostSampled(reports)) set(report)
  }
}

function setQuantiles(gauge: Gauge, provider: Address, times: ProviderReport['firstByteMs']): void {
  if (times === undefined) return
  for (const [quantile, name] of QUANTILES) gauge.set({ provider, quantile }, times[name] / 1000)
}

function mostSampled(reports: readonly ProviderReport[]): readonly ProviderReport[] {
  const samplesOf = ({ checks, binding, retrieval }: ProviderReport) =>
    [...Object.values(checks), binding.bound, binding.notBound, binding.noAnswer, retrieval.trials].reduce(
      (sum, count) => sum + count,
      0
    )
  return [...reports].sort((a, b) => samplesOf(b) - samplesOf(a)).slice(0, PROVIDERS_IN_METRICS_MAX)
}
