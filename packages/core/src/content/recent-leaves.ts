/**
 * Leaves of which a reader wanted a part: who reads a range mostly goes on where it ends, or comes back, and a leaf has to be
 * fetched and hashed whole for each byte of it.
 *
 * Kept for all readers of a process. A CID stands for the same bytes for ever, and only checked ones come here.
 */
import type { CID } from 'multiformats/cid'

/** Eight leaves of the default profile. */
export const RECENT_LEAVES_SIZE_BYTES_MAX = 8 * 1024 * 1024

/** Blocks, those used last at the end. */
const recent = new Map<string, Uint8Array>()
let recentBytes = 0

/** @param block - checked against its CID; nobody changes its bytes from now on */
export function rememberLeaf(cid: CID, block: Uint8Array): void {
  forget(cid.toString())
  recent.set(cid.toString(), block)
  recentBytes += block.length
  for (const key of recent.keys()) {
    if (recentBytes <= RECENT_LEAVES_SIZE_BYTES_MAX) break
    forget(key)
  }
}

/** @returns a block whose bytes are everybody's: hand on copies */
export function recallLeaf(cid: CID): Uint8Array | undefined {
  const key = cid.toString()
  const block = recent.get(key)
  if (block === undefined) return undefined
  recent.delete(key)
  recent.set(key, block)
  return block
}

function forget(key: string): void {
  recentBytes -= recent.get(key)?.length ?? 0
  recent.delete(key)
}
