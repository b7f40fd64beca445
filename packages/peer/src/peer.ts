/**
 * One peer: the composition root of the daemon.
 *
 * Builds in written order: data directory, key, network, pieces, node, ledger, roles. Closes them in reverse. Roles are
 * switched on by the config; each adds services to the same node and works on the same ledger.
 */
import { randomBytes } from 'node:crypto'
import {
  type Address,
  type Clock,
  challenge,
  createFollower,
  createProver,
  createRemoteSource,
  createSigner,
  createVerifier,
  type Ledger,
  type LedgerTools,
  machineClock,
  type NetworkDescription,
  networkIdOf,
  type ProverEvent,
  parsePeerAddresses,
  portableSignatureVerifier,
  pushProofs,
  request,
  type ServeOptions,
  type Signer,
  serve,
  type VerifierEvent
} from '@holdfast/core'
import { announceAsk, announceStake } from './announce.ts'
import { loadConfig, type PeerConfig, type Role } from './config.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { PeerError } from './error.ts'
import { loadOrCreateKey } from './key-file.ts'
import { createHostBeacon, createLedgerHost } from './ledger/host.ts'
import { openSegmentLog, type SegmentLogEvent } from './ledger/segment-log.ts'
import { serveLedger } from './ledger/serve-ledger.ts'
import { readNetworkFile, updateHostAddresses } from './network-file.ts'
import { createNode, type PeerNode } from './node.ts'
import { chooseNodeHasher } from './node-hasher.ts'
import { createPieceKeeper } from './provider/keep-pieces.ts'
import { createStorePieceReader } from './provider/piece-reader.ts'
import { serveProvider } from './provider/serve-provider.ts'
import { createPieceBlockstore, createPieceStore, type PieceStore, type PieceStoreEvent } from './storage/index.ts'

export type PeerEvent =
  | { readonly kind: 'hasher'; readonly name: string; readonly reason?: string }
  | { readonly kind: 'log'; readonly event: SegmentLogEvent }
  | { readonly kind: 'store'; readonly event: PieceStoreEvent }
  | { readonly kind: 'prover'; readonly event: ProverEvent }
  | { readonly kind: 'verifier'; readonly event: VerifierEvent }
  /** Something failed that the peer goes on without. */
  | { readonly kind: 'error'; readonly error: unknown }

export interface PeerOptions {
  readonly directory: string
  readonly clock?: Clock
  readonly onEvent?: (event: PeerEvent) => void
  /** Told when the peer cannot go on; it must be stopped, and the process should end. */
  readonly onFailure: (error: unknown) => void
  /** Ends the start while it waits, for a ledger host that does not answer say; `stop` ends a peer that runs. */
  readonly signal?: AbortSignal
}

export interface Peer extends AsyncDisposable {
  readonly address: Address
  readonly roles: readonly Role[]
  /** Where it listens, with its PeerId. */
  readonly addresses: readonly string[]
  readonly ledger: Ledger
  /** Idempotent; resolves when nothing runs any more. */
  stop(): Promise<void>
}

/** What every role is built from. */
interface Components {
  readonly directory: DataDirectory
  readonly config: PeerConfig
  readonly network: NetworkDescription
  readonly signer: Signer
  readonly privateKey: Uint8Array
  readonly tools: LedgerTools
  readonly clock: Clock
  readonly node: PeerNode
  readonly store: PieceStore
  readonly serveOptions: ServeOptions
  readonly emit: (event: PeerEvent) => void
  readonly onFailure: (error: unknown) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Starts the peer of a data directory and resolves when all of its roles work.
 *
 * @throws {PeerError} what data directory, key, config, network, node and log throw, each with what to do about it
 */
export async function startPeer({
  directory: path,
  clock = machineClock,
  onEvent = () => undefined,
  onFailure,
  signal
}: PeerOptions): Promise<Peer> {
  const life = new AsyncDisposableStack()
  try {
    const directory = life.use(await openDataDirectory(path))
    const config = await loadConfig(directory.configFile)
    const privateKey = (await loadOrCreateKey(directory.keyFile)).raw
    const signer = createSigner(privateKey)
    const network = await readNetworkFile(directory.networkFile)
    const nodeHasher = await chooseNodeHasher((name, reason) =>
      onEvent({ kind: 'hasher', name, ...(reason !== undefined && { reason }) })
    )
    const onError = (error: unknown) => onEvent({ kind: 'error', error })
    const store = createPieceStore({
      directory: directory.piecesDirectory,
      level: directory.state.sublevel('pieces'),
      capacityBytes: config.roles.includes('provider') ? config.provider.allocateBytes : 0,
      nodeHasher,
      clock,
      onEvent: event => onEvent({ kind: 'store', event })
    })
    life.use(store)
    await store.start()
    const node = await createNode({
      privateKey,
      listen: [...config.listen],
      ...(config.roles.includes('provider') && { blockstore: createPieceBlockstore(store) })
    })
    life.use(node)
    await node.start()
    const components: Components = {
      directory,
      config,
      network,
      signer,
      privateKey,
      tools: { signatures: portableSignatureVerifier, nodeHasher },
      clock,
      node,
      store,
      serveOptions: { networkId: networkIdOf(network.parameters), onError },
      emit: onEvent,
      onFailure,
      signal
    }
    const ledger = await startLedger(life, components)
    if (config.roles.includes('provider')) await startProvider(life, components, ledger)
    if (config.roles.includes('verifier')) await startVerifier(life, components, ledger)
    const stop = () => life.disposeAsync()
    return {
      address: signer.address,
      roles: config.roles,
      addresses: node.addresses(),
      ledger,
      stop,
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    await life.disposeAsync()
    throw error
  }
}

function startLedger(life: AsyncDisposableStack, components: Components): Promise<Ledger> {
  return components.config.roles.includes('ledger-host')
    ? startHost(life, components)
    : startFollowing(life, components)
}

async function startHost(life: AsyncDisposableStack, components: Components): Promise<Ledger> {
  const { directory, network, signer, privateKey, tools, clock, node, serveOptions, emit, onFailure } = components
  const { parameters } = network
  const beacon = createHostBeacon(privateKey)
  const ownsBeacon =
    parameters.beacon.source === 'host' && parameters.beacon.publicKey === Buffer.from(beacon.publicKey).toString('hex')
  if (parameters.host !== signer.address || !ownsBeacon) {
    throw new PeerError(
      'NOT_THE_HOST',
      `This peer's key is not the ledger host's key of network "${parameters.name}": take the role "ledger-host" out of the config, or bring the host's key file back.`,
      {
        host: parameters.host,
        address: signer.address
      }
    )
  }
  const log = life.use(
    await openSegmentLog({
      directory: directory.ledgerDirectory,
      index: directory.state.sublevel('ledger'),
      onEvent: event => emit({ kind: 'log', event })
    })
  )
  const host = life.use(createLedgerHost({ log, parameters, tools, beacon, clock, onFailure }))
  await host.start()
  const services = life.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, host, serveOptions)
  await updateHostAddresses(directory.networkFile, network, node.addresses(), signer)
  return host
}

async function startFollowing(
  life: AsyncDisposableStack,
  { network, tools, clock, node, onFailure, signal }: Components
): Promise<Ledger> {
  const source = createRemoteSource({
    node: node.libp2p,
    networkId: networkIdOf(network.parameters),
    host: parsePeerAddresses(network.addresses.host)
  })
  const follower = life.use(
    createFollower({ parameters: network.parameters, source, tools, clock, onDamage: onFailure })
  )
  await follower.start(signal)
  return follower
}

const randomId = () => randomBytes(16).toString('hex')
const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))

async function startProvider(life: AsyncDisposableStack, components: Components, ledger: Ledger): Promise<void> {
  const { config, network, signer, tools, clock, node, store, serveOptions, emit, signal } = components
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const keeper = life.use(createPieceKeeper(ledger, store, signer.address, onError))
  await keeper.start()
  const prover = life.use(
    createProver({
      ledger,
      signer,
      pieces: createStorePieceReader(store),
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      push: (addresses, message, pushSignal) =>
        request(node.libp2p, parsePeerAddresses(addresses), pushProofs, message, {
          networkId: serveOptions.networkId,
          signal: pushSignal
        }),
      onEvent: event => emit({ kind: 'prover', event }),
      onError
    })
  )
  const terms = {
    address: signer.address,
    pricePerLeafRoundMin: config.provider.pricePerLeafRound,
    leavesPerRoundMax: network.parameters.proving.leavesPerRoundMax
  }
  const services = life.use(new AsyncDisposableStack())
  await serveProvider(
    services,
    {
      node: node.libp2p,
      ledger,
      signer,
      signatures: tools.signatures,
      store,
      blocks: createPieceBlockstore(store),
      prover,
      terms
    },
    serveOptions
  )
  prover.start()
  await announceAsk(
    { ledger, signer, randomId, signal },
    {
      addresses: [...node.addresses()],
      region: config.provider.region ?? '',
      pricePerLeafRound: config.provider.pricePerLeafRound,
      capacityBytes: config.provider.allocateBytes
    }
  )
}

async function startVerifier(life: AsyncDisposableStack, components: Components, ledger: Ledger): Promise<void> {
  const { signer, tools, clock, node, serveOptions, emit, signal } = components
  const verifier = life.use(
    createVerifier({
      ledger,
      signer,
      signatures: tools.signatures,
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      ask: (addresses, message, askSignal) =>
        request(node.libp2p, parsePeerAddresses(addresses), challenge, message, {
          networkId: serveOptions.networkId,
          signal: askSignal
        }),
      onEvent: event => emit({ kind: 'verifier', event }),
      onError: error => emit({ kind: 'error', error })
    })
  )
  const services = life.use(new AsyncDisposableStack())
  services.use(
    await serve(
      node.libp2p,
      pushProofs,
      async ({ round, items }) => ({ ok: true, value: { results: await verifier.receive(round, items) } }),
      serveOptions
    )
  )
  await announceStake({ ledger, signer, randomId, signal }, [...node.addresses()])
  verifier.start()
}
