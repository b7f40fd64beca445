/** Opens a stream to a peer, over the connection that there is or a new one. */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { isMultiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { CoreError } from '../error.ts'
import { type Deadline, untilAborted } from './deadline.ts'
import { type Frames, openFrames } from './frames.ts'

/** A peer by its id, when its addresses are known to the node, or by its addresses. */
export type PeerTarget = PeerId | Multiaddr | Multiaddr[]

/** A stream with what reads and writes it. */
export interface OpenStream {
  readonly stream: Stream
  readonly frames: Frames
}

/** @param unreadSizeBytesMax - see `openFrames` */
export async function openStream(
  node: Pick<Libp2p, 'dialProtocol'>,
  peer: PeerTarget,
  protocolId: string,
  unreadSizeBytesMax: number,
  deadline: Deadline
): Promise<OpenStream> {
  const stream = await dial(node, peer, protocolId, deadline)
  return { stream, frames: openFrames(stream, unreadSizeBytesMax) }
}

type Dialler = Pick<Libp2p, 'dialProtocol'> & Partial<Pick<Libp2p, 'getConnections' | 'dial'>>

/** @throws {CoreError} `UNREACHABLE`, `UNSUPPORTED`; the signal's reason */
export async function dial(node: Dialler, peer: PeerTarget, protocolId: string, { signal }: Deadline): Promise<Stream> {
  try {
    const connection = connectionTo(node, peer) ?? (await connectTo(node, peer, signal))
    if (connection !== undefined) return await connection.newStream(protocolId, { signal })
    return await node.dialProtocol(peer, protocolId, { signal })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
      throw new CoreError('UNSUPPORTED', `the peer does not speak ${protocolId}`, {}, { cause: error })
    }
    // What libp2p rejects with is not always an error.
    const reason = error instanceof Error ? error.message : 'the connection closed while a stream was opened'
    throw new CoreError('UNREACHABLE', reason, {}, { cause: error })
  }
}

/**
 * The connection that there is to a peer already. libp2p decodes the key inside an address each time that it is asked to dial
 * it, which takes as long as all else about a stream.
 */
function connectionTo(node: Dialler, peer: PeerTarget): Connection | undefined {
  if (!Array.isArray(peer)) return undefined
  const id = peerIdIn(peer)
  if (id === undefined) return undefined
  return node.getConnections?.().find(one => one.status === 'open' && one.remotePeer.toString() === id)
}

/**
 * A new connection, for which libp2p decodes that key six times. Whoever answers proves his own key in the handshake: the
 * addresses are dialled without the id, and the id is compared with who has answered.
 *
 * @returns undefined where that is not who was meant: libp2p shall try one address after the other
 */
async function connectTo(node: Dialler, peer: PeerTarget, signal: AbortSignal): Promise<Connection | undefined> {
  const id = peerIdIn(peer)
  if (!Array.isArray(peer) || id === undefined || node.dial === undefined) return undefined
  const connection = await joinDial({ node, dial: node.dial.bind(node) }, peer, signal)
  if (connection.remotePeer.toString() === id) return connection
  connection.abort(new Error(`dialled ${id}, and ${connection.remotePeer} answered`))
  return undefined
}

interface PendingDial {
  readonly connection: Promise<Connection>
  readonly cancel: AbortController
  waiting: number
}

/** Of each node, by the addresses with the id. */
const pendingDials = new WeakMap<object, Map<string, PendingDial>>()

/** Many that want one peer at once share a dial, which ends when none of them waits any more. libp2p tells them by the id alone. */
async function joinDial(
  { node, dial }: { readonly node: object; readonly dial: Libp2p['dial'] },
  addresses: readonly Multiaddr[],
  signal: AbortSignal
): Promise<Connection> {
  const dials = pendingDials.get(node) ?? new Map<string, PendingDial>()
  pendingDials.set(node, dials)
  const key = addresses.join(' ')
  const pending = dials.get(key) ?? begin()
  function begin(): PendingDial {
    const cancel = new AbortController()
    const begun = { connection: dial(addresses.map(withoutId), { signal: cancel.signal }), cancel, waiting: 0 }
    const forget = () => {
      if (dials.get(key) === begun) dials.delete(key)
    }
    begun.connection.then(forget, forget) // whoever waits hears of what went wrong
    cancel.signal.addEventListener('abort', forget)
    dials.set(key, begun)
    return begun
  }

  pending.waiting += 1
  try {
    return await untilAborted(pending.connection, signal)
  } finally {
    pending.waiting -= 1
    if (pending.waiting === 0) pending.cancel.abort()
  }
}

function withoutId(address: Multiaddr): Multiaddr {
  const { name, value } = address.getComponents().at(-1) ?? {}
  return name === 'p2p' ? address.decapsulate(`/p2p/${value}`) : address
}

/** The id of a peer, as text, where its addresses say it. */
export function peerIdIn(peer: PeerTarget): string | undefined {
  const [address] = Array.isArray(peer) ? peer : [peer]
  if (!isMultiaddr(address)) return address?.toString()
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}
