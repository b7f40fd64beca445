/** Sets up a data directory from nothing: what `holdfast start` does the first time, and `holdfast network create`. */
import { access, mkdir, statfs } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type Address,
  createSigner,
  describeNetwork,
  type NetworkDescription,
  type NetworkParameters,
  networkIdOf
} from '@holdfast/core'
import { DEFAULT_CONFIG, formatConfig, type PeerConfig, parseConfig, type Role, writeDefaultConfig } from './config.ts'
import { dataDirectoryPaths } from './data-directory.ts'
import { PeerError } from './error.ts'
import { loadOrCreateKey } from './key-file.ts'
import { createHostBeacon } from './ledger/host.ts'
import { readNetworkFile, writeNetworkFile } from './network-file.ts'
import { newNetworkParameters } from './network-parameters.ts'
import { formatSize } from './units.ts'

/** Where a peer lives when nobody says otherwise. */
export function defaultDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.HOLDFAST_DIRECTORY ?? join(homedir(), '.holdfast')
}

export interface SetUpWishes {
  readonly directory: string
  readonly roles: readonly Role[]
  /** Bytes given to the network. */
  readonly allocateBytes?: number | undefined
  readonly listen?: readonly string[] | undefined
  readonly region?: string | undefined
  readonly pricePerLeafRound?: bigint | undefined
}

export interface SetUpPeer {
  readonly address: Address
  /** Whether there was nothing before. */
  readonly isNew: boolean
}

/**
 * Makes what is missing: directory, network description, commented config, key. What is there stays as it is.
 *
 * @throws {PeerError} `NETWORK_DIFFERS` when the directory belongs to another network, `ALREADY_SET_UP` when wishes come
 * for a directory that has its config, `NOT_ENOUGH_ROOM` when the disk is smaller than what is given
 */
export async function setUpPeer(network: NetworkDescription | undefined, wishes: SetUpWishes): Promise<SetUpPeer> {
  const paths = dataDirectoryPaths(wishes.directory)
  const hasConfig = await isThere(paths.configFile)
  const hasNetwork = await isThere(paths.networkFile)
  if (hasConfig && (wishes.allocateBytes ?? wishes.listen ?? wishes.region ?? wishes.pricePerLeafRound) !== undefined) {
    throw new PeerError(
      'ALREADY_SET_UP',
      `${wishes.directory} is set up already: change ${paths.configFile} instead, and start without these options.`,
      { path: paths.configFile }
    )
  }
  if (hasNetwork && network !== undefined) await expectSameNetwork(paths.networkFile, network)
  if (!hasNetwork && network === undefined) {
    throw new PeerError(
      'NETWORK_MISSING',
      `${wishes.directory} knows no network yet: start once with --network and a network.json, a web address, or the address of a member.`,
      { path: paths.networkFile }
    )
  }
  // What could not be started is not made.
  if (!hasConfig) parseConfig(formatConfig(configOf(wishes)), paths.configFile)
  await mkdir(wishes.directory, { recursive: true, mode: 0o700 })
  if (!hasConfig) await expectRoom(wishes)
  const key = await loadOrCreateKey(paths.keyFile)
  if (!hasConfig) await writeDefaultConfig(paths.configFile, configOf(wishes))
  // Last: a directory without it is one that nothing was started on.
  if (!hasNetwork && network !== undefined) await writeNetworkFile(paths.networkFile, network)
  return { address: createSigner(key.raw).address, isNew: !hasNetwork }
}

function configOf({ roles, allocateBytes, listen, region, pricePerLeafRound }: SetUpWishes): PeerConfig {
  const { provider } = DEFAULT_CONFIG
  return {
    ...DEFAULT_CONFIG,
    roles,
    listen: listen ?? DEFAULT_CONFIG.listen,
    provider: {
      ...provider,
      ...(allocateBytes !== undefined && { allocateBytes }),
      ...(pricePerLeafRound !== undefined && { pricePerLeafRound }),
      ...(region !== undefined && { region })
    }
  }
}

async function expectSameNetwork(path: string, { parameters }: NetworkDescription): Promise<void> {
  const known = await readNetworkFile(path)
  if (Buffer.from(networkIdOf(known.parameters)).equals(networkIdOf(parameters))) return
  throw new PeerError(
    'NETWORK_DIFFERS',
    `This directory belongs to network "${known.parameters.name}", not to "${parameters.name}": give the other network a directory of its own with --directory.`,
    { path }
  )
}

/** More than the disk has would be promised to clients and then refused to them. */
async function expectRoom({ directory, roles, allocateBytes }: SetUpWishes): Promise<void> {
  if (allocateBytes === undefined || !roles.includes('provider')) return
  await expectDisk(directory, allocateBytes, 'lower --allocate, or choose another --directory')
}

/**
 * The same at every later start, because configs are edited and disks are changed.
 *
 * @param directory - where pieces go when the config names no other places
 * @throws {PeerError} `NOT_ENOUGH_ROOM`
 */
export async function expectRoomFor(
  { allocateBytes, directories = [] }: PeerConfig['provider'],
  directory: string,
  configFile: string
): Promise<void> {
  const mend = (key: string) => `lower provider.${key} in ${configFile}`
  if (directories.length === 0) return await expectDisk(directory, allocateBytes, mend('allocateBytes'))
  for (const one of directories)
    if (one.allocateBytes !== undefined) await expectDisk(one.path, one.allocateBytes, mend('directories'))
}

/** A directory that is not there yet is said by whoever opens it. */
async function expectDisk(directory: string, allocateBytes: number, mend: string): Promise<void> {
  const disk = await statfs(directory).catch(() => undefined)
  if (disk === undefined) return
  const diskBytes = disk.blocks * disk.bsize
  if (allocateBytes <= diskBytes) return
  throw new PeerError(
    'NOT_ENOUGH_ROOM',
    `The disk of ${directory} has ${formatSize(diskBytes)}, less than the ${formatSize(allocateBytes)} that you give: ${mend}.`,
    { diskBytes, allocateBytes }
  )
}

export interface NetworkWishes {
  readonly directory: string
  readonly name: string
  readonly roundMs?: number | undefined
  readonly beacon: 'drand' | 'host'
  /** Genesis balances; `remainder` of the supply goes to the host. */
  readonly accounts: NetworkParameters['accounts']
  readonly supply: bigint
  readonly genesisMs: number
  readonly listen?: readonly string[] | undefined
}

/**
 * Makes a network and the directory of its ledger host. Addresses come into the description when the host listens.
 *
 * @throws {PeerError} `ALREADY_SET_UP`, `SUPPLY_TOO_SMALL`
 */
export async function setUpNetwork(wishes: NetworkWishes): Promise<NetworkDescription> {
  const { directory, name, roundMs, beacon, accounts, supply, genesisMs, listen } = wishes
  const paths = dataDirectoryPaths(directory)
  if (await isThere(paths.networkFile)) {
    throw new PeerError(
      'ALREADY_SET_UP',
      `${directory} belongs to a network already: start it with \`holdfast start --directory ${directory}\`.`,
      { directory }
    )
  }
  const given = accounts.reduce((sum, { amount }) => sum + amount, 0n)
  if (given > supply) {
    throw new PeerError('SUPPLY_TOO_SMALL', 'The accounts get more than the supply: raise --supply.', { directory })
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { raw } = await loadOrCreateKey(paths.keyFile)
  const signer = createSigner(raw)
  const rest = supply - given
  const parameters = newNetworkParameters({
    name,
    host: signer.address,
    genesisMs,
    ...(roundMs !== undefined && { roundMs }),
    beacon: beacon === 'drand' ? 'drand' : { hostKey: Buffer.from(createHostBeacon(raw).publicKey).toString('hex') },
    accounts: rest === 0n ? accounts : [...accounts, { address: signer.address, amount: rest }]
  })
  const network = describeNetwork(parameters, { sequence: 0, host: [], bootstrap: [] }, signer)
  await setUpPeer(network, { directory, roles: ['ledger-host'], listen })
  return network
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
