/** Builds the proofs that a deal owes: a pure plan over pieces that are read through `PieceReader`. */
import { type CachedLayer, type NodeHasher, proveLeaves, type SparseLayer } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { PieceProof } from '../ledger/commands.ts'
import { findPiece } from '../ledger/proof-rules.ts'
import type { DealPiece } from '../ledger/state.ts'
import type { PieceChallenge } from '../rounds/challenge.ts'

/** A provider's pieces, as the prover sees them. */
export interface PieceReader {
  /** @returns undefined when the piece is not here */
  open(piece: CID): Promise<ReadablePiece | undefined>
}

/** A piece that is being read; disposed of by whoever opened it. */
export interface ReadablePiece extends AsyncDisposable {
  /** The cached middle layer; of a large piece, the way to its parts. */
  readonly layer: CachedLayer | SparseLayer
  /** @returns raw bytes of the piece; fewer when it is shorter. Does not check them: that is what the proof is for */
  read(offset: number, size: number): Promise<Uint8Array>
}

/**
 * @returns one multi-proof for each challenged piece, same order
 * @throws {ProofError} `SOURCE_TOO_SHORT`
 * @returns undefined when a piece is not here: there is nothing to say to a verifier then
 */
export async function proveChallenges(
  challenges: readonly PieceChallenge[],
  pieces: readonly DealPiece[],
  reader: PieceReader,
  nodeHasher: NodeHasher,
  signal: AbortSignal
): Promise<PieceProof[] | undefined> {
  const proofs: PieceProof[] = []
  for (const { pieceId, leafIndices } of challenges) {
    const { cid, rawSize } = findPiece(pieces, pieceId)!
    await using piece = await reader.open(cid)
    if (piece === undefined) return undefined
    const { layer, read } = piece
    const proof = await proveLeaves({ read, commitment: { rawSize }, layer, nodeHasher, signal, leafIndices })
    proofs.push({ pieceId, leafIndices: [...leafIndices], ...proof })
  }
  return proofs
}
