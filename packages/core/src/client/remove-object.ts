/** Stops paying for an object: its pieces leave their deals, and a deal that holds nothing else gets notice. */
import type { CID } from 'multiformats/cid'
import { isPresent } from '../ledger/piece-rules.ts'
import { PIECES_PER_ORDER_MAX } from '../ledger/statements.ts'
import type { ObjectReference } from '../pieces/index.ts'
import { findObjectDeals } from './object-deals.ts'
import { type SubmitComponents, signAndSubmit } from './sign-and-submit.ts'

export interface RemovedFrom {
  readonly dealId: number
  readonly pieces: number
  /** The last round of the deal, when it holds nothing else and was given notice. */
  readonly endsAfterRound: number | undefined
}

export interface RemoveOptions {
  readonly signal?: AbortSignal | undefined
  /** Told of each deal when the object has left it. */
  readonly onProgress?: ((event: { readonly kind: 'removed' } & RemovedFrom) => void) | undefined
}

/**
 * Takes effect at the ledger's next boundary: what is drawn already is still proved and paid. Providers may delete the
 * bytes then, and nobody makes them; whoever has the reference of a private object can read what they kept.
 *
 * A piece is taken out wherever it is; two public objects of one account that begin with the same gigabyte share one.
 *
 * @returns the deals that held pieces of it; none when it was not stored by this account
 * @throws {CoreError} `LEDGER_REFUSED`, `LEDGER_UNREACHABLE`; the same call again goes on
 */
export async function removeObject(
  components: SubmitComponents,
  name: CID | ObjectReference,
  { signal, onProgress }: RemoveOptions = {}
): Promise<readonly RemovedFrom[]> {
  signal?.throwIfAborted()
  const { ledger, signer } = components
  const client = signer.address
  const removed: RemovedFrom[] = []
  for (const { deal, pieces } of findObjectDeals(ledger.state, name, client)) {
    // A deal that ends already takes no more orders, and its pieces with it.
    if (deal.status !== 'active') continue
    const dealId = deal.id
    for (let from = 0; from < pieces.length; from += PIECES_PER_ORDER_MAX) {
      const pieceIds = pieces.slice(from, from + PIECES_PER_ORDER_MAX).map(({ id }) => id)
      await signAndSubmit(components, 'RemovePieces', { client, dealId, pieceIds }, signal)
    }
    const isEmpty = !ledger.state.deals.get(dealId)!.pieces.some(isPresent)
    if (isEmpty) await signAndSubmit(components, 'EndDeal', { party: client, dealId }, signal)
    const { endsAfterRound } = ledger.state.deals.get(dealId)!
    const from = { dealId, pieces: pieces.length, endsAfterRound: isEmpty ? endsAfterRound : undefined }
    removed.push(from)
    onProgress?.({ kind: 'removed', ...from })
  }
  return removed
}
