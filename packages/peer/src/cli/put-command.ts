/** `holdfast put`: stores a file or directory publicly on n providers. */
import { Command, InvalidArgumentError } from 'commander'
import { createClient } from '../client.ts'
import { formatAmount, formatSize } from '../units.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'
import { openProgressBars } from './progress-bars.ts'

interface Options {
  readonly network: string
  readonly key: string
  readonly replicas: number
  readonly json: boolean
}

export function putCommand(signal: AbortSignal): Command {
  return new Command('put')
    .description('Store a file or directory on n providers, in public: whoever knows the root CID can read it.')
    .argument('<path>', 'file or directory')
    .requiredOption('--network <file>', 'network description (network.json)')
    .requiredOption('--key <file>', 'key file of the account that pays')
    .option('--replicas <n>', 'how many providers', parseCount, 3)
    .option('--json', 'print one event a line', false)
    .action((path: string, options: Options) => run(path, options, signal))
}

async function run(path: string, { network, key, replicas, json }: Options, signal: AbortSignal): Promise<void> {
  await using client = await createClient({
    network,
    key,
    signal,
    onUnreachable({ message }) {
      if (json) printJsonEvent('hostUnreachable', { reason: message })
      else process.stderr.write(`holdfast: ${escapeForTerminal(message)}; waiting for it, Ctrl-C ends this\n`)
    }
  })
  await using object = await client.pack(path, { signal })
  const quote = await client.quote(object, { replicas })
  if (json) printJsonEvent('packed', { root: object.root, pieces: object.pieces, quote })
  else
    process.stdout.write(
      `${formatSize(object.contentSizeBytes)} as ${object.root}\n${formatAmount(quote.pricePerRound)} credits a round, ${formatAmount(quote.escrow)} escrowed\n`
    )
  using bars = openProgressBars(json)
  const stored = await client.store(object, { replicas, signal, onProgress: bars.report })
  if (json) printJsonEvent('stored', { root: object.root, replicas: stored })
  else
    process.stdout.write(
      `${stored.length} replicas stand. Read it back with: holdfast get ${object.root} --network ${network} --output PATH\n`
    )
}

export function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('expected a number of at least 1')
  return count
}
