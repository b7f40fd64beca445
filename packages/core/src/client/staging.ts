/** Where the pieces of an object wait while they are stored: memory here, a directory in `@holdfast/peer`. */
import type { OpenPiece } from '../content/index.ts'

export interface Staging extends AsyncDisposable {
  readonly openPiece: OpenPiece
  /**
   * Bytes of a closed piece from an offset on. A chunk belongs to the caller, who may write to it, until he asks for the
   * one after the next `SENT_CHUNKS_KEPT - 1`: then its memory may be filled again.
   */
  readPiece(index: number, offset: number): AsyncIterable<Uint8Array>
}

/** Chunks in which staged pieces are read: one chunk of the wire. */
export const STAGED_READ_SIZE_BYTES = 1024 * 1024

/** For small objects, and where there is no disk. */
export function createMemoryStaging(): Staging {
  const pieces: Uint8Array[][] = []
  return {
    async openPiece(index) {
      const chunks: Uint8Array[] = []
      pieces[index] = chunks
      return {
        write: async bytes => void chunks.push(bytes.slice()),
        close: async () => undefined,
        discard: async () => void chunks.splice(0)
      }
    },
    async *readPiece(index, offset) {
      let start = 0
      for (const chunk of pieces[index]!) {
        const from = Math.max(0, offset - start)
        if (from < chunk.length) yield chunk.slice(from)
        start += chunk.length
      }
    },
    async [Symbol.asyncDispose]() {
      pieces.splice(0)
    }
  }
}
