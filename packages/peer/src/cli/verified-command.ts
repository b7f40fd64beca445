/** `holdfast verified`: when each replica of an object was last verified, by whom, how; ends with 3 when one was not lately. */
import { Command } from 'commander'
import { PeerError, systemCodeOf } from '../error.ts'
import { connectToDaemon } from '../http/api-client.ts'
import { type VerifiedView, verifiedShape, viewVerified } from '../http/routes/report-routes.ts'
import { defaultDirectory } from '../set-up.ts'
import { NAME_ARGUMENT, openCommandClient, readName } from './client-options.ts'
import { formatTime } from './ledger/show.ts'
import { formatJson } from './output.ts'
import { formatTable, shortAddress } from './table.ts'

/** Some replica was not verified in the last rounds. Not a failure of the command. */
export const EXIT_NOT_VERIFIED = 3

interface Options {
  readonly network?: string
  readonly directory?: string
  readonly json: boolean
}

export function verifiedCommand(signal: AbortSignal): Command {
  return new Command('verified')
    .description(
      'When each replica of an object was last verified, by whom and how. Exit code 0: all of them in the last round; 3: some were not.'
    )
    .argument('<reference>', NAME_ARGUMENT)
    .option('--directory <path>', `ask the daemon of this data directory (default: ${defaultDirectory()})`)
    .option('--network <file>', 'without a daemon: read the log from this network (network.json)')
    .option('--json', 'print JSON', false)
    .action(async (argument: string, options: Options) => {
      const view = await viewOf(await readName(argument), options, signal)
      process.stdout.write(options.json ? `${formatJson(view)}\n` : showVerified(view))
      if (!view.isVerified) process.exitCode = EXIT_NOT_VERIFIED
    })
}

async function viewOf(name: string, { network, directory, json }: Options, signal: AbortSignal): Promise<VerifiedView> {
  if (network !== undefined && directory !== undefined)
    throw new PeerError('OPTION_INVALID', 'Say --network or --directory, not both: the log is read in one place.')
  if (network === undefined) {
    const daemon = await connectToDaemon(directory ?? defaultDirectory()).catch(cause => {
      if (directory !== undefined || systemCodeOf(cause) !== 'DAEMON_MISSING') throw cause
      const message =
        'Say on which network the object is: --network with a network.json, or --directory with a daemon’s.'
      throw new PeerError('OPTION_INVALID', message, {}, { cause })
    })
    return await daemon.call(verifiedShape, { name }, { signal })
  }
  await using client = await openCommandClient({ network, json }, signal)
  return viewVerified(await client.verified(name, { signal }))
}

const COLUMNS = [
  { head: 'replica', align: 'right' as const },
  { head: 'deal', align: 'right' as const },
  { head: 'provider' },
  { head: 'last verified' },
  { head: 'how' },
  { head: '' }
]

export function showVerified(view: VerifiedView): string {
  const { replicas, isPrivate, areReplicasDistinct, isVerified } = view
  const count = replicas.filter(replica => replica.isVerified).length
  const lines = [
    `${isPrivate ? 'private' : 'public'} object ${view.root}`,
    ...(replicas.length === 0 ? ['nobody is paid to store it'] : []),
    ...(replicas.length > 1 && !areReplicasDistinct
      ? ['all replicas are the same bytes: proofs do not show that they are independent copies']
      : []),
    formatTable(COLUMNS, replicas.map(rowOf)).trimEnd(),
    isVerified
      ? `verified: all ${replicas.length} in the last rounds`
      : `not verified: ${count} of ${replicas.length} in the last rounds`,
    `round ${view.round} is open; what it proves is settled when the next one opens, ${formatTime(view.nextRoundMs)}`
  ]
  return `${lines.join('\n')}\n`
}

function rowOf({ replica, dealId, provider, lastVerified, lastCleared, why }: VerifiedView['replicas'][number]) {
  const cleared = lastCleared === undefined ? '' : `; owed leaves proved in round ${lastCleared.round}`
  return [
    String(replica),
    String(dealId),
    shortAddress(provider),
    lastVerified === undefined ? 'never' : `round ${lastVerified.round}, ${formatTime(lastVerified.timeMs)}`,
    `${lastVerified === undefined ? '' : formatHow(lastVerified.how)}${cleared}`,
    why === undefined ? '' : `! ${why}`
  ]
}

function formatHow(how: NonNullable<VerifiedView['replicas'][number]['lastVerified']>['how']): string {
  if (how.kind === 'attested') return `attested by ${how.verifiers.map(shortAddress).join(' ')}`
  return how.drawn ? 'opened on the ledger, as drawn or demanded' : 'proved to the ledger by itself'
}
