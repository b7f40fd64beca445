/** What the ledger calls a piece: part of a public object, or a private one's lock. */
import { type DealPiece, rootOfLabel, type Statement } from '@holdfast/core'
import { hexToBytes } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'

/** The root of the public object that a piece of a deal is part of; undefined for a private piece. */
export function publicRootOfPiece(piece: DealPiece): CID | undefined {
  return rootOfLabel(labelOf(piece))
}

/** The root that an order gives to its piece at this position; undefined for a private piece. */
export function publicRootOf({ labels }: Statement<'PiecesOrder'>, position: number): CID | undefined {
  const label = labels[position]
  return label === undefined ? undefined : rootOfLabel(label)
}

/** The label of a piece of a deal, as the ledger holds it. */
export function labelOf({ label }: DealPiece): Uint8Array {
  return hexToBytes(label)
}
