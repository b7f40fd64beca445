import type { Clock, Ledger } from '@holdfast/core'

/** Longer than a follower is ever behind a host that answers; for so long an invented deal holds a stranger's stream. */
const DEAL_LAG_MS_MAX = 3_000

/**
 * Waits until the ledger knows a deal, and no longer than it may be behind: a client that hears first of its new deal
 * sends bytes before the news has come here. Resolves in either case.
 */
export function awaitDeal(ledger: Ledger, clock: Clock, dealId: number, signal: AbortSignal): Promise<void> {
  const isKnown = () => dealId < ledger.state.nextDealId
  if (isKnown()) return Promise.resolve()
  const known = new AbortController()
  const end = ledger.subscribe(() => {
    if (isKnown()) known.abort()
  })
  return clock
    .sleep(DEAL_LAG_MS_MAX, AbortSignal.any([known.signal, signal]))
    .catch(() => undefined)
    .finally(end)
}
