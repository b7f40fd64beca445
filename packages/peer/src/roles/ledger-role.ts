/** The ledger of a peer: its own log as host, or the host's log that it follows. */
import { createFollower, createRemoteSource, type Ledger, networkIdOf, parsePeerAddresses } from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { PeerError } from '../error.ts'
import { createHostBeacon, createLedgerHost } from '../ledger/host.ts'
import { openLedgerFiles } from '../ledger/ledger-files.ts'
import { serveLedger } from '../ledger/serve-ledger.ts'
import { createSignaturePool } from '../ledger/signature-pool.ts'
import { updateHostAddresses } from '../network-file.ts'
import type { LogEvent, PeerComponents } from './components.ts'

/** @throws {PeerError} `NOT_THE_HOST` when the peer's key is not that of the network's host */
export async function startHosting(life: AsyncDisposableStack, components: PeerComponents): Promise<Ledger> {
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
  const files = life.use(await openLedgerFiles({ ...ledgerPlacesIn(directory), owner: 'host', onEvent: emitLog(emit) }))
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
      onSnapshot: emitLog(emit),
      onFailure
    })
  )
  await host.start()
  const services = life.use(new AsyncDisposableStack())
  await serveLedger(services, node.libp2p, host, { ...serveOptions, heads: host.headExchange })
  await updateHostAddresses(directory.networkFile, network, announcedAddresses(node.addresses()), signer)
  return host
}

/** Resolves when it has caught up with the host; waits for a host that does not answer until the signal aborts. */
export async function startFollowing(
  life: AsyncDisposableStack,
  { network, tools, clock, node, emit, onFailure, signal }: PeerComponents
): Promise<Ledger> {
  const source = createRemoteSource({
    node: node.libp2p,
    networkId: networkIdOf(network.parameters),
    host: parsePeerAddresses(network.addresses.host)
  })
  const follower = life.use(
    createFollower({
      parameters: network.parameters,
      source,
      tools,
      clock,
      onDamage: onFailure,
      onUnreachable: error => emit({ kind: 'error', error })
    })
  )
  await follower.start(signal)
  return follower
}

/** Where a ledger's files stand in a data directory. */
function ledgerPlacesIn({ ledgerDirectory, state }: PeerComponents['directory']) {
  return {
    directory: ledgerDirectory,
    index: state.sublevel('ledger'),
    snapshots: state.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' })
  }
}

function emitLog(emit: PeerComponents['emit']) {
  return (event: LogEvent) => emit({ kind: 'log', event })
}
