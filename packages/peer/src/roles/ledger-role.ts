/** The ledger of a peer: its own log as host, or the host's log that it follows. */
import { createFollower, createRemoteSource, type Ledger, networkIdOf, parsePeerAddresses } from '@holdfast/core'
import { announcedAddresses } from '../announced-addresses.ts'
import { PeerError } from '../error.ts'
import { createHostBeacon, createLedgerHost } from '../ledger/host.ts'
import { openSegmentLog } from '../ledger/segment-log.ts'
import { serveLedger } from '../ledger/serve-ledger.ts'
import { updateHostAddresses } from '../network-file.ts'
import type { PeerComponents } from './components.ts'

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
