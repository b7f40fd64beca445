/** `holdfast put`: stores a file or directory on n providers, privately unless it is said otherwise. */
import { stat, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { PeerError } from '../error.ts'
import { formatAmount, formatSize } from '../units.ts'
import { type ClientCommandOptions, openCommandClient, withClientOptions } from './client-options.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'
import { openProgressBars, type ProgressBars } from './progress-bars.ts'
import {
  describeReplicas,
  packOptionsOf,
  type StoreCommandOptions,
  sourceOf,
  storeWishesOf,
  withStoreWishes
} from './store-wishes.ts'

interface Options extends ClientCommandOptions, StoreCommandOptions {
  readonly name?: string
  readonly list: boolean
  readonly save?: string
}

export function putCommand(signal: AbortSignal): Command {
  const command = new Command('put')
    .description(
      'Store a file or directory on n providers: encrypted, so that only whoever has its reference can read it. The same put again goes on where it stopped.'
    )
    .argument('<path>', 'file or directory')
    .option('--name <name>', "what it is called in your account's list (default: the path's last part)")
    .option('--save <file>', 'write the reference into a new file of your own instead of printing it')
    .option('--no-list', "do not note it in your account's list: the reference that is printed is the only one")
  return withStoreWishes(withClientOptions(command, 'required')).action((path: string, options: Options) =>
    run(path, options, signal)
  )
}

async function run(path: string, options: Options, signal: AbortSignal): Promise<void> {
  const { json, name, list, save } = options
  if (save !== undefined) await expectAbsent(save)
  await using client = await openCommandClient(options, signal)
  using screen = new DisposableStack()
  let report: ProgressBars['report'] | undefined
  const stored = await client.put(sourceOf(path, options), {
    ...packOptionsOf(options),
    ...storeWishesOf(options),
    ...(name !== undefined && { name }),
    list,
    signal,
    onPacked({ object, quote }) {
      if (json)
        printJsonEvent('packed', {
          root: object.root,
          isPrivate: object.reference !== undefined,
          isResumed: object.isResumed,
          pieces: object.pieces,
          quote
        })
      else sayPacked(object, quote, options)
      ;({ report } = screen.use(openProgressBars(json)))
    },
    onProgress(event) {
      if (event.kind !== 'catchingUp') report?.(event)
    }
  })
  screen.dispose()
  // For its owner's eyes: what stands in it opens the object.
  if (save !== undefined) await writeFile(save, `${stored.reference}\n`, { flag: 'wx', mode: 0o600 })
  if (json) printJsonEvent('stored', { ...stored })
  else sayStored(stored, options)
}

function sayPacked(
  object: { readonly contentSizeBytes: number; readonly root: unknown; readonly isResumed: boolean },
  quote: { readonly pricePerRound: bigint; readonly escrow: bigint; readonly fundedRounds: number },
  options: Options
): void {
  const lines = [
    `${formatSize(object.contentSizeBytes)} as ${object.root}`,
    describeReplicas(options),
    `${formatAmount(quote.pricePerRound)} credits a round, ${formatAmount(quote.escrow)} escrowed for ${quote.fundedRounds} rounds`,
    ...(object.isResumed ? ['Going on with what an earlier put has packed and stored.'] : [])
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function sayStored(
  stored: {
    readonly replicas: readonly unknown[]
    readonly reference: string
    readonly isPrivate: boolean
    readonly notListed: string | undefined
  },
  { network, list, save }: Options
): void {
  const what = stored.isPrivate ? 'reference' : 'root'
  const shown = save === undefined ? ['', `${what}  ${stored.reference}`, ''] : [`Its reference stands in ${save}.`]
  const lines = [
    `${stored.replicas.length} replicas stand.`,
    ...(stored.isPrivate ? [...shown, 'Whoever has this reference can read it; without it, nobody can.'] : []),
    ...(stored.notListed === undefined
      ? []
      : [`Your list does not have it: ${escapeForTerminal(stored.notListed)}. Keep the ${what} yourself.`]),
    ...(list || !stored.isPrivate ? [] : ['It stands in no list: keep the reference yourself.']),
    `Read it back with: holdfast get ${save === undefined ? stored.reference : `@${save}`} PATH --network ${network}`
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** Better said before anything is stored. */
async function expectAbsent(path: string): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false
  )
  if (isThere) throw new PeerError('OPTION_INVALID', `${path} exists already; --save makes a new file.`, { path })
}
