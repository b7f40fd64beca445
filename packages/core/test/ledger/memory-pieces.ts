/** Pieces in memory: their bytes, their layers, and the damage that tests do to them. */
import { createPieceHasher, type PieceDigest, portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'
import type { PieceReader, ReadablePiece } from '../../src/provider/prove.ts'

export interface TestPiece extends PieceDigest {
  readonly bytes: Uint8Array
}

/** A piece of bytes that follow from its name. */
export function pieceOf(name: string, sizeBytes = 3000): TestPiece {
  const bytes = new Uint8Array(sizeBytes)
  for (let offset = 0; offset < sizeBytes; offset += 32) {
    bytes.set(sha256(utf8ToBytes(`${name}/${offset}`)).subarray(0, Math.min(32, sizeBytes - offset)), offset)
  }
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(bytes)
  return { bytes, ...hasher.digest() }
}

/** The root CID of an object, as far as the ledger is concerned. */
export function rootOf(name: string): CID {
  return CID.createV1(raw.code, createMultihash(0x12, sha256(utf8ToBytes(name))))
}

/** One provider's store. */
export class MemoryPieces implements PieceReader {
  readonly #pieces = new Map<string, TestPiece>()

  constructor(...pieces: readonly TestPiece[]) {
    for (const piece of pieces) this.put(piece)
  }

  put(piece: TestPiece): void {
    this.#pieces.set(piece.cid.toString(), { ...piece, bytes: piece.bytes.slice() })
  }

  /** Zeroes every byte; the layer stays, as it would on a disk that loses a file's blocks. */
  zero(cid: CID): void {
    this.#pieces.get(cid.toString())!.bytes.fill(0)
  }

  lose(cid: CID): void {
    this.#pieces.delete(cid.toString())
  }

  async open(cid: CID): Promise<ReadablePiece | undefined> {
    const piece = this.#pieces.get(cid.toString())
    if (piece === undefined) return undefined
    return {
      layer: piece.layer,
      read: async (offset, size) => piece.bytes.slice(offset, offset + size),
      [Symbol.asyncDispose]: async () => undefined
    }
  }
}
