/**
 * Says of a piece whose bytes stream by whether it is a CAR whose blocks are what their CIDs say.
 *
 * Blocks under SHA-256 are hashed as they come, where a worker does it; one under another hash is only compared when it is
 * read. Keeps the front of a section and nothing else, whatever the CAR announces.
 */
import { createHash } from 'node:crypto'
import {
  type CarBlockPosition,
  cidFault,
  createCarScanner,
  SECTION_FRONT_SIZE_BYTES_MAX
} from '@holdfast/core/threads/intake'
import { sha256 } from 'multiformats/hashes/sha2'

export interface CarFacts {
  /** Whether the piece is one whole CARv1 and no block in it was found to be another than its CID says. */
  readonly isCar: boolean
  /** Blocks that can be served; 0 when it is no such CAR. */
  readonly blockCount: number
}

export interface BlockCollector {
  /** Reads the bytes before it returns and keeps none of them but a copy of the last few. */
  update(bytes: Uint8Array): void
  finish(): CarFacts
}

export function createBlockCollector(): BlockCollector {
  let isCar = true
  let blockCount = 0
  /** The last bytes before the chunk: a block's first ones may be among them. */
  let tail = Buffer.alloc(0)
  let chunk: Uint8Array = tail
  let chunkOffset = 0
  /** Of the block under way, over all of it that came before the chunk; undefined when that is known from the tail. */
  let hash: ReturnType<typeof createHash> | undefined

  const scanner = createCarScanner({
    onBlock(block) {
      if (cidFault(block.cid) !== undefined) return
      blockCount += 1
      if (!isHashed(block)) return
      const digest = hashTo(block, block.offset + block.length).digest()
      hash = undefined
      if (!digest.equals(block.cid.multihash.digest)) isCar = false
    }
  })

  function hashTo({ offset }: CarBlockPosition, end: number): ReturnType<typeof createHash> {
    const begun = hash ?? createHash('sha256')
    if (hash === undefined && offset < chunkOffset) begun.update(tail.subarray(offset - chunkOffset))
    return begun.update(chunk.subarray(Math.max(0, offset - chunkOffset), end - chunkOffset))
  }

  function endChunk(): void {
    const end = chunkOffset + chunk.length
    const { pending } = scanner
    if (pending !== undefined && isHashed(pending)) hash = hashTo(pending, end)
    const last = chunk.subarray(-SECTION_FRONT_SIZE_BYTES_MAX)
    tail = Buffer.concat([tail, last]).subarray(-SECTION_FRONT_SIZE_BYTES_MAX)
    chunkOffset = end
  }

  return {
    update(bytes) {
      if (!isCar) return
      chunk = bytes
      isCar = scanner.update(bytes).ok && isCar
      if (isCar) endChunk()
      chunk = tail
    },
    finish() {
      const isWhole = isCar && scanner.finish().ok
      return { isCar: isWhole, blockCount: isWhole ? blockCount : 0 }
    }
  }
}

function isHashed({ cid }: CarBlockPosition): boolean {
  return cidFault(cid) === undefined && cid.multihash.code === sha256.code
}
