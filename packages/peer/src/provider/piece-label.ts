/** What the ledger calls a piece: part of a public object, or a private one's lock. */
import type { DealPiece, Statement } from '@holdfast/core'
import type { CID } from 'multiformats/cid'

/** The root of the public object that a piece of a deal is part of; undefined for a private piece. */
export function publicRootOfPiece({ root }: DealPiece): CID | undefined {
  return root
}

/** The root that an order gives to its piece at this position; undefined for a private piece. */
export function publicRootOf({ root }: Statement<'PiecesOrder'>, _position: number): CID | undefined {
  return root
}

/** The label of a piece of a deal, as the ledger holds it. */
export function labelOf({ root }: DealPiece): Uint8Array {
  return root.bytes
}
