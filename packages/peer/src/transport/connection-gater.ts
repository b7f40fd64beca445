/** libp2p's gater over core's bounds: who may connect, and what is dialled. */
import { type ConnectionGate, createConnectionGate, ipOfAddress, isDialled } from '@holdfast/core'
import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'

/**
 * @param named - addresses that the network's description names now; undefined for a node of no network, which dials
 * whatever its operator says
 */
export function createConnectionGater(named?: () => readonly string[]): ConnectionGater & Pick<ConnectionGate, 'ban'> {
  const gate = createConnectionGate(ip => named?.().some(address => ipOfAddress(address) === ip) === true)

  /** Gives the place back when the connection is gone, however it went. */
  function denies(connection: MultiaddrConnection, leave: (() => void) | undefined): boolean {
    if (leave === undefined) return true
    if (connection.status === 'open') connection.addEventListener('close', leave, { once: true })
    else leave()
    return false
  }

  return {
    ban: gate.ban,
    denyInboundEncryptedConnection: peer => gate.isBanned(peer.toString()),
    denyDialMultiaddr: address => named !== undefined && !isDialled(address.toString(), named()),
    denyInboundConnection: connection => denies(connection, gate.admit(connection.remoteAddr.toString())),
    denyInboundUpgradedConnection: (peer, connection) => denies(connection, gate.welcome(peer.toString()))
  }
}
