/**
 * Notes where the blocks of a piece stand while its bytes stream by, in case the piece is a CAR.
 *
 * Positions and CIDs only: nobody has compared a block with its CID yet, which is done whenever one is read.
 */
import { cidFault, createCarScanner } from '@holdfast/core'

/**
 * Blocks of one piece that are indexed: an average of 4 KiB in the largest piece. A CAR of smaller ones is stored and
 * proved, but not served block by block, or its index would outgrow it and its list the memory of this process.
 */
export const BLOCKS_INDEXED_MAX = 2 ** 18

export interface BlockPlace {
  /** Hex of the multihash: one block under its v0 and v1 CIDs. */
  readonly multihash: string
  /** Where its data begins in the piece. */
  readonly offset: number
  readonly length: number
}

export interface CollectedBlocks {
  /** Whether the piece is one whole CARv1. */
  readonly isPublicCar: boolean
  /** Whether it held more blocks than are indexed; `places` is empty then. */
  readonly tooMany: boolean
  readonly places: readonly BlockPlace[]
}

export interface BlockCollector {
  update(bytes: Uint8Array): void
  finish(): CollectedBlocks
}

export function createBlockCollector(): BlockCollector {
  let places: BlockPlace[] = []
  let blockCount = 0
  let isCar = true
  const scanner = createCarScanner({
    onBlock({ cid, offset, length }) {
      if (cidFault(cid) !== undefined) return
      blockCount += 1
      if (blockCount <= BLOCKS_INDEXED_MAX) {
        places.push({ multihash: Buffer.from(cid.multihash.bytes).toString('hex'), offset, length })
      } else {
        places = []
      }
    }
  })
  return {
    update(bytes) {
      if (!isCar) return
      isCar = scanner.update(bytes).ok
      if (!isCar) places = []
    },
    finish() {
      const isPublicCar = isCar && scanner.finish().ok
      return { isPublicCar, tooMany: blockCount > BLOCKS_INDEXED_MAX, places: isPublicCar ? places : [] }
    }
  }
}
