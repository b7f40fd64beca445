/**
 * Makes good what the audit found: fetches a public piece from another provider of the same bytes, and puts it in the
 * place of the damaged file when all of it is there and is the piece. One at a time; tries again, ever more rarely.
 */
import { hash } from 'node:crypto'
import { healingPauseMs, healingSourcesOf, type PaidPiece, paidPiecesOf, type ServeOptions } from '@holdfast/core'
import type { ProviderComponents } from './components.ts'
import { fetchPiece } from './fetch-piece.ts'
import { publicRootOfPiece } from './piece-label.ts'
import { dialableSources } from './reachable-source.ts'
import type { Wound, Wounds } from './wounds.ts'

export type HealEvent =
  | { readonly kind: 'healed'; readonly piece: string; readonly from: string; readonly rawSize: number }
  /** Whole again without our doing: its client sent it, or its disk is back. */
  | { readonly kind: 'whole'; readonly piece: string }
  | { readonly kind: 'cannotHeal'; readonly piece: string; readonly obstacle: string }

/** What a private piece waits for. */
export const PRIVATE_OBSTACLE = 'it is private: only its client can make it again, by `holdfast repair`'

export interface HealerOptions {
  readonly components: Pick<ProviderComponents, 'node' | 'ledger' | 'store' | 'clock' | 'announced'> & {
    readonly signer: Pick<ProviderComponents['signer'], 'address'>
  }
  readonly options: Pick<ServeOptions, 'networkId' | 'clock'>
  readonly wounds: Wounds
  readonly onEvent?: (event: HealEvent) => void
  readonly onError?: (error: unknown) => void
}

export interface Healer extends AsyncDisposable {
  start(): void
  /** Idempotent; what came of a piece so far is gone on with by the next start. */
  stop(): Promise<void>
}

export function createHealer({ components, options, wounds, ...listeners }: HealerOptions): Healer {
  const { onEvent = () => undefined, onError = () => undefined } = listeners
  const { ledger, store, signer, clock, announced } = components
  const ending = new AbortController()
  const { signal } = ending
  let wake = () => {}
  let running: Promise<void> | undefined
  let endSubscription = () => {}

  /** Waits for the time of the next wound, or for a new one. */
  async function nextDue(): Promise<Wound> {
    for (;;) {
      signal.throwIfAborted()
      const wound = wounds.next()
      const waitMs = wound === undefined ? Number.MAX_SAFE_INTEGER : wound.nextTryMs - clock.now()
      if (wound !== undefined && waitMs <= 0) return wound
      const woken = new AbortController()
      wake = () => woken.abort()
      const waiting = AbortSignal.any([signal, woken.signal])
      if (wound === undefined) await aborted(waiting)
      else await clock.sleep(waitMs, waiting).catch(() => undefined)
    }
  }

  async function keepHealing(): Promise<void> {
    for (;;) {
      const wound = await nextDue()
      const obstacle = await heal(wound.piece)
      if (obstacle === undefined) wounds.close(wound.piece)
      else {
        if (wound.obstacle !== obstacle) onEvent({ kind: 'cannotHeal', piece: wound.piece, obstacle })
        wounds.postpone(wound.piece, obstacle, healingPauseMs)
      }
    }
  }

  /** @returns why not, or undefined when the piece is whole again, or nobody's any more */
  async function heal(name: string): Promise<string | undefined> {
    const piece = paidPiecesOf(ledger.state, signer.address).find(one => one.name === name)
    if (piece === undefined) return undefined
    if (await isWhole(piece)) {
      // Somebody sent it again: its client, say.
      await keepForAll(piece)
      onEvent({ kind: 'whole', piece: name })
      return undefined
    }
    if (piece.publicRoot === undefined) return PRIVATE_OBSTACLE
    const sources = healingSourcesOf(ledger.state, signer.address, piece.cid)
    let obstacle = 'no other provider holds this piece'
    for (const { provider, addresses } of sources) {
      signal.throwIfAborted()
      const dialable = dialableSources(addresses, announced())
      const failure =
        dialable.length === 0 ? 'it has no address that this peer would dial' : await fetchFrom(piece, dialable)
      if (failure === undefined) {
        wounds.noteHealed()
        onEvent({ kind: 'healed', piece: name, from: provider, rawSize: piece.rawSize })
        return undefined
      }
      obstacle = `${provider}: ${failure}`
    }
    return obstacle
  }

  /** Nothing is fetched for what is here, and nothing is taken for whole that nobody has looked at. */
  async function isWhole({ cid }: PaidPiece): Promise<boolean> {
    const stored = await store.get(cid)
    return stored?.isDamaged === false && (await store.check(cid, { signal })).ok
  }

  async function fetchFrom(piece: PaidPiece, sources: ReturnType<typeof dialableSources>): Promise<string | undefined> {
    const dealId = String(piece.deals[0]!.dealId)
    const uploadId = hash('sha256', `holdfast/heal/${piece.name}`).slice(0, 32)
    const received = await store.receive({ sizeBytes: piece.rawSize, dealId, uploadId, mends: true })
    if (!received.ok) return `this disk has no room: ${received.neededBytes} bytes are needed`
    if ('writer' in received) {
      const { writer } = received
      await using _ = { [Symbol.asyncDispose]: () => writer.suspend() }
      const { cid, rawSize } = piece
      const fetched = await fetchPiece(components, options, writer, {
        piece: cid,
        rawSize,
        permission: null,
        sources,
        signal
      })
      if (!fetched.ok) return fetched.message
    }
    await keepForAll(piece)
    return undefined
  }

  /** A piece whose record was lost is a lease again: each of its deals says that it needs it. */
  async function keepForAll({ cid, deals }: PaidPiece): Promise<void> {
    for (const { dealId, piece } of deals) await store.keep(cid, String(dealId), publicRootOfPiece(piece))
  }

  return {
    start() {
      if (running !== undefined) return
      endSubscription = wounds.subscribe(() => wake())
      running = keepHealing().catch(error => {
        if (!signal.aborted) onError(error)
      })
    },
    async stop() {
      endSubscription()
      ending.abort(new Error('the healing is stopped'))
      await running
    },
    async [Symbol.asyncDispose]() {
      await this.stop()
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
