/** Cuts the deals of a round into messages, for pushes and for the answers to challenges alike. */
import { LEAF_PROOF_SIZE_BYTES_MAX } from '../ledger/commands.ts'
import { DEALS_PER_PUSH_MAX } from './definitions.ts'
import { MESSAGE_SIZE_BYTES_MAX } from './limits.ts'

/** What a deal adds to a message beside its leaves: number, signature, names of fields. */
const ITEM_SIZE_BYTES_MAX = 256

/** @returns the deals in their order, cut so that the proofs of each batch fit one message whatever was drawn */
export function batchDeals<Deal extends { readonly leavesPerRound: number }>(deals: readonly Deal[]): Deal[][] {
  const batches: Deal[][] = []
  let sizeBytes = 0
  for (const deal of deals) {
    const itemSizeBytes = ITEM_SIZE_BYTES_MAX + deal.leavesPerRound * LEAF_PROOF_SIZE_BYTES_MAX
    const batch = batches.at(-1)
    const fits = sizeBytes + itemSizeBytes <= MESSAGE_SIZE_BYTES_MAX
    if (batch !== undefined && fits && batch.length < DEALS_PER_PUSH_MAX) batch.push(deal)
    else batches.push([deal])
    sizeBytes = batches.at(-1) === batch ? sizeBytes + itemSizeBytes : itemSizeBytes
  }
  return batches
}
