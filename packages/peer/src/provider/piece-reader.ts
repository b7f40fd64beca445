/** A piece store as the prover reads it. */
import type { PieceReader } from '@holdfast/core'
import { PeerError } from '../error.ts'
import type { PieceStore } from '../storage/index.ts'

export function createStorePieceReader(store: Pick<PieceStore, 'open'>): PieceReader {
  return {
    async open(piece) {
      try {
        return await store.open(piece)
      } catch (error) {
        if (error instanceof PeerError && (error.code === 'PIECE_NOT_FOUND' || error.code === 'PIECE_MISSING'))
          return undefined
        throw error
      }
    }
  }
}
