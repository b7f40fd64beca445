/** The ledger of a peer: its own log as host, or the host's log that it follows. */
import {
  type Beacon,
  connectionTo,
  createDrandBeacon,
  createNetworkSources,
  createRemoteSource,
  type Ledger,
  QUICKNET
} from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { PeerError } from '../error.ts'
import { createDurableFollower } from '../ledger/durable-follower.ts'
import { createForkKeeper } from '../ledger/fork-proofs.ts'
import { createHostBeacon, createLedgerHost } from '../ledger/host.ts'
import { openLedgerFiles } from '../ledger/ledger-files.ts'
import { serveLedger } from '../ledger/serve-ledger.ts'
import { createSignaturePool } from '../ledger/signature-pool.ts'
import { updateHostAddresses } from '../network-file.ts'
import { machineFileSystem } from '../storage/file-system.ts'
import { isFull } from '../storage/incoming-file.ts'
import { withReserve } from '../storage/reserved-room.ts'
import type { LogEvent, PeerComponents } from './components.ts'

/** @throws {PeerError} `NOT_THE_HOST` when the peer's key is not that of the network's host */
export async function startHosting(life: AsyncDisposableStack, components: PeerComponents): Promise<Ledger> {
  const { directory, network, signer, tools, clock, node, serveOptions, heads, emit } = components
  const { parameters } = network
  const beacon = beaconOf(components)
  if (parameters.host !== signer.address || beacon === undefined) {
    throw new PeerError(
      'NOT_THE_HOST',
      `This peer's key is not the ledger host's key of network "${parameters.name}": take the role "ledger-host" out of the config, or bring the host's key file back.`,
      {
        host: parameters.host,
        address: signer.address
      }
    )
  }
  const forks = keepForks(life, components)
  const files = life.use(await openLedgerFiles({ ...ledgerPlacesIn(components), owner: 'host' }))
  const signatures = life.use(createSignaturePool({ onError: error => emit({ kind: 'error', error }) }))
  const host = life.use(
    createLedgerHost({
      files,
      parameters,
      tools,
      signatures,
      beacon,
      clock,
      signer,
      witnesses: during => askWitnesses(components, during),
      onSnapshot: emitLog(emit),
      onFailure: forks.fail,
      onBeaconSilent: error => emit({ kind: 'error', error })
    })
  )
  await host.start().catch(forks.rethrow)
  heads.attach(host.headExchange)
  const services = life.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, host, serveOptions)
  await updateHostAddresses(directory.networkFile, network, announcedAddresses(node.addresses()), signer)
  return host
}

/** Where the host hears the network's beacon; undefined when it is one key, and this peer does not have it. */
function beaconOf({ network, privateKey, config }: PeerComponents): Beacon | undefined {
  const { source, publicKey } = network.parameters.beacon
  if (source === 'drand') {
    return createDrandBeacon({
      relays: config.ledgerHost.beaconRelays,
      chainHash: QUICKNET.chainHash,
      publicKey: Buffer.from(publicKey, 'hex'),
      fetch
    })
  }
  const beacon = createHostBeacon(privateKey)
  return Buffer.from(beacon.publicKey).toString('hex') === publicKey ? beacon : undefined
}

/** Resolves when it has caught up with the host; waits for a host that does not answer until the signal aborts. */
export async function startFollowing(life: AsyncDisposableStack, components: PeerComponents): Promise<Ledger> {
  const { network, signer, tools, clock, node, serveOptions, heads, emit, signal } = components
  const forks = keepForks(life, components)
  const files = life.use(await openLedgerFiles({ ...ledgerPlacesIn(components), owner: 'follower' }))
  const sources = createNetworkSources(connectionTo(network, node.libp2p, heads), clock)
  const follower = life.use(
    await createDurableFollower({
      files,
      parameters: network.parameters,
      source: sources.any,
      host: sources.host,
      tools,
      clock,
      signer,
      onSnapshot: emitLog(emit),
      onDamage: forks.fail,
      onUnreachable: error => emit({ kind: 'error', error }),
      ...(signal !== undefined && { signal })
    })
  )
  heads.attach(follower.heads)
  await follower.start(signal).catch(forks.rethrow)
  const services = life.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, follower.served, serveOptions)
  return follower
}

/** Puts proofs of a forked history on the disk before the peer ends over it. */
function keepForks(life: AsyncDisposableStack, { directory, emit, onFailure }: PeerComponents) {
  const keeper = life.use(
    createForkKeeper({
      directory: directory.forksDirectory,
      onFork: file => emit({ kind: 'fork', file }),
      onError: error => emit({ kind: 'error', error })
    })
  )
  return {
    fail: (error: unknown) => void keeper.keep(error).then(onFailure),
    async rethrow(error: unknown): Promise<never> {
      throw await keeper.keep(error)
    }
  }
}

/** Longest that a host's start waits for peers that may know more of its own log than it does. */
const WITNESSES_MS_MAX = 3_000

/** The newest heads of this host that the network's other peers have seen. Peers that give no answer say nothing. */
async function askWitnesses(
  { network, node, clock }: PeerComponents,
  signal: AbortSignal
): Promise<readonly Uint8Array[]> {
  const { followers, ...connection } = connectionTo(network, node.libp2p)
  const asking = new AbortController()
  const stop = () => asking.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  const late = clock.sleep(WITNESSES_MS_MAX, asking.signal).then(stop, () => undefined)
  const heads = followers.map(addresses =>
    createRemoteSource({ ...connection, host: addresses }).head(undefined, asking.signal)
  )
  const answers = await Promise.allSettled(heads)
  stop()
  await late
  signal.removeEventListener('abort', stop)
  return answers.flatMap(answer => (answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value] : []))
}

/** Where a ledger's files stand in a data directory, and what they do when its disk is full. */
function ledgerPlacesIn({ directory: { ledgerDirectory, state }, reserve, emit }: PeerComponents) {
  const report = emitLog(emit)
  return {
    directory: ledgerDirectory,
    index: state.sublevel('ledger'),
    snapshots: state.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' }),
    files: withReserve(machineFileSystem, reserve),
    onEvent(event: LogEvent) {
      // The log goes on without its index, and the next start makes it again: there must be room for that.
      if (event.type === 'index-unwritten' && isFull(event.cause)) void reserve.release()
      report(event)
    }
  }
}

function emitLog(emit: PeerComponents['emit']) {
  return (event: LogEvent) => emit({ kind: 'log', event })
}
