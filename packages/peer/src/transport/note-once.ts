import type { Clock } from '@holdfast/core'
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'

/** Those that we talk to, and a few more. */
const PEERS_MAX = 256
/** Well below the time after which the store forgets a peer that nothing was noted of. */
const NOTED_FOR_MS = 10 * 60_000
/** Under which libp2p says when a dial went well. */
const DIAL_SUCCEEDED = 'last-dial-success'

interface Noted {
  readonly untilMs: number
  readonly facts: ReadonlySet<string>
  /** What the store said then. */
  readonly peer: Peer
}

/**
 * Lets a store of peers note once, and not for each stream and connection, what a peer speaks and where it was reached.
 *
 * libp2p tells it at both ends of every stream, and after each dial, and waits: to read, decode, encode and write what it knows
 * of the peer takes as long as a round trip. What else it is told goes through, and what was noted is noted again after a while.
 *
 * @param self - whose protocols come and go, and are always noted
 */
export function noteOnce(store: Pick<PeerStore, 'merge'>, self: PeerId, clock: Pick<Clock, 'now'>): void {
  const known = new Map<string, Noted>()
  const merge = store.merge.bind(store)
  store.merge = async (peerId, data, options) => {
    const facts = factsIn(data)
    if (facts === undefined || self.equals(peerId)) return await merge(peerId, data, options)
    const key = peerId.toString()
    const last = known.get(key)
    const noted = last !== undefined && clock.now() < last.untilMs ? last : undefined
    if (noted !== undefined && facts.every(one => noted.facts.has(one))) return noted.peer
    const peer = await merge(peerId, data, options)
    known.delete(key)
    known.set(key, {
      untilMs: noted?.untilMs ?? clock.now() + NOTED_FOR_MS,
      facts: new Set([...(noted?.facts ?? []), ...facts]),
      peer
    })
    const [oldest] = known.keys()
    if (known.size > PEERS_MAX) known.delete(oldest!)
    return peer
  }
}

/** That a peer speaks protocols, or that a dial of an address went well; undefined for everything else. */
function factsIn(data: PeerData): string[] | undefined {
  const { protocols = [], multiaddrs = [], metadata = {} } = data
  const told = Object.keys(data).sort().join(' ')
  const noted = metadata instanceof Map ? [...metadata.keys()] : Object.keys(metadata)
  const isOfDial = told === 'metadata multiaddrs' && noted.length === 1 && noted[0] === DIAL_SUCCEEDED
  const facts = told === 'protocols' ? protocols : isOfDial ? multiaddrs.map(String) : []
  return facts.length > 0 ? facts : undefined
}
