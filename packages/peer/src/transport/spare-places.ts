/**
 * Keeps some places for connections free: libp2p refuses whoever comes when all are taken, and a hundred idle strangers
 * from a few subnets would take all.
 *
 * When more are taken than may be, one that somebody else opened is closed for each that is too many: of strangers rather
 * than of accounts of the network, with few streams rather than many, and the oldest of those. Whoever is closed idle
 * connects again when there is something to say.
 */
import { type Address, addressOfPeer, type LedgerState, newestAskOf } from '@holdfast/core'
import type { Connection, PeerId } from '@libp2p/interface'
import type { NodeTransport } from '../node.ts'

/** Sixteen less than there are (node.ts, `CONNECTIONS_MAX`): as many may come in a burst from one subnet in a second. */
export const CONNECTIONS_KEPT_MAX = 112

export type HeldConnection = Pick<Connection, 'direction' | 'status' | 'remotePeer'> & {
  readonly streams: readonly unknown[]
  readonly timeline: Pick<Connection['timeline'], 'open'>
}

/** Those to close, so that no more than `keptMax` are left; fewer where the rest was opened from here. Pure. */
export function chooseToClose<Held extends HeldConnection>(
  connections: readonly Held[],
  keptMax: number,
  isMember: (peer: PeerId) => boolean
): Held[] {
  const open = connections.filter(({ status }) => status === 'open')
  if (open.length <= keptMax) return []
  return open
    .filter(({ direction }) => direction === 'inbound')
    .map(connection => ({ connection, rank: isMember(connection.remotePeer) ? 1 : 0 }))
    .sort(
      (a, b) =>
        a.rank - b.rank ||
        a.connection.streams.length - b.connection.streams.length ||
        a.connection.timeline.open - b.connection.timeline.open
    )
    .slice(0, open.length - keptMax)
    .map(({ connection }) => connection)
}

/** Whether a peer has an account that the ledger knows, or offers to store. Remembers what account it is: that costs a curve. */
export function membershipIn(state: LedgerState): (peer: PeerId) => boolean {
  const known = new WeakMap<PeerId, Address>()
  return peer => {
    const address = known.get(peer) ?? addressOfPeer(peer)
    if (address === undefined) return false
    known.set(peer, address)
    return state.accounts.has(address) || newestAskOf(state, address) !== undefined
  }
}

/** @param isMember - who keeps a place longest. @returns what ends it */
export function keepPlacesFree(
  node: Pick<NodeTransport, 'getConnections' | 'addEventListener' | 'removeEventListener'>,
  isMember: (peer: PeerId) => boolean,
  keptMax: number = CONNECTIONS_KEPT_MAX
): Disposable {
  const makeRoom = () => {
    for (const connection of chooseToClose(node.getConnections(), keptMax, isMember))
      connection.abort(new Error('others need this place'))
  }
  node.addEventListener('connection:open', makeRoom)
  return { [Symbol.dispose]: () => node.removeEventListener('connection:open', makeRoom) }
}
