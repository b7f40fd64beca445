/**
 * What one peer may cost the peer that serves it, over all of its connections and protocols.
 *
 * Three things can be used up, and each has its brake: streams (refused at once, or taken from who holds most and says
 * nothing on them), work and messages (paced, and refused
 * when too much is owed), memory (a share of each peer, a sum for all). Every class of protocols has its own pace, so
 * that who reads too fast still gets its proofs through. The bytes of transfers are not counted here: their credit and
 * the provider's own budget bound them, and a fast line is no offence.
 */
import type { Clock } from '../clock.ts'
import { machineClock } from '../clock.ts'
import { type ProtocolTerms, type Refusal, refuse, type TrafficClass } from './protocol.ts'
import { createSharedBudget } from './shared-budget.ts'
import { createTokenBuckets, type Rate } from './token-buckets.ts'

const KIB = 1024
const MIB = 1024 * KIB

export interface TrafficTerms {
  /** Of one peer in one class: requests by their cost. */
  readonly requests: Rate
  /** Of one peer in one class: bytes of messages, in both directions. */
  readonly messageBytes: Rate
  /** Longest that an answer is held back for who asks too fast; beyond it the request is refused. */
  readonly paceMsMax: number
  /** Open at once, of one peer over all of its connections, and of all. */
  readonly streamsPerPeerMax: number
  readonly streamsMax: number
  /** When there are as many as may be, a stream that was silent for so long gives way to a peer that holds fewer. */
  readonly quietMs: number
  /** Held in memory: what came and was not taken yet, and answers that are not sent yet. */
  readonly heldBytesPerPeerMax: number
  readonly heldBytesMax: number
  /** Of one peer: streams that break the format, drip past their time, or come when it owes too much. */
  readonly offences: Rate
  /** Peers whose pace is kept apart. */
  readonly peersMax: number
}

/** Of a request: what a stream costs that is opened and says nothing. */
const OPENING_COST = 0.5

/**
 * A request with its stream costs about a millisecond of a home machine's one core: a peer in a hurry gets a quarter of
 * it. A follower that catches up takes 62 answers of 512 entries a second.
 */
export const TRAFFIC_TERMS: TrafficTerms = {
  requests: { burst: 2_500, perSecond: 250 },
  messageBytes: { burst: 128 * MIB, perSecond: 32 * MIB },
  paceMsMax: 5_000,
  streamsPerPeerMax: 64,
  streamsMax: 1_024,
  quietMs: 2_000,
  heldBytesPerPeerMax: 32 * MIB,
  heldBytesMax: 192 * MIB,
  offences: { burst: 16, perSecond: 0.2 },
  peersMax: 4_096
}

/** What one stream takes; `close` gives everything back. */
export interface StreamAllowance {
  /**
   * Pays for a request that came. Waits when the peer was too fast.
   *
   * @param cost - as the protocol counts it
   * @returns the refusal that is due, `BUSY`, when it would wait too long
   * @throws the signal's reason
   */
  pay(cost: number, sizeBytes: number, signal?: AbortSignal): Promise<Refusal | undefined>
  /** Counts an answer that goes out; who asks again waits the longer for it. */
  charge(sizeBytes: number): void
  /** Takes memory; false when there is none left for this peer. */
  hold(sizeBytes: number): boolean
  release(sizeBytes: number): void
  /** The peer did what no honest one does. */
  offend(): void
  /** Idempotent. */
  close(): void
}

export interface TrafficLimiter {
  /**
   * @param peer - its id
   * @param cut - resets the stream when it has to give way; what it took is given back by then
   * @returns undefined for a stream that is one too many, to be reset
   */
  open(peer: string, protocol: ProtocolTerms, cut?: (reason: string) => void): StreamAllowance | undefined
  readonly usage: { readonly streams: number; readonly heldBytes: number }
}

const NO_LIMITS: StreamAllowance = {
  pay: async () => undefined,
  charge: () => undefined,
  hold: () => true,
  release: () => undefined,
  offend: () => undefined,
  close: () => undefined
}

/** For serving without limits: tests, and what has no strangers. */
export const UNLIMITED: TrafficLimiter = { open: () => NO_LIMITS, usage: { streams: 0, heldBytes: 0 } }

interface OpenStream {
  readonly peer: string
  /** When a whole frame came or an answer went last: a drip is no sign of life. */
  movedMs: number
  readonly giveWay: () => void
}

/** @param onOffender - told of a peer that offends again and again; it should be shut out for a while */
export function createTrafficLimiter(
  terms: TrafficTerms = TRAFFIC_TERMS,
  clock: Pick<Clock, 'now' | 'sleep'> = machineClock,
  onOffender: (peer: string) => void = () => undefined
): TrafficLimiter {
  const requests = createTokenBuckets(terms.requests, terms.peersMax, clock)
  const bytes = createTokenBuckets(terms.messageBytes, terms.peersMax, clock)
  const streams = createSharedBudget(terms.streamsMax, terms.streamsPerPeerMax)
  const memory = createSharedBudget(terms.heldBytesMax, terms.heldBytesPerPeerMax)

  const opened = new Set<OpenStream>()

  const offences = createTokenBuckets(terms.offences, terms.peersMax, clock)
  const offend = (peer: string) => {
    if (!offences.take(peer, 1)) onOffender(peer)
  }

  /** Of the peer that holds most, and no fewer than the newcomer will, the stream that was silent longest. */
  function chooseQuiet(newcomersStreams: number): OpenStream | undefined {
    const byPeer = Map.groupBy(opened, ({ peer }) => peer)
    const held = ({ peer }: OpenStream) => byPeer.get(peer)!.length
    const latestMs = clock.now() - terms.quietMs
    let chosen: OpenStream | undefined
    for (const stream of opened) {
      if (stream.movedMs > latestMs || held(stream) < newcomersStreams) continue
      const isBetter =
        chosen === undefined ||
        held(stream) > held(chosen) ||
        (held(stream) === held(chosen) && stream.movedMs < chosen.movedMs)
      if (isBetter) chosen = stream
    }
    return chosen
  }

  /** Takes a place for one more stream of a peer, if need be from another one. */
  function takePlace(peer: string): boolean {
    if (streams.take(peer, 1)) return true
    if (streams.taken < terms.streamsMax) return false
    chooseQuiet(1 + [...opened].filter(stream => stream.peer === peer).length)?.giveWay()
    return streams.take(peer, 1)
  }

  async function pay(key: string, cost: number, sizeBytes: number, signal?: AbortSignal): Promise<Refusal | undefined> {
    const owedMs = Math.max(requests.waitMs(key), bytes.waitMs(key))
    // Who is refused pays nothing more, or a peer that retries would never be let in again.
    if (owedMs > terms.paceMsMax) {
      const retryMs = Math.ceil(owedMs)
      return refuse('BUSY', `you ask more than your share: come back in ${retryMs} ms`, { retryMs })
    }
    const waitMs = Math.max(requests.owe(key, Math.max(0, cost - OPENING_COST)), bytes.owe(key, sizeBytes))
    if (waitMs > 0) await clock.sleep(waitMs, signal)
    return undefined
  }

  return {
    open(peer, { traffic = 'data' }, cut = () => undefined) {
      const key = `${traffic satisfies TrafficClass} ${peer}`
      // A stream costs its negotiation, also when nothing comes over it. Who asks gently is told to come back instead.
      if (requests.waitMs(key) > 2 * terms.paceMsMax) {
        offend(peer)
        return undefined
      }
      if (!takePlace(peer)) return undefined
      requests.owe(key, OPENING_COST)
      let heldBytes = 0
      let isOpen = true
      const release = (sizeBytes: number) => {
        if (sizeBytes === 0) return
        memory.giveBack(peer, sizeBytes)
        heldBytes -= sizeBytes
      }
      const close = () => {
        if (!isOpen) return
        isOpen = false
        opened.delete(stream)
        release(heldBytes)
        streams.giveBack(peer, 1)
      }
      const stream: OpenStream = {
        peer,
        movedMs: clock.now(),
        giveWay() {
          close()
          cut('nothing came over this stream while others waited for one')
        }
      }
      opened.add(stream)
      return {
        pay(cost, sizeBytes, signal) {
          stream.movedMs = clock.now()
          return pay(key, cost, sizeBytes, signal)
        },
        charge: sizeBytes => {
          stream.movedMs = clock.now()
          bytes.owe(key, sizeBytes)
        },
        hold(sizeBytes) {
          if (!isOpen || !memory.take(peer, sizeBytes)) return false
          heldBytes += sizeBytes
          return true
        },
        release(sizeBytes) {
          stream.movedMs = clock.now()
          release(Math.min(sizeBytes, heldBytes))
        },
        offend: () => offend(peer),
        close
      }
    },
    get usage() {
      return { streams: streams.taken, heldBytes: memory.taken }
    }
  }
}
