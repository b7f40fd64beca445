/** Whether a provider takes an order: pure decisions over the ledger's state and what the disk holds. */
import type { CID } from 'multiformats/cid'
import type { LedgerState } from '../ledger/state.ts'
import type { Statement } from '../ledger/statements.ts'
import { rootOfLabel } from '../pieces/label.ts'
import { type Refusal, refuse } from '../protocols/protocol.ts'
import { roundOpensMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'

/** What a provider insists on, whatever a client offers. */
export interface ProviderTerms {
  readonly address: Address
  readonly pricePerLeafRoundMin: bigint
  /** Proving costs reads and bandwidth: no deal may ask for more than this a round. */
  readonly leavesPerRoundMax: number
  /** Content that this provider will have nothing to do with: a root or a piece. Nothing when left out. */
  readonly denies?: (cid: CID) => boolean
}

/** @returns why the provider does not sign, or undefined when it does */
export function judgeDealOrder(order: Statement<'DealOrder'>, terms: ProviderTerms): Refusal | undefined {
  if (order.provider !== terms.address) return refuse('NOT_FOR_ME', `this order is for ${order.provider}`)
  if (order.pricePerLeafRound < terms.pricePerLeafRoundMin) {
    return refuse('PRICE_TOO_LOW', `my price is ${terms.pricePerLeafRoundMin} atto for a leaf and round`, {
      pricePerLeafRound: `${terms.pricePerLeafRoundMin}`
    })
  }
  if (order.leavesPerRound > terms.leavesPerRoundMax) {
    return refuse('TOO_MANY_LEAVES', `I prove at most ${terms.leavesPerRoundMax} leaves of a deal in a round`, {
      leavesPerRoundMax: terms.leavesPerRoundMax
    })
  }
  return undefined
}

/** A piece as the provider's disk holds it for the deal of an order: bytes that came under another deal do not count. */
export interface HeldPiece {
  /** Until when it stays if no order covers it, milliseconds of Unix time; undefined when the deal keeps it. */
  readonly leaseUntilMs: number | undefined
}

/**
 * @param held - the pieces of the order in its order; undefined for one that is not here
 * @returns why the provider does not sign, or undefined when it does
 */
export function judgePiecesOrder(
  order: Statement<'PiecesOrder'>,
  held: readonly (HeldPiece | undefined)[],
  state: LedgerState,
  terms: ProviderTerms
): Refusal | undefined {
  const deal = state.deals.get(order.dealId)
  if (deal === undefined || deal.provider !== terms.address || deal.client !== order.client) {
    return refuse('NO_DEAL', `deal ${order.dealId} is not one of ${order.client} with me`)
  }
  if (deal.status !== 'active') return refuse('DEAL_NOT_ACTIVE', `deal ${order.dealId} is ${deal.status}`)
  const roots = order.labels.map(rootOfLabel).filter(root => root !== undefined)
  if ([...roots, ...order.pieces].some(cid => terms.denies?.(cid) === true))
    return refuse('DENIED', 'I do not store this content')
  const missing = held.indexOf(undefined)
  if (missing !== -1)
    return refuse('PIECE_MISSING', `I do not have ${order.pieces[missing]!.toString()}; store it first`)
  // Signed, an order may come onto the ledger until it expires: the bytes must be here that long.
  const orderEndsMs = roundOpensMs(state.parameters, order.validUntilRound + 1)
  const tooShort = held.some(piece => piece!.leaseUntilMs !== undefined && piece!.leaseUntilMs < orderEndsMs)
  return tooShort
    ? refuse('ORDER_TOO_LONG', 'this order outlives my lease on its pieces; make it valid for fewer rounds')
    : undefined
}
