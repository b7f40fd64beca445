/** `holdfast rm`: stops paying for an object and takes it off the account's list. */
import { Command } from 'commander'
import {
  type ClientCommandOptions,
  NAME_ARGUMENT,
  openCommandClient,
  readName,
  withClientOptions
} from './client-options.ts'
import { printJsonEvent } from './output.ts'

export function removeCommand(signal: AbortSignal): Command {
  const command = new Command('rm')
    .description(
      'Stop paying for an object. Providers may delete it from the next rounds on; what others have read, they keep.'
    )
    .argument('<reference>', NAME_ARGUMENT)
  return withClientOptions(command, 'required').action((name: string, options: ClientCommandOptions) =>
    run(name, options, signal)
  )
}

async function run(argument: string, options: ClientCommandOptions, signal: AbortSignal): Promise<void> {
  const name = await readName(argument)
  await using client = await openCommandClient(options, signal)
  const removed = await client.remove(name, { signal })
  if (options.json) {
    printJsonEvent('removed', { deals: removed })
    return
  }
  if (removed.length === 0) process.stdout.write('This account pays nobody to store it.\n')
  for (const { dealId, pieces, endsAfterRound } of removed) {
    const what = `${pieces} ${pieces === 1 ? 'piece' : 'pieces'} out of deal ${dealId}`
    const end =
      endsAfterRound === undefined
        ? ''
        : `, which holds nothing else: it ends after round ${endsAfterRound}, and its escrow comes back`
    process.stdout.write(`${what}${end}\n`)
  }
}
