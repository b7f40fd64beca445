/**
 * Keeps on disk what the ledger says this provider is paid for, and nothing longer.
 *
 * A piece is a lease until its order is on the ledger; then its deal keeps it; when the deal is over, it is a lease again
 * and swept when that runs out. The ledger is the truth: at start both are compared.
 */
import type { Address, AppliedEntry, Deal, Ledger } from '@holdfast/core'
import type { PieceStore } from '../storage/index.ts'

export interface PieceKeeper extends AsyncDisposable {
  /** Makes disk and ledger agree, then follows the ledger. */
  start(): Promise<void>
  stop(): Promise<void>
}

export function createPieceKeeper(
  ledger: Ledger,
  store: PieceStore,
  provider: Address,
  onError: (error: unknown) => void
): PieceKeeper {
  let end: (() => void) | undefined
  let work: Promise<void> = Promise.resolve()

  const isLive = (deal: Deal) => deal.provider === provider && (deal.status === 'active' || deal.status === 'ending')

  async function keepDeal(deal: Deal): Promise<void> {
    for (const { cid } of deal.pieces) await store.keep(cid, String(deal.id))
  }

  async function releaseDeal(dealId: number): Promise<void> {
    for (const { cid } of ledger.state.deals.get(dealId)?.pieces ?? []) await store.release(cid, String(dealId))
  }

  async function reconcile(): Promise<void> {
    for (const deal of ledger.state.deals.values()) if (isLive(deal)) await keepDeal(deal)
    for await (const piece of store.list()) {
      for (const dealId of piece.deals) {
        const deal = ledger.state.deals.get(Number(dealId))
        if (deal === undefined || !isLive(deal)) await store.release(piece.cid, dealId)
      }
    }
  }

  async function follow({ events }: AppliedEntry): Promise<void> {
    for (const event of events) {
      if (event.kind === 'piecesAdded') {
        const deal = ledger.state.deals.get(event.dealId)
        if (deal !== undefined && isLive(deal)) await keepDeal(deal)
      }
      if (event.kind === 'dealEnded' || event.kind === 'dealFailed') await releaseDeal(event.dealId)
      if (event.kind === 'roundOpened') await store.sweep()
    }
  }

  async function stop(): Promise<void> {
    end?.()
    end = undefined
    await work
  }

  return {
    async start() {
      if (end !== undefined) return
      await reconcile()
      end = ledger.subscribe(applied => {
        work = work.then(() => follow(applied)).catch(onError)
      })
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}
