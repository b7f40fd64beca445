/** Which deals a boundary has to visit, and which a provider has: indexes of the state that follow from its deals. */
import type { Deal, LedgerState } from './state.ts'

/** Active and ending deals are challenged, paid, and counted against their provider's cap. */
export function isRunning({ status }: Pick<Deal, 'status'>): boolean {
  return status === 'active' || status === 'ending'
}

/** Says whether a boundary can still change a deal. */
export function isLive(deal: Pick<Deal, 'status' | 'repairBudget'>): boolean {
  return isRunning(deal) || (deal.status === 'failed' && deal.repairBudget > 0n)
}

/** Enters a deal that has just been opened. */
export function enterDeal(state: LedgerState, deal: Deal): void {
  state.deals.set(deal.id, deal)
  state.liveDeals.add(deal.id)
  const own = state.dealsByProvider.get(deal.provider) ?? new Set()
  state.dealsByProvider.set(deal.provider, own.add(deal.id))
}

/** Takes a deal off the indexes as far as it is over; does nothing for one that runs. */
export function dropIfOver(state: LedgerState, deal: Deal): void {
  if (!isLive(deal)) state.liveDeals.delete(deal.id)
  if (isRunning(deal)) return
  const own = state.dealsByProvider.get(deal.provider)
  own?.delete(deal.id)
  if (own?.size === 0) state.dealsByProvider.delete(deal.provider)
}
