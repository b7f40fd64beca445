/**
 * Proves deals and pushes them to one verifier as they are proved, many in a message.
 *
 * Memory is a few messages however many deals there are: the next deal is proved when there is room. A verifier that does
 * not answer is left to ask for the rest itself.
 */
import { boundOfProofs, type PieceProof } from '../ledger/commands.ts'
import { DEALS_PER_PUSH_MAX, type PushedProof } from '../protocols/definitions.ts'

/** Large enough that a message costs little beside its proofs, small enough that the first is under way soon. */
export const PUSH_SIZE_BYTES = 128 * 1024

/** Messages to one verifier that are not answered: one is checked there while the next arrives. */
export const PUSHES_IN_FLIGHT_MAX = 3

/** Messages in a row without an answer after which a verifier is taken for gone in this round. */
export const PUSH_FAILURES_MAX = 2

/** What an item has beside its proofs: number, signature, names of fields. */
const ITEM_SIZE_BYTES = 256

export interface PushDeals {
  readonly dealIds: readonly number[]
  /** undefined for a deal that cannot be proved: it is left out */
  readonly proofsOf: (dealId: number) => Promise<PieceProof[] | undefined>
  readonly sign: (dealId: number, proofs: PieceProof[]) => PushedProof
  /** Never rejects. @returns whether the verifier answered at all */
  readonly send: (items: PushedProof[]) => Promise<boolean>
  readonly signal: AbortSignal
}

/** Resolves when all messages are answered, or given up. @throws the signal's reason */
export async function pushDeals({ dealIds, proofsOf, sign, send, signal }: PushDeals): Promise<void> {
  const underWay = new Set<Promise<void>>()
  let failures = 0
  let items: PushedProof[] = []
  let sizeBytes = 0

  async function flush(): Promise<void> {
    const message = items
    items = []
    sizeBytes = 0
    if (message.length === 0) return
    while (underWay.size >= PUSHES_IN_FLIGHT_MAX) await Promise.race(underWay)
    const sending: Promise<void> = send(message).then(isAnswered => {
      failures = isAnswered ? 0 : failures + 1
      underWay.delete(sending)
    })
    underWay.add(sending)
  }

  for (const dealId of dealIds) {
    if (failures >= PUSH_FAILURES_MAX) break
    signal.throwIfAborted()
    const proofs = await proofsOf(dealId)
    if (proofs === undefined) continue
    const itemSizeBytes = ITEM_SIZE_BYTES + boundOfProofs(proofs)
    if (sizeBytes + itemSizeBytes > PUSH_SIZE_BYTES || items.length === DEALS_PER_PUSH_MAX) await flush()
    items.push(sign(dealId, proofs))
    sizeBytes += itemSizeBytes
  }
  await flush()
  await Promise.all(underWay)
}
