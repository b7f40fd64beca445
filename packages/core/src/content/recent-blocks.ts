import type { CID } from 'multiformats/cid'

/** Eight leaves of the default profile. */
const RECENT_BLOCKS_SIZE_BYTES_MAX = 8 * 1024 * 1024

/**
 * Blocks that readers of ranges needed: who reads one mostly goes on where it ends, or comes back, and a leaf has to be fetched
 * and hashed whole for each byte of it. For readers who want the bytes, not to know who still has them.
 */
export interface RecentBlocks {
  /** @returns a block whose bytes are everybody's: hand on copies */
  recall(cid: CID): Uint8Array | undefined
  /** @param block - checked against its CID; nobody changes its bytes from now on */
  remember(cid: CID, block: Uint8Array): void
}

export function createRecentBlocks(sizeBytesMax = RECENT_BLOCKS_SIZE_BYTES_MAX): RecentBlocks {
  /** Those used last at the end. */
  const blocks = new Map<string, Uint8Array>()
  let sizeBytes = 0

  function forget(key: string): void {
    sizeBytes -= blocks.get(key)?.length ?? 0
    blocks.delete(key)
  }

  return {
    recall(cid) {
      const key = cid.toString()
      const block = blocks.get(key)
      if (block === undefined) return undefined
      blocks.delete(key)
      blocks.set(key, block)
      return block
    },
    remember(cid, block) {
      forget(cid.toString())
      blocks.set(cid.toString(), block)
      sizeBytes += block.length
      for (const key of blocks.keys()) {
        if (sizeBytes <= sizeBytesMax) break
        forget(key)
      }
    }
  }
}
