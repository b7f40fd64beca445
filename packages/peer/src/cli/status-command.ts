/** `holdfast status`: does an object stand, who showed it and when, what does it cost, what is wrong and what to do. */
import type { ObjectStatus, ReplicaStatus } from '@holdfast/core'
import { Command } from 'commander'
import { formatAmount } from '../units.ts'
import {
  type ClientCommandOptions,
  NAME_ARGUMENT,
  openCommandClient,
  readName,
  withClientOptions
} from './client-options.ts'
import { printJsonEvent } from './output.ts'
import { formatTable, shortAddress } from './table.ts'

export function statusCommand(signal: AbortSignal): Command {
  const command = new Command('status')
    .description('Say what stands of an object, when it was proved and by whom, what it costs, and what is wrong.')
    .argument('<reference>', NAME_ARGUMENT)
    .option('--key <file>', 'key file of the account that pays: its deals are looked at and no others')
  return withClientOptions(command, 'none').action((name: string, options: ClientCommandOptions) =>
    run(name, options, signal)
  )
}

async function run(argument: string, options: ClientCommandOptions, signal: AbortSignal): Promise<void> {
  const name = await readName(argument)
  await using client = await openCommandClient(options, signal)
  const status = await client.status(name)
  if (options.json) printJsonEvent('status', { ...status })
  else process.stdout.write(formatStatus(status))
}

const COLUMNS = [
  { head: 'deal', align: 'right' as const },
  { head: 'provider' },
  { head: 'region' },
  { head: 'last proved' },
  { head: 'rounds proved/missed', align: 'right' as const },
  { head: 'credits a round', align: 'right' as const },
  { head: 'funded until' }
]

export function formatStatus(status: ObjectStatus): string {
  const { replicas, isPrivate, areReplicasDistinct, problems } = status
  const lines = [
    `${isPrivate ? 'private' : 'public'} object ${status.root}`,
    `${replicas.length} ${replicas.length === 1 ? 'replica' : 'replicas'}, ${
      areReplicasDistinct
        ? 'each of other bytes: each proof is of a copy of its own'
        : 'all of the same bytes: proofs do not show that they are independent copies'
    }`,
    '',
    formatTable(COLUMNS, replicas.map(rowOf)),
    `${formatAmount(status.pricePerRound)} credits a round, ${formatAmount(status.pricePerMonth)} a month`,
    `round ${status.round} is open; the next one opens ${formatTime(status.nextRoundMs)}`
  ]
  if (problems.length === 0) lines.push('nothing is wrong')
  for (const { dealId, what, whatToDo } of problems)
    lines.push(`! ${dealId === undefined ? '' : `deal ${dealId} `}${what}: ${whatToDo}`)
  return `${lines.join('\n')}\n`
}

function rowOf(replica: ReplicaStatus): string[] {
  const { lastProved, rounds } = replica
  return [
    String(replica.dealId),
    shortAddress(replica.provider),
    replica.region,
    lastProved === undefined
      ? 'not yet'
      : `round ${lastProved.round}, ${formatTime(lastProved.timeMs)}, ${
          lastProved.verifiers.length === 0 ? 'to the ledger' : `by ${lastProved.verifiers.map(shortAddress).join(' ')}`
        }`,
    `${rounds.proved}/${rounds.faulted}`,
    formatAmount(replica.pricePerRound),
    `round ${replica.fundedUntilRound}, ${formatTime(replica.fundedUntilMs)}`
  ]
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}
