/** libp2p's gater over core's bounds: who may connect, and what is dialled. */
import type { Socket } from 'node:net'
import { type ConnectionGate, createConnectionGate, ipOfAddress, isDialled } from '@holdfast/core'
import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import { addressOfSocket } from './socket-address.ts'

/** Asked about sockets before they are connections. */
export interface SocketGate {
  /** Whether a socket that came in may stay, before it has said anything. */
  admits(socket: Socket): boolean
  /** Makes a connection known whose socket was admitted: it is not counted twice. */
  introduce(connection: MultiaddrConnection): void
}

export interface HoldfastGater extends ConnectionGater, SocketGate, Pick<ConnectionGate, 'ban'> {}

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

  const introduced = new WeakSet<MultiaddrConnection>()
  return {
    ban: gate.ban,
    admits(socket) {
      const leave = gate.admit(addressOfSocket(socket))
      if (leave !== undefined) socket.once('close', leave)
      return leave !== undefined
    },
    introduce: connection => introduced.add(connection),
    denyInboundEncryptedConnection: peer => gate.isBanned(peer.toString()),
    denyDialMultiaddr: address => named !== undefined && !isDialled(address.toString(), named()),
    denyInboundConnection: connection =>
      !introduced.has(connection) && denies(connection, gate.admit(connection.remoteAddr.toString())),
    denyInboundUpgradedConnection: (peer, connection) => denies(connection, gate.welcome(peer.toString()))
  }
}
