/**
 * Fetches pieces from other providers because a client asked for it.
 *
 * One pull of a piece under a deal at a time, whoever asks how often: a question starts it, or says how far it is. The
 * bytes go the way of an upload (the same limits, the same room, resumed the same way) and are kept only if they are the
 * piece that was asked for. A pull that nobody asks about for a while stops.
 */
import { hash } from 'node:crypto'
import {
  type Clock,
  type Deal,
  type HandlerContext,
  pullPiece,
  type Reply,
  refuse,
  type ServeOptions
} from '@holdfast/core'
import { parsePieceCid } from '@holdfast/proofs'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { z } from 'zod'
import { findClientsDeal, reserveRoom } from './accept-upload.ts'
import type { ProviderComponents } from './components.ts'
import { fetchPiece } from './fetch-piece.ts'
import { dialableSources } from './reachable-source.ts'
import type { TransferRoom } from './transfer-budget.ts'

type PullRequest = z.output<typeof pullPiece.request>
type PullAnswer = z.output<typeof pullPiece.response>

/** A pull goes on for so long after the last question about it. */
const ASKED_MS_MAX = 60_000
/** Results that nobody has come for. */
const PULLS_REMEMBERED_MAX = 256

export interface Puller extends AsyncDisposable {
  answer(request: PullRequest, context: HandlerContext): Promise<Reply<PullAnswer>>
  /** Ends all pulls; what came of them can be gone on with. Idempotent. */
  stop(): Promise<void>
}

interface Pull {
  receivedBytes: number
  lastAskedMs: number
  readonly ending: AbortController
  result: Reply<true> | undefined
  done: Promise<void>
}

export function createPuller(components: ProviderComponents, options: ServeOptions): Puller {
  const { clock, announced } = components
  const pulls = new Map<string, Pull>()
  let isStopped = false

  async function answer(request: PullRequest, context: HandlerContext): Promise<Reply<PullAnswer>> {
    const { dealId, piece, from, waitMs } = request
    const deal = await findClientsDeal(components, dealId, context)
    if (!deal.ok) return deal
    const verdict = parsePieceCid(piece.toString())
    if (!verdict.ok || verdict.commitment.rawSize === 0)
      return refuse('BAD_PIECE', 'a PieceCIDv2 of at least a byte was expected')
    const { rawSize } = verdict.commitment
    if (components.terms.denies?.(piece) === true) return refuse('DENIED', 'I do not store this content')
    if (await isHeldFor(deal.value, request)) return { ok: true, value: { receivedBytes: rawSize, held: true } }
    const key = `${dealId}/${piece}`
    let pull = pulls.get(key)
    if (pull === undefined) {
      const sources = dialableSources(from, announced())
      if (sources.length === 0) return refuse('BAD_SOURCE', 'none of these addresses is one that I would dial')
      if (isStopped) return refuse('BUSY', 'this peer stops')
      pull = begin(key, deal.value, request, rawSize, sources, context)
    }
    pull.lastAskedMs = clock.now()
    await settledWithin(pull.done, clock, waitMs, context.signal)
    const { result, receivedBytes } = pull
    if (result === undefined) return { ok: true, value: { receivedBytes, held: false } }
    pulls.delete(key)
    return result.ok ? { ok: true, value: { receivedBytes: rawSize, held: true } } : result
  }

  /** Only what this deal brought or holds: that it lies here for somebody else is nobody's business. */
  async function isHeldFor(deal: Deal, { piece }: PullRequest): Promise<boolean> {
    const stored = await components.store.get(piece)
    return stored !== undefined && !stored.isDamaged && stored.holders.some(({ dealId }) => dealId === String(deal.id))
  }

  function begin(
    key: string,
    deal: Deal,
    request: PullRequest,
    rawSize: number,
    sources: readonly Multiaddr[],
    { remotePeer }: HandlerContext
  ): Pull {
    const ending = new AbortController()
    const pull: Pull = {
      receivedBytes: 0,
      lastAskedMs: clock.now(),
      ending,
      result: undefined,
      done: Promise.resolve()
    }
    pulls.set(key, pull)
    forgetOldest()
    pull.done = run(pull, deal, request, rawSize, sources, remotePeer)
    return pull
  }

  /** Never rejects. */
  async function run(
    pull: Pull,
    deal: Deal,
    request: PullRequest,
    rawSize: number,
    sources: readonly Multiaddr[],
    peer: PeerId
  ): Promise<void> {
    const taken = components.budget.take(peer.toString(), rawSize, reason => pull.ending.abort(new Error(reason)))
    if (!taken.ok) {
      pull.result = taken
      return
    }
    const watching = stopWhenForgotten(pull)
    try {
      pull.result = await fetchInto(pull, deal, request, rawSize, sources, taken)
    } catch (error) {
      if (!pull.ending.signal.aborted) options.onError?.(error, { protocolId: pullPiece.id, remotePeer: peer })
      pull.result = refuse('PULL_FAILED', 'the pull ended: ask again to go on with it')
    } finally {
      taken.giveBack()
      watching.abort()
    }
  }

  function stopWhenForgotten(pull: Pull): AbortController {
    const watching = new AbortController()
    const watch = async () => {
      while (!watching.signal.aborted) {
        const leftMs = pull.lastAskedMs + ASKED_MS_MAX - clock.now()
        if (leftMs <= 0) return pull.ending.abort(new Error('nobody asks for this pull any more'))
        await clock.sleep(leftMs, watching.signal)
      }
    }
    watch().catch(() => undefined) // the watching was ended
    return watching
  }

  async function fetchInto(
    pull: Pull,
    deal: Deal,
    { piece, permission }: PullRequest,
    rawSize: number,
    sources: readonly Multiaddr[],
    taken: TransferRoom
  ): Promise<Reply<true>> {
    const uploadId = hash('sha256', `holdfast/pull/${piece}`).slice(0, 32)
    const room = await reserveRoom(components, deal, { sizeBytes: rawSize, uploadId })
    if (!room.ok) return room
    if ('piece' in room.value) return { ok: true, value: true }
    const { writer } = room.value
    // An end that is not a commit leaves what came for the next question.
    await using _ = { [Symbol.asyncDispose]: () => writer.suspend() }
    return await fetchPiece(components, options, writer, {
      piece,
      rawSize,
      permission: permission ?? null,
      sources,
      signal: pull.ending.signal,
      onProgress: receivedBytes => {
        taken.waiting()
        pull.receivedBytes = receivedBytes
      }
    })
  }

  function forgetOldest(): void {
    if (pulls.size <= PULLS_REMEMBERED_MAX) return
    for (const [key, { result }] of pulls) {
      if (result === undefined) continue
      pulls.delete(key)
      return
    }
  }

  async function stop(): Promise<void> {
    isStopped = true
    for (const { ending } of pulls.values()) ending.abort(new Error('this peer stops'))
    await Promise.all(Array.from(pulls.values(), ({ done }) => done))
  }

  return { answer, stop, [Symbol.asyncDispose]: stop }
}

/** Waits for work to end, for so long at most, or for the signal. */
async function settledWithin(work: Promise<void>, clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return
  const over = new AbortController()
  const stop = () => over.abort()
  signal.addEventListener('abort', stop, { once: true })
  const waiting = clock.sleep(ms, over.signal).catch(() => undefined)
  await Promise.race([work, waiting])
  signal.removeEventListener('abort', stop)
  over.abort()
}
