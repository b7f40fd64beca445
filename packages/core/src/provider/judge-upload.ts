/**
 * Whether a provider takes bytes that no order covers yet: a pure decision over the ledger and what it has leased.
 *
 * Leased bytes cost a donor disk and earn nothing, so a client can lease only what its money would keep for the notice
 * period, and all clients together no more than the donor set aside.
 */
import { leafCountOf } from '@holdfast/proofs'
import { escrowNeeded, pricePerRound } from '../ledger/price.ts'
import { accountOf, type Deal, type LedgerState } from '../ledger/state.ts'
import { type Refusal, refuse } from '../protocols/protocol.ts'

/** What a provider keeps without an order, in raw bytes. */
export interface LeaseLimits {
  /** Of all clients. */
  readonly bytesMax: number
  readonly bytesPerClientMax: number
}

/** What is leased or on its way under one deal. */
export interface Lease {
  readonly dealId: number
  readonly rawBytes: number
  readonly leafCount: number
}

/**
 * Says nothing of the room on the disk, nor of who is at the other end of the stream.
 *
 * @param rawSize - of the piece that is offered, at least 1
 * @param leases - of every deal that has any
 * @returns why the provider does not take it, or undefined when it does
 */
export function judgeUpload(
  deal: Deal,
  rawSize: number,
  leases: Iterable<Lease>,
  limits: LeaseLimits,
  state: LedgerState
): Refusal | undefined {
  let leasedBytes = 0
  let ownBytes = 0
  let ownLeaves = 0
  for (const { dealId, rawBytes, leafCount } of leases) {
    leasedBytes += rawBytes
    if (state.deals.get(dealId)?.client !== deal.client) continue
    ownBytes += rawBytes
    ownLeaves += leafCount
  }
  if (leasedBytes + rawSize > limits.bytesMax || ownBytes + rawSize > limits.bytesPerClientMax) {
    return refuse('TOO_MANY_LEASES', 'I keep no more bytes without an order: order what is here first, or wait', {
      leasedBytes: ownBytes,
      leasedBytesMax: limits.bytesPerClientMax
    })
  }
  const { money } = state.parameters
  const leafCount = deal.leafCount + ownLeaves + leafCountOf(rawSize)
  const needed = escrowNeeded(money, pricePerRound(money, deal.pricePerLeafRound, leafCount))
  const available = deal.escrow + accountOf(state, deal.client).free
  if (available >= needed) return undefined
  return refuse('NOT_FUNDED', `an order for this needs ${needed} atto in escrow, and you have ${available}`, {
    needed: `${needed}`,
    available: `${available}`
  })
}
