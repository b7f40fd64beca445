/** `holdfast top-up`: funds the deals of an object for longer. */
import { Command } from 'commander'
import { formatAmount } from '../units.ts'
import {
  type ClientCommandOptions,
  NAME_ARGUMENT,
  openCommandClient,
  parseWhole,
  readName,
  withClientOptions
} from './client-options.ts'
import { printJsonEvent } from './output.ts'
import { formatTable } from './table.ts'

interface Options extends ClientCommandOptions {
  readonly rounds: number
  readonly quote: boolean
}

export function topUpCommand(signal: AbortSignal): Command {
  const command = new Command('top-up')
    .description('Put more escrow into the deals of an object, so that they are funded for so many rounds from now on.')
    .argument('<reference>', NAME_ARGUMENT)
    .requiredOption('--rounds <n>', 'rounds from now on', parseWhole(1))
    .option('--quote', 'only say what it would cost', false)
  return withClientOptions(command, 'required').action((name: string, options: Options) => run(name, options, signal))
}

async function run(argument: string, options: Options, signal: AbortSignal): Promise<void> {
  const name = await readName(argument)
  const { rounds, quote, json } = options
  await using client = await openCommandClient(options, signal)
  const added = await (quote ? client.quoteTopUp : client.topUp)(name, { rounds, signal })
  if (json) {
    printJsonEvent(quote ? 'quote' : 'toppedUp', { deals: added })
    return
  }
  if (added.length === 0) {
    process.stdout.write(
      `Nothing to add: its deals are funded for ${rounds} rounds, or none of this account holds it.\n`
    )
    return
  }
  const columns = [
    { head: 'deal', align: 'right' as const },
    { head: 'credits', align: 'right' as const }
  ]
  const rows = added.map(({ dealId, amount }) => [String(dealId), formatAmount(amount)])
  const sum = added.reduce((total, { amount }) => total + amount, 0n)
  process.stdout.write(
    `${formatTable(columns, rows)}${formatAmount(sum)} credits ${quote ? 'would be' : 'were'} added in all\n`
  )
}
