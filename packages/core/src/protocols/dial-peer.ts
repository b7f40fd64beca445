/** Opens a stream to a peer, over the connection that there is or a new one. */
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { isMultiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { CoreError } from '../error.ts'
import type { Deadline } from './deadline.ts'
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

/** @throws {CoreError} `UNREACHABLE`, `UNSUPPORTED`; the signal's reason */
export async function dial(
  node: Pick<Libp2p, 'dialProtocol'> & Partial<Pick<Libp2p, 'getConnections'>>,
  peer: PeerTarget,
  protocolId: string,
  { signal }: Deadline
): Promise<Stream> {
  try {
    return await node.dialProtocol(connectedPeer(node, peer) ?? peer, protocolId, { signal })
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
 * The id of a peer that there is a connection to already. libp2p decodes the key inside an address each time that it is
 * asked to dial it, which takes as long as all else about a stream.
 */
function connectedPeer(node: Partial<Pick<Libp2p, 'getConnections'>>, peer: PeerTarget): PeerId | undefined {
  if (!Array.isArray(peer)) return undefined
  const id = peerIdIn(peer)
  if (id === undefined) return undefined
  return node.getConnections?.().find(one => one.status === 'open' && one.remotePeer.toString() === id)?.remotePeer
}

/** The id of a peer, as text, where its addresses say it. */
export function peerIdIn(peer: PeerTarget): string | undefined {
  const [address] = Array.isArray(peer) ? peer : [peer]
  if (!isMultiaddr(address)) return address?.toString()
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}
