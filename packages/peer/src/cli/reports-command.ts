/** `holdfast reports`: what a verifier, or any daemon that follows the ledger, knows of providers. */
import type { Address } from '@holdfast/core'
import { Command } from 'commander'
import type { z } from 'zod'
import { connectToDaemon } from '../http/api-client.ts'
import { type providerReportSchema, reportsShape } from '../http/routes/report-routes.ts'
import { defaultDirectory } from '../set-up.ts'
import { parseAddress } from './ledger/options.ts'
import { formatTime } from './ledger/show.ts'
import { escapeForTerminal, formatJson } from './output.ts'
import { formatFacts, formatTable, shortAddress } from './table.ts'

interface Options {
  readonly directory: string
  readonly json: boolean
}

type Report = z.output<typeof providerReportSchema>
type Reports = z.output<typeof reportsShape.answer>

export function reportsCommand(signal: AbortSignal): Command {
  return new Command('reports')
    .description(
      'What is known of each provider: how surely it proves, holds and hands out, from how many samples, how fast. With an address, all of one.'
    )
    .argument('[provider]', 'address of a provider', parseAddress)
    .option('--directory <path>', 'data directory of the daemon', defaultDirectory())
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
"at least" is a lower bound at 95 %: a true share below it would show such a sample in one case of twenty at most.
proves   rounds of its deals that were proved, by the ledger; void rounds do not count
holds    leaves that rounds drew at random from its deals and that were shown in their round, by the ledger: a bound on the
         share of bytes that it has. Not that they are a copy of their own
hands out  unannounced reads of public objects by this verifier, as any reader makes them
not bound  blocks of public objects that could not be shown in the pieces that are paid for: the client's lie, who chose the
         label, or the provider's`
    )
    .action(async (provider: Address | undefined, { directory, json }: Options) => {
      const daemon = await connectToDaemon(directory)
      const answer = await daemon.call(reportsShape, provider === undefined ? {} : { provider }, { signal })
      process.stdout.write(json ? `${formatJson(answer)}\n` : showReports(answer, provider))
    })
}

export function showReports(answer: Reports, provider?: Address): string {
  const { reports, looks } = answer
  const [one] = reports
  if (one === undefined) return `Nothing is known of ${provider ?? 'any provider'} yet.\n`
  const shown = provider === undefined ? showTable(reports) : showOne(one)
  return looks
    ? shown
    : `${shown}This peer is no verifier: reads and blocks were not looked at, the ledger says the rest.\n`
}

const COLUMNS = [
  { head: 'provider' },
  { head: 'deals', align: 'right' as const },
  { head: 'proves at least (of)', align: 'right' as const },
  { head: 'holds at least (of leaves)', align: 'right' as const },
  { head: 'hands out at least (of reads)', align: 'right' as const },
  { head: 'first byte p50/p99 ms', align: 'right' as const },
  { head: 'MB/s', align: 'right' as const },
  { head: 'not bound', align: 'right' as const }
]

function showTable(reports: readonly Report[]): string {
  return formatTable(
    COLUMNS,
    reports.map(report => [
      shortAddress(report.provider),
      String(report.deals),
      formatShare(report.proving),
      formatShare(report.storing),
      formatShare(report.retrieval),
      report.firstByteMs === undefined ? '' : `${formatMs(report.firstByteMs.p50)}/${formatMs(report.firstByteMs.p99)}`,
      report.megabytesPerSecond?.p50.toFixed(1) ?? '',
      report.binding.notBound === 0 ? '' : String(report.binding.notBound)
    ])
  )
}

function showOne(report: Report): string {
  const { rounds, proving, storing, retrieval, checks, binding, firstByteMs, proofMs, megabytesPerSecond } = report
  const samples = (times: Report['firstByteMs']) =>
    times === undefined
      ? 'not measured'
      : `p50 ${formatMs(times.p50)}, p90 ${formatMs(times.p90)}, p99 ${formatMs(times.p99)} ms, of ${times.count}`
  const facts = formatFacts([
    ['provider', report.provider],
    ['operator', report.operator ?? 'it offers nothing'],
    ['region', report.region],
    ['deals', `${report.deals} running; ${rounds.proved} rounds proved, ${rounds.faulted} missed, ${rounds.void} void`],
    ['proves', `at least ${formatBound(proving)}: ${proving.good} of ${proving.trials} rounds`],
    ['holds', `at least ${formatBound(storing)}: ${storing.good} of ${storing.trials} leaves shown in their round`],
    ['hands out', `at least ${formatBound(retrieval)}: ${retrieval.good} of ${retrieval.trials} reads`],
    ['checked here', `${checks.pass} passed, ${checks.badProof} bad, ${checks.noAnswer} without answer`],
    [
      'bound',
      `${binding.bound} blocks bound, ${binding.notBound} not${binding.notBound === 0 ? '' : ` (deals ${binding.unboundDeals.join(', ')})`}, ${binding.noAnswer} without answer`
    ],
    ['first byte', samples(firstByteMs)],
    ['proof', samples(proofMs)],
    [
      'speed',
      megabytesPerSecond === undefined
        ? 'not measured'
        : `${megabytesPerSecond.p50.toFixed(1)} MB/s, nine in ten ${megabytesPerSecond.p10.toFixed(1)} and more, of ${megabytesPerSecond.count}`
    ]
  ])
  const { lastTrouble } = report
  if (lastTrouble === undefined) return facts
  const { kind, outcome, dealId, timeMs, reason } = lastTrouble
  const what = `${formatTime(timeMs)} ${kind} of deal ${dealId}: ${outcome}, ${reason}`
  return `${facts}! ${escapeForTerminal(what)}\n`
}

function formatShare(share: Report['proving']): string {
  return share.trials === 0 ? '' : `${formatBound(share)} (${share.good}/${share.trials})`
}

/** Rounded down: a bound must not grow by being printed. */
function formatBound({ lowerBound }: Report['proving']): string {
  return `${(Math.floor(lowerBound * 10_000) / 100).toFixed(2)} %`
}

function formatMs(ms: number): string {
  return String(Math.round(ms))
}
