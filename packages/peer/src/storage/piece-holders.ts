/** Who needs a piece, as plain functions of its holders: the record of the index holds nothing else about it. */
import type { PieceHolder } from './piece-index.ts'

/** Deals that the ledger says the piece is paid by, sorted. */
export function keepersOf(holders: readonly PieceHolder[]): string[] {
  return holders.filter(({ untilMs }) => untilMs === undefined).map(({ dealId }) => dealId)
}

/** When the last lease on a piece that no deal keeps is over; undefined for a piece that a deal keeps. */
export function leaseEndOf(holders: readonly PieceHolder[]): number | undefined {
  let endMs = 0
  for (const { untilMs } of holders) {
    if (untilMs === undefined) return undefined
    endMs = Math.max(endMs, untilMs)
  }
  return endMs
}

/** Whether anybody may have it: some holder's order names the public object that it is part of. */
export function isPublic(holders: readonly PieceHolder[]): boolean {
  return holders.some(({ root }) => root !== undefined)
}

/** Says that a deal brought the piece and has until then to order it. A deal that holds it already is not touched. */
export function withLease(holders: readonly PieceHolder[], dealId: string, untilMs: number): PieceHolder[] {
  const held = holders.find(holder => holder.dealId === dealId)
  if (held !== undefined && held.untilMs === undefined) return [...holders]
  return replaceHolder(holders, { ...held, dealId, untilMs: Math.max(untilMs, held?.untilMs ?? 0) })
}

/** Says that a deal pays for the piece, and as part of what. Nobody's claim on it ends where somebody has one. */
export function withKeeper(holders: readonly PieceHolder[], dealId: string, root: string | undefined): PieceHolder[] {
  const claimed = holders.filter(holder => holder.dealId !== '')
  return replaceHolder(claimed, { dealId, ...(root !== undefined && { root }) })
}

/** Says what a leased piece is part of, once its order was signed. */
export function withRoot(holders: readonly PieceHolder[], dealId: string, root: string): PieceHolder[] {
  return holders.map(holder => (holder.dealId === dealId ? { ...holder, root } : holder))
}

/** Says that a deal no longer pays for the piece; until then its bytes stay. */
export function withRelease(holders: readonly PieceHolder[], dealId: string, untilMs: number): PieceHolder[] {
  return holders.map(holder =>
    holder.dealId === dealId && holder.untilMs === undefined ? { ...holder, untilMs } : holder
  )
}

/** Holders that still count; none of them when the piece may go. */
export function holdersAt(holders: readonly PieceHolder[], nowMs: number): PieceHolder[] {
  return holders.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs)
}

function replaceHolder(holders: readonly PieceHolder[], holder: PieceHolder): PieceHolder[] {
  const others = holders.filter(({ dealId }) => dealId !== holder.dealId)
  return [...others, holder].sort((a, b) => (a.dealId < b.dealId ? -1 : 1))
}
