/** Commits to pieces while they are written: a layer around the sinks of a packer that hashes what passes through. */
import { createPieceHasher, type NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { LaidOutPiece, OpenPiece, PackedPiece } from './piece-packer.ts'

export interface HashedPieces {
  /** Opens the sinks of the layer, which write to those of `openPiece`. */
  readonly openPiece: OpenPiece
  /** Adds the PieceCIDs; every piece must have been closed. */
  commit(pieces: readonly LaidOutPiece[]): PackedPiece[]
}

export function hashPieces(openPiece: OpenPiece, nodeHasher: NodeHasher): HashedPieces {
  const cids: CID[] = []
  return {
    async openPiece(index) {
      const sink = await openPiece(index)
      const hasher = createPieceHasher({ nodeHasher })
      return {
        write(bytes) {
          hasher.update(bytes)
          return sink.write(bytes)
        },
        async close() {
          await sink.close()
          cids[index] = hasher.digest().cid
        },
        discard: () => sink.discard()
      }
    },
    commit: pieces => pieces.map((piece, index) => ({ ...piece, cid: cids[index]! }))
  }
}
