/**
 * One peer: the composition root of the daemon.
 *
 * Builds in written order: data directory, key, network, pieces, node, ledger, roles, local API. Closes them in reverse. Roles are
 * switched on by the config; each adds services to the same node and works on the same ledger.
 */
import {
  type Address,
  type Clock,
  createLateHeads,
  createTrafficLimiter,
  type Ledger,
  machineClock,
  networkIdOf,
  TRAFFIC_TERMS
} from '@holdfast/core'
import { announcedAddresses } from './announced-addresses.ts'
import { loadConfig, type Role } from './config.ts'
import { dataDirectoryPaths, openDataDirectory } from './data-directory.ts'
import { loadOrCreateKey } from './key-file.ts'
import { createWasmSigner, wasmSignatureVerifier } from './ledger/wasm-signatures.ts'
import { expectNetworkFile, readNetworkFile } from './network-file.ts'
import { createNode } from './node.ts'
import { chooseNodeHasher } from './node-hasher.ts'
import { createTransferBudget } from './provider/transfer-budget.ts'
import { startApi } from './roles/api-role.ts'
import { type PeerComponents, type PeerEvent, random } from './roles/components.ts'
import { createGateway, listenPlainly } from './roles/gateway-role.ts'
import { startFollowing, startHosting } from './roles/ledger-role.ts'
import { startProvider } from './roles/provider-role.ts'
import { startVerifier, type VerifierHandle } from './roles/verifier-role.ts'
import { startWatching } from './roles/watch-role.ts'
import { serveMembership } from './serve-membership.ts'
import { expectRoomFor } from './set-up.ts'
import {
  createPieceBlockstore,
  DISK_RESERVE_SIZE_BYTES,
  LEDGER_RESERVE_SIZE_BYTES,
  openDiskReserve,
  openPeerStore
} from './storage/index.ts'
import { keepPlacesFree, membershipIn } from './transport/spare-places.ts'

export type { PeerEvent } from './roles/components.ts'

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
  /** Where it is reached, with its PeerId; of a gateway also by HTTP. */
  readonly addresses: readonly string[]
  readonly ledger: Ledger
  /** What its verifier did; undefined for a peer that is none. */
  readonly verifier: VerifierHandle | undefined
  /** Idempotent; resolves when nothing runs any more. */
  stop(): Promise<void>
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
  await using starting = new AsyncDisposableStack()
  // Before anything is made: a typing error must not become a peer's directory.
  await expectNetworkFile(dataDirectoryPaths(path).networkFile)
  const directory = starting.use(await openDataDirectory(path))
  const config = await loadConfig(directory.configFile)
  const isProvider = config.roles.includes('provider')
  const reserve = await openDiskReserve(directory.reserveFile, {
    sizeBytes: isProvider ? DISK_RESERVE_SIZE_BYTES : LEDGER_RESERVE_SIZE_BYTES
  })
  if (config.roles.includes('provider'))
    await expectRoomFor(config.provider, directory.piecesDirectory, directory.configFile)
  const privateKey = (await loadOrCreateKey(directory.keyFile)).raw
  const signer = createWasmSigner(privateKey)
  const network = await readNetworkFile(directory.networkFile)
  let described = network
  let hasher: { readonly name: string; readonly reason?: string } = { name: 'portable' }
  const nodeHasher = await chooseNodeHasher((name, reason) => {
    hasher = { name, ...(reason !== undefined && { reason }) }
    onEvent({ kind: 'hasher', ...hasher })
  })
  const onError = (error: unknown) => onEvent({ kind: 'error', error })
  const store = isProvider
    ? await openPeerStore(starting, {
        directory,
        reserve,
        config: config.provider,
        nodeHasher,
        clock,
        onEvent: event => onEvent({ kind: 'store', event }),
        ...(signal !== undefined && { signal })
      })
    : undefined
  const blocks = store !== undefined && { blockstore: createPieceBlockstore(store.store) }
  const node = starting.use(await createNode({ ...config, privateKey, network: () => described, ...blocks }))
  await node.start()
  const { transferBytes } = config.provider
  const budget = createTransferBudget(transferBytes === undefined ? {} : { bytesMax: transferBytes })
  // Its own: who offends over HTTP has no peer's id to be shut out by.
  const webLimiter = createTrafficLimiter(TRAFFIC_TERMS, clock)
  const answering = store && createGateway({ store: store.store, budget, limiter: webLimiter, onError })
  if (answering !== undefined) starting.use(node.web.serve('/ipfs/', answering))
  const gateway =
    answering !== undefined && config.roles.includes('gateway')
      ? starting.use(await listenPlainly(config, answering))
      : undefined
  // Who announces says all of it himself.
  const byHttp = config.announce === undefined ? gateway : undefined
  const addresses = () => [
    ...node.addresses(),
    ...(byHttp?.addresses() ?? []).map(address => `${address}/p2p/${node.peerId}`)
  ]
  const heads = createLateHeads()
  const components: PeerComponents = {
    directory,
    reserve,
    config,
    network,
    signer,
    privateKey,
    tools: { signatures: wasmSignatureVerifier, nodeHasher },
    clock,
    node,
    announced: () => announcedAddresses(addresses()),
    budget,
    webLimiter,
    serveOptions: {
      networkId: networkIdOf(network.parameters),
      heads,
      onError,
      limiter: createTrafficLimiter(TRAFFIC_TERMS, clock, node.ban)
    },
    heads,
    emit: onEvent,
    onFailure,
    signal
  }
  const startLedger = config.roles.includes('ledger-host') ? startHosting : startFollowing
  const ledger = await startLedger(starting, components)
  starting.use(keepPlacesFree(node.libp2p, membershipIn(ledger.state)))
  described = await readNetworkFile(directory.networkFile) // a host has written where it is reached
  const membership = starting.use(new AsyncDisposableStack())
  await serveMembership(
    membership,
    { node, network: () => described, clock, round: () => ledger.state.round, random },
    components.serveOptions
  )
  const provider = store === undefined ? undefined : await startProvider(starting, components, ledger, store)
  const verifier = config.roles.includes('verifier') ? await startVerifier(starting, components, ledger) : undefined
  startWatching(starting, components, ledger)
  await startApi(starting, components, { ledger, store, audit: provider?.audit, verifier, hasher })
  const life = starting.move()
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= life.disposeAsync()
    return stopping
  }
  return {
    address: signer.address,
    roles: config.roles,
    addresses: addresses(),
    ledger,
    verifier,
    stop,
    [Symbol.asyncDispose]: stop
  }
}
