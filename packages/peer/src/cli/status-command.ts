/** `holdfast status`: how does this peer do; or, of an object: does it stand, who showed it and when, what does it cost, what is wrong and what to do. */
import type { ObjectStatus, ReplicaStatus } from '@holdfast/core'
import { Command } from 'commander'
import { PeerError } from '../error.ts'
import { defaultDirectory } from '../set-up.ts'
import { formatAmount } from '../units.ts'
import { type ClientCommandOptions, NAME_ARGUMENT, openCommandClient, readName } from './client-options.ts'
import { printPeerStatus } from './donor-commands.ts'
import { printJsonEvent } from './output.ts'
import { formatTable, shortAddress } from './table.ts'

interface StatusOptions extends Omit<ClientCommandOptions, 'network'> {
  readonly network?: string
  readonly directory: string
}

export function statusCommand(signal: AbortSignal): Command {
  return new Command('status')
    .description(
      'How the peer of a data directory does; or, given a reference, what stands of an object, who proved it, what it costs, what is wrong.'
    )
    .argument('[reference]', NAME_ARGUMENT)
    .option('--directory <path>', 'data directory of the running peer', defaultDirectory())
    .option('--network <file>', 'of an object: network description (network.json)')
    .option('--key <file>', 'of an object: key file of the account that pays; its deals are looked at and no others')
    .option('--json', 'print one event a line', false)
    .action((name: string | undefined, options: StatusOptions) =>
      name === undefined ? printPeerStatus(options, signal) : run(name, options, signal)
    )
}

async function run(argument: string, options: StatusOptions, signal: AbortSignal): Promise<void> {
  const { network } = options
  if (network === undefined)
    throw new PeerError('OPTION_INVALID', 'Say on which network the object is: --network with a network.json.')
  const name = await readName(argument)
  await using client = await openCommandClient({ ...options, network }, signal)
  const status = await client.status(name, { signal })
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
