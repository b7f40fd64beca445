/** `holdfast ls`: all that an account has put, from its own encrypted list in the network. */
import { Command } from 'commander'
import { formatSize } from '../units.ts'
import { type ClientCommandOptions, openCommandClient, withClientOptions } from './client-options.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'
import { formatTable } from './table.ts'

interface Options extends ClientCommandOptions {
  readonly references: boolean
}

export function listCommand(signal: AbortSignal): Command {
  const command = new Command('ls')
    .description(
      'List what this account has put. The list is kept encrypted in the network: the key alone finds it again, on any machine.'
    )
    .option('--references', 'print the references too: each is a secret that reads its object', false)
  return withClientOptions(command, 'required').action((options: Options) => run(options, signal))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  await using client = await openCommandClient(options, signal)
  const { objects, unread } = await client.list({ signal })
  if (options.json) {
    for (const object of objects) printJsonEvent('object', { ...object })
    for (const one of unread) printJsonEvent('listUnread', { ...one })
    return
  }
  for (const { provider, reason } of unread)
    process.stderr.write(
      `holdfast: ${provider} did not give its copy of the list (${escapeForTerminal(reason)}); it may be newer than this one\n`
    )
  if (objects.length === 0) {
    process.stdout.write('This account has put nothing that its list knows of.\n')
    return
  }
  const columns = [
    { head: 'stored' },
    { head: 'size', align: 'right' as const },
    { head: 'kind' },
    { head: 'name' },
    { head: options.references ? 'reference' : 'root' }
  ]
  const rows = objects.map(({ storedMs, contentSizeBytes, isPrivate, name, reference, root }) => [
    new Date(storedMs).toISOString().slice(0, 16).replace('T', ' '),
    formatSize(contentSizeBytes),
    isPrivate ? 'private' : 'public',
    name,
    options.references ? reference : root.toString()
  ])
  process.stdout.write(formatTable(columns, rows))
}
