/** `holdfast start`: sets a peer up the first time, and runs it until it is told to stop. */
import type { NetworkParameters } from '@holdfast/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_CONFIG, parseSize, ROLES, type Role } from '../config.ts'
import { dataDirectoryPaths } from '../data-directory.ts'
import { fetchNetwork } from '../fetch-network.ts'
import { readNetworkFile } from '../network-file.ts'
import { setUpPeer } from '../set-up.ts'
import { formatSize } from '../units.ts'
import { provingCost } from '../views/proving-cost.ts'
import { runDaemon } from './daemon.ts'
import { type DaemonOptions, withDaemonOptions } from './daemon-options.ts'

/** What finds a loss of 1 % within a day with 99 % in rounds of an hour: what a deal usually asks for. */
const LEAVES_PER_ROUND_USUAL = 20

interface Options extends DaemonOptions {
  readonly allocate?: number
  readonly role: readonly Role[]
  readonly region?: string
}

export function startCommand(signal: AbortSignal): Command {
  const command = new Command('start').description(
    'Run the peer of a data directory. The first time say which network and how much disk; later `holdfast start` is enough.'
  )
  return withDaemonOptions(command)
    .option(
      '--allocate <size>',
      `first time: disk space to give, such as 500GB (default: ${formatSize(DEFAULT_CONFIG.provider.allocateBytes)})`,
      parseAllocate
    )
    .addOption(
      new Option('--role <role...>', 'first time: what it does for the network')
        .choices(ROLES)
        .default([...DEFAULT_CONFIG.roles])
    )
    .option('--region <name>', 'first time: where the disk stands, such as eu-west')
    .action((options: Options) => run(options, signal))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { directory, allocate, role, listen, region, json } = options
  const network = options.network === undefined ? undefined : await fetchNetwork(options.network, signal)
  const { address, isNew } = await setUpPeer(network, {
    directory,
    roles: role,
    allocateBytes: allocate,
    listen,
    region
  })
  if (isNew && !json) {
    const { parameters } = await readNetworkFile(dataDirectoryPaths(directory).networkFile)
    process.stdout.write(welcome(directory, address, role, allocate, parameters))
  }
  await runDaemon(options, signal)
}

function welcome(
  directory: string,
  address: string,
  roles: readonly Role[],
  allocateBytes = DEFAULT_CONFIG.provider.allocateBytes,
  { name, roundMs, proving }: NetworkParameters
): string {
  const { keyFile, configFile } = dataDirectoryPaths(directory)
  const cost = provingCost(LEAVES_PER_ROUND_USUAL, roundMs, proving.verifiersPerDeal)
  const lines = [
    `Set up ${directory} for network "${name}".`,
    `  account  ${address}`,
    `  key      ${keyFile}: keep a copy (\`holdfast key export\`); whoever has it has the credits`,
    `  config   ${configFile}`
  ]
  if (roles.includes('provider'))
    lines.push(
      `  gives    ${formatSize(allocateBytes)}`,
      `  costs    for each deal of ${LEAVES_PER_ROUND_USUAL} leaves a round, a day: ${cost.readsPerDay} reads (${formatSize(cost.readBytesPerDay)}), ${formatSize(cost.sentBytesPerDay)} sent; what clients read comes on top`
    )
  return `${lines.join('\n')}\n`
}

function parseAllocate(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw new InvalidArgumentError('expected a size such as 500GB or 20GiB')
  return bytes
}
