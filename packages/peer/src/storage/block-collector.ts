/**
 * Says of a piece whose bytes stream by whether it is a CAR whose blocks are what their CIDs say.
 *
 * Keeps the bytes of the block that is under way and nothing else, whatever the CAR announces. Blocks under SHA-256 are
 * hashed here, where a worker does it; one under another hash is only compared when it is read.
 */
import { createHash } from 'node:crypto'
import { BLOCK_SIZE_BYTES_MAX, cidFault, createCarScanner } from '@holdfast/core'
import { sha256 } from 'multiformats/hashes/sha2'

/** A block that is under way, with its section's front. */
const TAIL_SIZE_BYTES_MAX = BLOCK_SIZE_BYTES_MAX + 1024

export interface CarFacts {
  /** Whether the piece is one whole CARv1 and no block in it was found to be another than its CID says. */
  readonly isCar: boolean
  /** Blocks that can be served; 0 when it is no such CAR. */
  readonly blockCount: number
}

export interface BlockCollector {
  /** Reads the bytes before it returns and keeps none of them but a copy of what no block has ended yet. */
  update(bytes: Uint8Array): void
  finish(): CarFacts
}

export function createBlockCollector(): BlockCollector {
  let isCar = true
  let blockCount = 0
  /** Copied bytes of the block under way, from `tailOffset` on. */
  let tail = Buffer.alloc(0)
  let tailOffset = 0
  let chunk: Uint8Array = tail
  let chunkOffset = 0
  let ended = 0

  const scanner = createCarScanner({
    onBlock({ cid, offset, length, sectionOffset, sectionLength }) {
      ended = sectionOffset + sectionLength
      if (cidFault(cid) !== undefined) return
      blockCount += 1
      if (cid.multihash.code !== sha256.code) return
      if (!digestOf(offset, length).equals(cid.multihash.digest)) isCar = false
    }
  })

  function digestOf(offset: number, length: number): Buffer {
    const digest = createHash('sha256')
    if (offset < chunkOffset) digest.update(tail.subarray(offset - tailOffset, offset - tailOffset + length))
    const start = Math.max(0, offset - chunkOffset)
    return digest.update(chunk.subarray(start, offset - chunkOffset + length)).digest()
  }

  /** What must wait for more bytes: everything behind the last whole section. */
  function keepTail(): void {
    const end = chunkOffset + chunk.length
    if (ended >= chunkOffset) {
      tail = Buffer.from(chunk.subarray(ended - chunkOffset))
      tailOffset = Math.min(ended, end)
    } else {
      tail = Buffer.concat([tail, chunk])
    }
    chunkOffset = end
    if (tail.length > TAIL_SIZE_BYTES_MAX) isCar = false
  }

  return {
    update(bytes) {
      if (!isCar) return
      chunk = bytes
      isCar = scanner.update(bytes).ok && isCar
      if (isCar) keepTail()
      else tail = Buffer.alloc(0)
      chunk = tail
    },
    finish() {
      const isWhole = isCar && scanner.finish().ok
      return { isCar: isWhole, blockCount: isWhole ? blockCount : 0 }
    }
  }
}
