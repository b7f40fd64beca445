/** libp2p's gater over core's bounds: who may connect, and what is dialled. */
import { type ConnectionGate, createConnectionGate, ipOfAddress, isDialled } from '@holdfast/core'
import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'

export interface HoldfastGater extends ConnectionGater, Pick<ConnectionGate, 'ban'> {
  /** Whether a connection that came in may stay, which nobody has looked at yet; libp2p is not asked about it again. */
  admits(connection: MultiaddrConnection): boolean
}

/**
 * @param named - addresses that the network's description names now; undefined for a node of no network, which dials
 * whatever its operator says
 */
export function createConnectionGater(named?: () => readonly string[]): HoldfastGater {
  const gate = createConnectionGate(ip => named?.().some(address => ipOfAddress(address) === ip) === true)

  /** Gives the place back when the connection is gone, however it went. */
  function denies(connection: MultiaddrConnection, leave: (() => void) | undefined): boolean {
    if (leave === undefined) return true
    if (connection.status === 'open') connection.addEventListener('close', leave, { once: true })
    else leave()
    return false
  }

  const admitted = new WeakSet<MultiaddrConnection>()
  const admits = (connection: MultiaddrConnection) => !denies(connection, gate.admit(connection.remoteAddr.toString()))
  return {
    ban: gate.ban,
    admits(connection) {
      admitted.add(connection)
      return admits(connection)
    },
    denyInboundEncryptedConnection: peer => gate.isBanned(peer.toString()),
    denyDialMultiaddr: address => named !== undefined && !isDialled(address.toString(), named()),
    denyInboundConnection: connection => !admitted.has(connection) && !admits(connection),
    denyInboundUpgradedConnection: (peer, connection) => denies(connection, gate.welcome(peer.toString()))
  }
}
