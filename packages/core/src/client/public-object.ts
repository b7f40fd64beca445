/** A packed object whose replicas are all its own bytes, readable by whoever knows the root. */
import type { CID } from 'multiformats/cid'
import type { ReplicaPiece, StorableObject } from './components.ts'

/** Pieces that lie somewhere, in order. */
export interface PieceBytes {
  readonly pieces: readonly { readonly cid: CID; readonly rawSize: number; readonly leafCount: number }[]
  /** Raw bytes of a piece from an offset on. */
  readPiece(index: number, offset: number): AsyncIterable<Uint8Array>
}

/** The label of a public piece is the root of its object. */
export function createPublicObject(root: CID, { pieces, readPiece }: PieceBytes): StorableObject {
  const replica: readonly ReplicaPiece[] = pieces.map((piece, index) => ({
    ...piece,
    label: root.bytes,
    commit: async () => piece.cid,
    read: offset => readPiece(index, offset)
  }))
  return { areReplicasIdentical: true, replica: () => replica }
}
