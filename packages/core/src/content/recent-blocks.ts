import type { CID } from 'multiformats/cid'
import { LastUsed } from './last-used.ts'

/** Eight leaves of the default profile. */
const RECENT_BLOCKS_SIZE_BYTES_MAX = 8 * 1024 * 1024

/**
 * Blocks that readers of ranges needed: who reads one mostly goes on where it ends, or comes back, and a leaf has to be fetched
 * and hashed whole for each byte of it. For readers who want the bytes, not to know who still has them.
 */
export interface RecentBlocks {
  /** @returns a block whose bytes are everybody's, and may be others once the caller has waited for anything: hand on copies */
  recall(cid: CID): Uint8Array | undefined
  /**
   * @param block - checked against its CID; nobody changes its bytes from now on
   * @param forgotten - told when it is not remembered any more
   */
  remember(cid: CID, block: Uint8Array, forgotten?: () => void): void
  /** Says that a part of a block is wanted. @returns whether one was not long ago: who comes back mostly reads on */
  touch(cid: CID): boolean
}

/**
 * Blocks of which a part was wanted last. Half of the leaves that are remembered: who jumps about in more of them would have each
 * forgotten before he comes back, and fetch it whole every time.
 */
const TOUCHED_BLOCKS_MAX = 4

export function createRecentBlocks(sizeBytesMax = RECENT_BLOCKS_SIZE_BYTES_MAX): RecentBlocks {
  const blocks = new LastUsed<{ readonly block: Uint8Array; readonly forgotten: () => void }>({
    weightMax: sizeBytesMax,
    weightOf: ({ block }) => block.length,
    forgotten: ({ forgotten }) => forgotten()
  })
  const touched = new LastUsed<true>({ weightMax: TOUCHED_BLOCKS_MAX, weightOf: () => 1 })
  return {
    touch(cid) {
      const key = cid.toString()
      const wasTouched = touched.get(key) !== undefined
      if (!wasTouched) touched.set(key, true)
      return wasTouched
    },
    recall: cid => blocks.get(cid.toString())?.block,
    remember(cid, block, forgotten = () => undefined) {
      const key = cid.toString()
      if (blocks.get(key)?.block !== block) blocks.set(key, { block, forgotten })
    }
  }
}
