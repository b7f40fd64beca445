/** `holdfast verify status | unstake`: what a verifier did, and the way out of its stake. */
import { Command } from 'commander'
import type { z } from 'zod'
import { createClient } from '../client.ts'
import { dataDirectoryPaths } from '../data-directory.ts'
import { connectToDaemon } from '../http/api-client.ts'
import { verifierRoundShape, verifierShape } from '../http/routes/verifier-routes.ts'
import { defaultDirectory } from '../set-up.ts'
import { formatAmount } from '../units.ts'
import { unstakeIn } from '../verifier-peer.ts'
import { describeDial, describeRound } from '../views/verifier-screens.ts'
import type { LeavingView } from '../views/verifier-views.ts'
import { parseAmount, parseNatural } from './ledger/options.ts'
import { formatTime } from './ledger/show.ts'
import { escapeForTerminal, formatJson, printJsonEvent } from './output.ts'
import { formatFacts } from './table.ts'

interface Options {
  readonly directory: string
  readonly json: boolean
}

const ROUNDS_DEFAULT = 10

export function verifyStatusCommand(signal: AbortSignal): Command {
  return subcommand('status', 'What the running verifier did in its newest rounds, and whom it had to ask.')
    .option('--rounds <n>', 'how many rounds', parseNatural, ROUNDS_DEFAULT)
    .option('--round <number>', 'what it found in that round, deal by deal, and whom it asked in vain', parseNatural)
    .action((options: Options & StatusWishes) => status(options, signal))
}

interface StatusWishes {
  readonly rounds: number
  readonly round?: number
}

async function status({ directory, json, rounds, round: one }: Options & StatusWishes, signal: AbortSignal) {
  const daemon = await connectToDaemon(directory)
  if (one !== undefined) {
    const answer = await daemon.call(verifierRoundShape, { round: one }, { signal })
    process.stdout.write(json ? `${formatJson(answer)}\n` : answer.deals.map(showDeal).join(''))
    return
  }
  const view = await daemon.call(verifierShape, { rounds }, { signal })
  if (json) {
    process.stdout.write(`${formatJson(view)}\n`)
    return
  }
  const { address, network, stake, places, leaving, round, fees, expected } = view
  process.stdout.write(
    formatFacts([
      ['verifier', `${address} on network "${network}"`],
      ['round', `${round}; the next one opens at ${formatTime(view.nextRoundMs)}`],
      ['stake', `${formatAmount(stake)} credits, ${places} of ${expected.placesOfAll} places`],
      ...leavingFacts(leaving),
      ['expects', `${formatAmount(expected.perRound)} credits a round for ${expected.dealsAssigned.toFixed(1)} deals`],
      ['earned', `${formatAmount(fees)} credits`]
    ])
  )
  const opensMs = (one: number) => view.nextRoundMs - (round + 1 - one) * view.roundMs
  const lines = view.rounds.map(one =>
    describeRound({ ...one, attestedMs: one.attestedMs, refusal: one.refusal }, opensMs(one.round))
  )
  process.stdout.write(
    lines.length === 0 ? 'Nothing was assigned since the start.\n' : `${lines.map(escapeForTerminal).join('\n')}\n`
  )
}

type KeptDeal = z.output<(typeof verifierRoundShape)['answer']>['deals'][number]

function showDeal({ dealId, provider, verdict, reason, signature, dials }: KeptDeal): string {
  const why = reason === undefined ? '' : `: ${reason}`
  const lines = [
    `deal ${dealId} of ${provider}: ${verdict}${why}`,
    ...(signature === undefined ? [] : [`  signed by the provider: ${signature}`]),
    ...dials.map(dial => `  ${describeDial(dial)}`)
  ]
  return lines.map(line => `${escapeForTerminal(line)}\n`).join('')
}

export function verifyUnstakeCommand(signal: AbortSignal): Command {
  return subcommand('unstake', 'Take stake back, and say when it is free. The verifier may run, and should until then.')
    .option('--amount <credits>', 'how many; all of them when left out', parseAmount)
    .action((options: Options & { amount?: bigint }) => unstake(options, signal))
}

async function unstake({ directory, json, amount }: Options & { amount?: bigint }, signal: AbortSignal): Promise<void> {
  await using client = await createClient({ network: dataDirectoryPaths(directory).networkFile, signal })
  const leaving = await unstakeIn(directory, await client.ledger({ signal }), amount, signal)
  if (json) printJsonEvent('unstaked', { leaving })
  else
    process.stdout.write(
      `${formatFacts(leavingFacts(leaving))}Keep the verifier running until then: what it has attested can be disputed, and it answers by itself.\n`
    )
}

function leavingFacts(leaving: readonly LeavingView[]): (readonly [string, string])[] {
  return leaving.map(({ amount, releaseOpening, releaseMs }) => [
    'leaving',
    `${formatAmount(amount)} credits, free when opening ${releaseOpening} has closed: about ${formatTime(releaseMs)}`
  ])
}

function subcommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--directory <path>', 'data directory of the verifier', defaultDirectory())
    .option('--json', 'print JSON, amounts as decimal strings of attoFIL', false)
    .exitOverride()
}
