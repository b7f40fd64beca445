/** Commits to pieces while they are written: a layer around the sinks of a packer that hashes what passes through. */
import { createPieceHasher, type NodeHasher, type PieceDigest } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { borrowBuffer, type LaidOutPiece, type OpenPiece, type PackedPiece } from './piece-packer.ts'

/** Hashes one piece as its bytes go by; on other threads where there are any. A `PieceHasher` is one. */
export interface PieceHashing {
  /** Takes the next bytes, which are not kept beyond the promise; it is slow when the hashing does not keep up. */
  update(bytes: Uint8Array): void | Promise<void>
  /** Ends the piece. */
  digest(): Pick<PieceDigest, 'cid'> | Promise<Pick<PieceDigest, 'cid'>>
  /** Gives the piece up; without effect once it has ended. */
  discard?(): void
}

/** How pieces are to be hashed. */
export interface HashingOptions {
  readonly nodeHasher: NodeHasher
  /**
   * Default: hashes with `nodeHasher` on this thread. With a replica's key it hashes what the bytes become under that
   * key's keystream (see replica-layer.ts), else the bytes as they are.
   */
  readonly createHasher?: ((replicaKey?: Uint8Array) => PieceHashing) | undefined
}

export interface HashedPieces {
  /** Opens the sinks of the layer, which write to those of `openPiece`. */
  readonly openPiece: OpenPiece
  /** Adds the PieceCIDs; every piece must have been closed. */
  commit(pieces: readonly LaidOutPiece[]): PackedPiece[]
}

export function hashPieces(openPiece: OpenPiece, { nodeHasher, createHasher }: HashingOptions): HashedPieces {
  const cids: CID[] = []
  return {
    async openPiece(index) {
      const sink = await openPiece(index)
      const hashing: PieceHashing = createHasher?.() ?? createPieceHasher({ nodeHasher })
      return {
        async write(bytes) {
          await hashing.update(bytes)
          await sink.write(bytes)
        },
        async close() {
          await sink.close()
          cids[index] = (await hashing.digest()).cid
        },
        discard() {
          hashing.discard?.()
          return sink.discard()
        },
        lend: sizeBytes => borrowBuffer(sink, sizeBytes)
      }
    },
    commit: pieces => pieces.map((piece, index) => ({ ...piece, cid: cids[index]! }))
  }
}
