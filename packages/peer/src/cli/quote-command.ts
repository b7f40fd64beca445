/** `holdfast quote`: packs something and says what storing it would cost, and with whom. Stores nothing. */
import { Command } from 'commander'
import { formatAmount, formatSize } from '../units.ts'
import { type ClientCommandOptions, openCommandClient, withClientOptions } from './client-options.ts'
import { printJsonEvent } from './output.ts'
import {
  describeReplicas,
  packOptionsOf,
  type StoreCommandOptions,
  sourceOf,
  storeWishesOf,
  withStoreWishes
} from './store-wishes.ts'
import { formatTable } from './table.ts'

type Options = ClientCommandOptions & StoreCommandOptions

export function quoteCommand(signal: AbortSignal): Command {
  const command = new Command('quote')
    .description('Say what storing a file or directory would cost, with which providers and why. Stores nothing.')
    .argument('<path>', 'file or directory')
  return withStoreWishes(withClientOptions(command, 'required')).action((path: string, options: Options) =>
    run(path, options, signal)
  )
}

async function run(path: string, options: Options, signal: AbortSignal): Promise<void> {
  await using client = await openCommandClient(options, signal)
  await using object = await client.pack(sourceOf(path, options), { ...packOptionsOf(options), signal })
  const quote = await client.quote(object, { ...storeWishesOf(options), signal })
  if (options.json) {
    printJsonEvent('quote', { root: object.root, contentSizeBytes: object.contentSizeBytes, ...quote })
    return
  }
  const rows = quote.providers.map(provider => [provider, quote.reasons.get(provider) ?? 'has a replica'])
  process.stdout.write(
    [
      `${formatSize(object.contentSizeBytes)} as ${object.root}, ${formatSize(sizeOf(object.pieces))} in pieces\n`,
      `${describeReplicas(options)}\n\n`,
      formatTable([{ head: 'provider' }, { head: 'why' }], rows),
      `\n${formatAmount(quote.pricePerRound)} credits a round for all replicas\n`,
      `${formatAmount(quote.escrow)} credits in escrow, enough for ${quote.fundedRounds} rounds; what is not used comes back\n`
    ].join('')
  )
}

function sizeOf(pieces: readonly { readonly rawSize: number }[]): number {
  return pieces.reduce((sum, { rawSize }) => sum + rawSize, 0)
}
