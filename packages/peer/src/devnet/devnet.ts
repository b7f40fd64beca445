/**
 * The processes of a devnet: one data directory and one operating-system process for each peer, on loopback.
 *
 * A peer that is killed and started again keeps its directory, its key and its port. Stopping the devnet stops every
 * process; when this process dies, they end with it.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Address, createSigner, describeNetwork, type NetworkDescription, type Signer } from '@holdfast/core'
import { createClient } from '../client.ts'
import type { Role } from '../config.ts'
import { dataDirectoryPaths } from '../data-directory.ts'
import { loadOrCreateKey } from '../key-file.ts'
import { createHostBeacon } from '../ledger/host.ts'
import { readNetworkFile, writeNetworkFile } from '../network-file.ts'
import { awaitAsks } from './await-asks.ts'
import { type ChildEvent, type HoldfastProcess, spawnHoldfast } from './child-process.ts'
import { DEVNET_PRICE_PER_LEAF_ROUND, devnetParameters } from './parameters.ts'

export interface DevnetPeer {
  /** `ledger-host`, `provider-1`, … */
  readonly name: string
  readonly role: Role
  readonly directory: string
  readonly address: Address
}

export interface DevnetOptions {
  /** Must exist; gets one directory for each peer. */
  readonly directory: string
  readonly providers: number
  readonly roundMs: number
  /** Until round 1 opens; what providers ask before that counts at once. Default 1.5 s. */
  readonly startMs?: number
  /** Disk space that each provider gives; the first entry is for provider-1. */
  readonly allocate?: readonly string[]
  /** In which each provider reads all that it has; the program's own time when left out. */
  readonly auditDays?: number
  /** How often the verifier looks at providers, whatever bytes that takes; default as any verifier does. */
  readonly looksPerHour?: number
  /** Ends the start; a devnet that runs is ended by disposing of it. */
  readonly signal?: AbortSignal
  readonly onProcess?: (peer: DevnetPeer, pid: number) => void
  readonly onEvent?: (peer: DevnetPeer, event: ChildEvent) => void
}

export interface Devnet extends AsyncDisposable {
  readonly network: NetworkDescription
  readonly networkFile: string
  /** Key file of the account that holds the devnet's credits. */
  readonly clientKeyFile: string
  readonly peers: readonly DevnetPeer[]
  readonly providers: readonly DevnetPeer[]
  processOf(peer: DevnetPeer): HoldfastProcess
  /** SIGKILL; resolves when the process is gone. */
  kill(peer: DevnetPeer): Promise<void>
  /** Starts a peer that was killed; resolves when all of its roles work. */
  restart(peer: DevnetPeer): Promise<void>
  /** Highest resident memory of every process so far, in MiB. */
  peakRssMiB(): Promise<Record<string, number>>
}

/** A peer that is asked to stop ends what it is writing; one that takes longer is stuck. */
const STOP_MS_MAX = 15_000
const LOOPBACK_ANY_PORT = '/ip4/127.0.0.1/tcp/0'
const ALLOCATE_DEFAULT = '8GiB'

interface PlannedPeer extends DevnetPeer {
  readonly signer: Signer
  readonly allocate: string
}

/** @throws {PeerError} `PROCESS_FAILED` when a peer does not come up; all others are stopped then */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const { directory, onEvent = () => undefined, onProcess = () => undefined } = options
  const host = await planPeer(directory, 'ledger-host', 'ledger-host')
  const verifier = await planPeer(directory, 'verifier-1', 'verifier')
  const providers = await Promise.all(
    Array.from({ length: options.providers }, (_, index) =>
      planPeer(directory, `provider-${index + 1}`, 'provider', options.allocate?.[index])
    )
  )
  const clientKeyFile = join(directory, 'client.key')
  const client = createSigner((await loadOrCreateKey(clientKeyFile)).raw)
  const networkFile = join(directory, 'network.json')
  const processes = new Map<string, HoldfastProcess>()
  const peaks: Record<string, number> = {}

  async function start(peer: DevnetPeer): Promise<ChildEvent> {
    options.signal?.throwIfAborted()
    const child = spawnHoldfast(['start', '--directory', peer.directory, '--stop-with-parent'], event =>
      onEvent(peer, event)
    )
    processes.set(peer.name, child)
    options.signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
    onProcess(peer, child.pid)
    return child.event('ready')
  }

  /** The port that the system chose stays the peer's: others find it again after a restart. */
  async function startFirst(peer: PlannedPeer): Promise<void> {
    await writeConfig(peer, { listen: LOOPBACK_ANY_PORT, gateway: `${LOOPBACK_ANY_PORT}/http` }, options)
    const { addresses: reached } = await start(peer)
    const addresses = (reached as string[]).map(address => address.replace(/\/p2p\/.*$/, ''))
    const [listen = LOOPBACK_ANY_PORT] = addresses
    await writeConfig(peer, { listen, gateway: addresses.find(address => address.endsWith('/http')) }, options)
  }

  async function notePeak(name: string): Promise<void> {
    const peak = await processes.get(name)?.peakRssMiB()
    if (peak !== undefined) peaks[name] = Math.max(peak, peaks[name] ?? 0)
  }

  async function stop(): Promise<void> {
    const children = [...processes.values()]
    for (const child of children) child.kill('SIGTERM')
    const stuck = setTimeout(() => {
      for (const child of children) child.kill('SIGKILL')
    }, STOP_MS_MAX)
    await Promise.all(children.map(({ exited }) => exited)).finally(() => clearTimeout(stuck))
  }

  try {
    const beaconPublicKey = Buffer.from(
      createHostBeacon((await loadOrCreateKey(dataDirectoryPaths(host.directory).keyFile)).raw).publicKey
    ).toString('hex')
    const accounts = { host: host.address, client: client.address, verifier: verifier.address, beaconPublicKey }
    const parameters = devnetParameters(accounts, Date.now(), options)
    const draft = describeNetwork(parameters, { sequence: 0, host: [], bootstrap: [] }, host.signer)
    const hostNetworkFile = dataDirectoryPaths(host.directory).networkFile
    await writeNetworkFile(hostNetworkFile, draft)
    await startFirst(host)
    const network = await readNetworkFile(hostNetworkFile)
    await writeNetworkFile(networkFile, network)
    await Promise.all(
      [...providers, verifier].map(async peer => {
        await writeNetworkFile(dataDirectoryPaths(peer.directory).networkFile, network)
        await startFirst(peer)
      })
    )
    await awaitProviders(network, providers.length, options.signal)
    return {
      network,
      networkFile,
      clientKeyFile,
      peers: [host, ...providers, verifier],
      providers,
      processOf: peer => processes.get(peer.name)!,
      async kill(peer) {
        await notePeak(peer.name)
        const child = processes.get(peer.name)!
        child.kill('SIGKILL')
        await child.exited
      },
      async restart(peer) {
        await start(peer)
      },
      async peakRssMiB() {
        await Promise.all([...processes.keys()].map(notePeak))
        return { ...peaks }
      },
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A network is of use to clients once they find its providers. */
async function awaitProviders(network: NetworkDescription, count: number, signal: AbortSignal | undefined) {
  await using client = await createClient({ network, ...(signal !== undefined && { signal }) })
  await awaitAsks(await client.ledger(), count, signal)
}

async function planPeer(parent: string, name: string, role: Role, allocate = ALLOCATE_DEFAULT): Promise<PlannedPeer> {
  const directory = join(parent, name)
  await mkdir(directory, { mode: 0o700 })
  const signer = createSigner((await loadOrCreateKey(dataDirectoryPaths(directory).keyFile)).raw)
  return { name, role, directory, address: signer.address, signer, allocate }
}

async function writeConfig(
  { directory, role, allocate }: PlannedPeer,
  { listen, gateway }: { readonly listen: string; readonly gateway: string | undefined },
  { looksPerHour, auditDays }: Pick<DevnetOptions, 'looksPerHour' | 'auditDays'>
): Promise<void> {
  const looks =
    looksPerHour === undefined
      ? []
      : [
          '[verifier]',
          `readsPerHour = ${looksPerHour}`,
          `bindingChecksPerHour = ${looksPerHour}`,
          'readBytesPerHour = "4GiB"',
          ''
        ]
  const lines = [
    `roles = ${JSON.stringify(role === 'provider' ? ['provider', 'gateway'] : [role])}`,
    `listen = ["${listen}"]`,
    '',
    ...(gateway === undefined ? [] : ['[gateway]', `listen = "${gateway}"`, '']),
    '[provider]',
    `allocateBytes = "${allocate}"`,
    `pricePerLeafRound = "${DEVNET_PRICE_PER_LEAF_ROUND}"`,
    ...(auditDays === undefined ? [] : [`auditDays = ${auditDays}`]),
    '',
    ...looks
  ]
  await writeFile(dataDirectoryPaths(directory).configFile, lines.join('\n'))
}
