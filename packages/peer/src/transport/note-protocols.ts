import type { Clock } from '@holdfast/core'
import type { Peer, PeerId, PeerStore } from '@libp2p/interface'

/** Those that we talk to, and a few more. */
const PEERS_MAX = 256
/** Well below the time after which the store forgets a peer that nothing was noted of. */
const NOTED_FOR_MS = 10 * 60_000

interface Noted {
  readonly untilMs: number
  readonly protocols: ReadonlySet<string>
  /** What the store said then. */
  readonly peer: Peer
}

/**
 * Lets a store of peers note once, and not for each stream, that a peer speaks a protocol.
 *
 * libp2p tells it at both ends of every stream, and waits: to read, decode, encode and write what it knows of the peer takes as
 * long as a round trip. What else it is told goes through, and what was noted is noted again after a while.
 *
 * @param self - whose protocols come and go, and are always noted
 */
export function noteProtocolsOnce(store: Pick<PeerStore, 'merge'>, self: PeerId, clock: Pick<Clock, 'now'>): void {
  const known = new Map<string, Noted>()
  const merge = store.merge.bind(store)
  store.merge = async (peerId, data, options) => {
    const { protocols = [] } = data
    const isAboutProtocols = protocols.length > 0 && Object.keys(data).length === 1
    if (!isAboutProtocols || self.equals(peerId)) return await merge(peerId, data, options)
    const key = peerId.toString()
    const last = known.get(key)
    const noted = last !== undefined && clock.now() < last.untilMs ? last : undefined
    if (noted !== undefined && protocols.every(one => noted.protocols.has(one))) return noted.peer
    const peer = await merge(peerId, data, options)
    known.delete(key)
    known.set(key, {
      untilMs: noted?.untilMs ?? clock.now() + NOTED_FOR_MS,
      protocols: new Set([...(noted?.protocols ?? []), ...protocols]),
      peer
    })
    const [oldest] = known.keys()
    if (known.size > PEERS_MAX) known.delete(oldest!)
    return peer
  }
}
