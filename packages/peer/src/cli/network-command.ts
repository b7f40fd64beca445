/** `holdfast network`: makes a network and runs its ledger host; shows what others need to join. */
import {
  type Address,
  addressSchema,
  type NetworkParameters,
  networkIdOf,
  parseCredits,
  ROUND_MS_MIN
} from '@holdfast/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { dataDirectoryPaths } from '../data-directory.ts'
import { readNetworkFile } from '../network-file.ts'
import { defaultDirectory, setUpNetwork } from '../set-up.ts'
import { formatAmount } from '../units.ts'
import { runDaemon } from './daemon.ts'
import { formatTime } from './ledger/show.ts'
import { formatJson } from './output.ts'
import { formatFacts } from './table.ts'

interface CreateOptions {
  readonly directory: string
  readonly round?: number
  readonly beacon: 'drand' | 'host'
  readonly supply: bigint
  readonly account: NetworkParameters['accounts']
  readonly listen?: readonly string[]
  readonly json: boolean
  readonly stopWithParent: boolean
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Time for the host to start before round 1. */
const GENESIS_DELAY_MS = 5_000

export function networkCommand(signal: AbortSignal): Command {
  const create = new Command('create')
    .description('Make a network and run its ledger host. Its network.json is what others join by.')
    .argument('<name>', 'name of the network')
    .option('--directory <path>', 'data directory of the host', defaultDirectory())
    .addOption(
      new Option('--round <duration>', 'length of a round, such as 1h or 10s')
        .argParser(parseDuration)
        .default(DURATION_UNITS_MS.h, '1h')
    )
    .addOption(
      new Option(
        '--beacon <source>',
        'where challenges come from: drand, or host, whose key could foresee every challenge'
      )
        .choices(['drand', 'host'])
        .default('drand')
    )
    .addOption(
      new Option('--supply <credits>', 'all the credits there will ever be')
        .argParser(parseAmount)
        .default(parseCredits('1000000'), '1000000')
    )
    .addOption(
      new Option(
        '--account <address=credits>',
        'an account that begins with credits, again for each; the host gets the rest'
      )
        .argParser(collectAccount)
        .default([], 'none')
    )
    .option('--listen <multiaddr...>', 'where the host listens')
    .option('--json', 'print one event a line', false)
    .option('--stop-with-parent', 'stop when standard input ends', false)
    .action((name: string, options: CreateOptions) => runCreate(name, options, signal))
  const show = new Command('show')
    .description('Show the network of a data directory, and what others need to join it.')
    .option('--directory <path>', 'data directory', defaultDirectory())
    .option('--network <file>', 'a network.json instead')
    .option('--json', 'print the description itself', false)
    .action(runShow)
  return new Command('network')
    .description('Make a network, or show one.')
    .addCommand(create.exitOverride())
    .addCommand(show.exitOverride())
}

async function runCreate(name: string, options: CreateOptions, signal: AbortSignal): Promise<void> {
  const { directory, round, beacon, supply, account, listen, json } = options
  const genesisMs = Date.now() + GENESIS_DELAY_MS
  const { parameters } = await setUpNetwork({
    directory,
    name,
    roundMs: round,
    beacon,
    accounts: account,
    supply,
    genesisMs,
    listen
  })
  if (!json) {
    process.stdout.write(
      `Made network "${name}", ${formatAmount(supply, 0).replace(/\.$/, '')} credits, rounds of ${parameters.roundMs / 1000} s.\n`
    )
    if (beacon === 'host')
      process.stdout.write(
        'Its beacon is one key of this host, which could foresee every challenge: for trials, and for groups that trust the host.\n'
      )
    process.stdout.write(`Others join with ${dataDirectoryPaths(directory).networkFile}, or with an address below.\n`)
  }
  await runDaemon(options, signal)
}

async function runShow({ directory, network: file, json }: { directory: string; network?: string; json: boolean }) {
  const path = file ?? dataDirectoryPaths(directory).networkFile
  const network = await readNetworkFile(path)
  const { parameters, addresses } = network
  if (json) {
    process.stdout.write(`${formatJson(network)}\n`)
    return
  }
  const supply = parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n)
  process.stdout.write(
    formatFacts([
      ['network', parameters.name],
      ['id', Buffer.from(networkIdOf(parameters)).toString('hex')],
      ['host', parameters.host],
      ['rounds', `${parameters.roundMs / 1000} s since ${formatTime(parameters.genesisMs)}`],
      [
        'beacon',
        parameters.beacon.source === 'drand'
          ? 'drand, by the League of Entropy'
          : 'one key of the ledger host, which could foresee every challenge'
      ],
      ['credits', formatAmount(supply)],
      ['reached at', addresses.host.join(' ') || 'nowhere yet: start its host once']
    ])
  )
  const member = addresses.host[0]
  process.stdout.write(
    `\nJoin it:  holdfast start --network ${member ?? path} --allocate 500GB\n      or  holdfast start --network ${path} --allocate 500GB\n`
  )
}

function parseDuration(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(s|m|h|d)$/.exec(text) ?? []
  const ms = Number(digits) * (DURATION_UNITS_MS[unit] ?? Number.NaN)
  if (Number.isSafeInteger(ms) && ms >= ROUND_MS_MIN) return ms
  throw new InvalidArgumentError('expected a duration of at least 1s, such as 1h or 10s')
}

function parseAmount(text: string): bigint {
  try {
    return parseCredits(text)
  } catch {
    throw new InvalidArgumentError('expected a number of credits, such as 1000 or 0.5')
  }
}

function collectAccount(text: string, before: NetworkParameters['accounts']): NetworkParameters['accounts'] {
  const [address = '', credits = ''] = text.split('=')
  const parsed = addressSchema.safeParse(address.toLowerCase())
  if (!parsed.success) throw new InvalidArgumentError('expected ADDRESS=CREDITS, such as 0x…=1000')
  return [...before, { address: parsed.data as Address, amount: parseAmount(credits) }]
}
