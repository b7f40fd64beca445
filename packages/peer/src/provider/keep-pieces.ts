/**
 * Keeps on disk what the ledger says this provider is paid for, and nothing longer.
 *
 * A piece is a lease until its order is on the ledger; then its deal keeps it. When the deal is over, it is a lease again
 * and swept when that runs out: somebody may still want to read or repair. One that its client removed goes as soon as no
 * round can challenge it. What another deal with this provider pays for stays. The ledger is the truth: at start both are
 * compared.
 */
import { type Address, type AppliedEntry, type Deal, type DealPiece, isPieceGone, type Ledger } from '@holdfast/core'
import type { PieceStore, StoredPiece } from '../storage/index.ts'
import { publicRootOfPiece } from './piece-label.ts'

export interface PieceKeeper extends AsyncDisposable {
  /** Makes disk and ledger agree, then follows the ledger. */
  start(): Promise<void>
  stop(): Promise<void>
}

export function createPieceKeeper(
  ledger: Ledger,
  store: Pick<PieceStore, 'keep' | 'release' | 'list' | 'sweep'>,
  provider: Address,
  onError: (error: unknown) => void
): PieceKeeper {
  let starting: Promise<void> | undefined
  let end: (() => void) | undefined
  /** The comparison at the start, then one entry of the ledger after the other. */
  let work: Promise<void> = Promise.resolve()

  const isLive = (deal: Deal) => deal.provider === provider && (deal.status === 'active' || deal.status === 'ending')

  /** Nothing challenges it any more; one whose last round may still be open is kept. */
  const isGone = (piece: DealPiece) => isPieceGone(piece, ledger.state.openings - 1)

  async function keepDeal(deal: Deal): Promise<void> {
    for (const piece of deal.pieces) {
      if (!isGone(piece)) await store.keep(piece.cid, String(deal.id), publicRootOfPiece(piece))
    }
  }

  async function releaseDeal(dealId: number): Promise<void> {
    for (const { cid } of ledger.state.deals.get(dealId)?.pieces ?? []) await store.release(cid, String(dealId))
  }

  /** A piece that was removed and added again stays. */
  async function releasePieces(dealId: number, pieceIds: ReadonlySet<number>): Promise<void> {
    const pieces = ledger.state.deals.get(dealId)?.pieces ?? []
    const kept = new Set(pieces.filter(piece => !isGone(piece)).map(({ cid }) => cid.toString()))
    for (const { id, cid } of pieces)
      if (pieceIds.has(id) && !kept.has(cid.toString())) await store.release(cid, String(dealId), 0)
  }

  /** What a peer that was away missed: the end of a deal, or the removal of a piece. */
  async function releaseStale({ cid }: StoredPiece, dealId: string): Promise<void> {
    const deal = ledger.state.deals.get(Number(dealId))
    if (deal === undefined || !isLive(deal)) return store.release(cid, dealId)
    if (!deal.pieces.some(piece => piece.cid.equals(cid) && !isGone(piece))) await store.release(cid, dealId, 0)
  }

  async function reconcile(): Promise<void> {
    for (const deal of ledger.state.deals.values()) if (isLive(deal)) await keepDeal(deal)
    for await (const piece of store.list()) {
      for (const dealId of piece.deals) await releaseStale(piece, dealId)
    }
  }

  async function follow({ events }: AppliedEntry): Promise<void> {
    for (const event of events) {
      if (event.kind === 'piecesAdded') {
        const deal = ledger.state.deals.get(event.dealId)
        if (deal !== undefined && isLive(deal)) await keepDeal(deal)
      }
      if (event.kind === 'piecesGone') await releasePieces(event.dealId, new Set(event.pieceIds))
      if (event.kind === 'dealEnded' || event.kind === 'dealFailed') await releaseDeal(event.dealId)
      if (event.kind === 'roundOpened') await store.sweep()
    }
  }

  async function begin(): Promise<void> {
    // Listens before it compares: an entry that comes meanwhile is neither in what was compared nor in what follows.
    const comparing = reconcile()
    work = comparing.catch(() => undefined)
    end = ledger.subscribe(applied => {
      work = work.then(() => follow(applied)).catch(onError)
    })
    try {
      await comparing
    } catch (error) {
      end()
      throw error
    }
  }

  async function stop(): Promise<void> {
    end?.()
    await work
  }

  return {
    start() {
      starting ??= begin()
      return starting
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}
