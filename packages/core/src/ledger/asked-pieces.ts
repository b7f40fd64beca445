/**
 * What an opening asks of a deal, as one digest: attestations reach it through their transcripts, self-proofs sign it, so
 * that either shows, long after the ledger has forgotten the round, which pieces it was about.
 */
import { type AskedPieces, digestOfAsked } from '../evidence/transcript.ts'
import { isPieceChallenged } from '../rounds/boundaries.ts'
import type { Deal, DealPiece } from './state.ts'

/** `asked` of a self-proof of the docket: its leaves were asked for by rounds before. */
export const ASKED_OF_DOCKET: Uint8Array = new Uint8Array(32)

/** The pieces of a deal that an opening challenges, ascending; the opening is known, or it is too long ago to be disputed. */
export function askedPiecesOf({ pieces }: Pick<Deal, 'pieces'>, opening: number): DealPiece[] {
  return pieces.filter(piece => isPieceChallenged(piece, opening))
}

/** The newest digest of each list of pieces: a list is replaced, never changed, and so is what else it says of its deal. */
const digests = new WeakMap<readonly DealPiece[], { readonly opening: number; readonly digest: Uint8Array }>()

/** `digestOfAsked` of what an opening asks of a deal; worked out once for each opening. */
export function askedDigestOf(deal: AskedPieces & Pick<Deal, 'pieces'>, opening: number): Uint8Array {
  const { provider, leavesPerRound, pieces } = deal
  const known = digests.get(pieces)
  if (known?.opening === opening) return known.digest
  const digest = digestOfAsked({ provider, leavesPerRound, pieces: askedPiecesOf(deal, opening) })
  digests.set(pieces, { opening, digest })
  return digest
}
