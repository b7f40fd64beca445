import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { CoreError } from '../error.ts'
import { LastUsed } from './last-used.ts'
import { decodeUnixfsNode, rawNode, type UnixfsNode } from './unixfs-node.ts'

/** Links of all nodes that are remembered: those of 32 GiB of files, in some 10 MB. */
const REMEMBERED_PARTS_MAX = 32 * 1024
/** Nodes with fewer are decoded in no time. */
const REMEMBERED_NODE_PARTS_MIN = 64

type FileNode = UnixfsNode & { readonly kind: 'file' }

/**
 * Nodes of large files that were decoded last. Decoding a thousand links takes as long as a round trip, and
 * who reads a range mostly reads others of the same file. A CID stands for the same node for ever.
 */
const remembered = new LastUsed<FileNode>({
  weightMax: REMEMBERED_PARTS_MAX,
  weightOf: ({ parts }) => parts.length
})

/**
 * Decodes a checked block by the codec of its CID.
 *
 * @throws {CoreError} `MALFORMED_CONTENT`
 */
export function decodeNode(cid: CID, bytes: Uint8Array): UnixfsNode {
  if (cid.code === raw.code) return rawNode(bytes)
  const known = recallNode(cid)
  if (known !== undefined) return known
  const key = cid.toString()
  const verdict = decodeUnixfsNode(bytes)
  if (!verdict.ok) throw malformed(cid, verdict.fault)
  if (verdict.node.kind === 'file') remember(key, verdict.node)
  return verdict.node
}

/** @returns a node that was decoded from its checked block not long ago, or undefined */
export function recallNode(cid: CID): FileNode | undefined {
  return remembered.get(cid.toString())
}

function remember(key: string, node: FileNode): void {
  const count = node.parts.length
  // One of content and links is nobody's but a test's, and would keep its content in memory.
  if (count < REMEMBERED_NODE_PARTS_MIN || count > REMEMBERED_PARTS_MAX || node.data.length > 0) return
  remembered.set(key, node)
}

/** The error for a block that is what its CID says but not sound UnixFS. */
export function malformed(cid: CID, fault: string): CoreError {
  return new CoreError('MALFORMED_CONTENT', `block ${cid} is not sound UnixFS: ${fault}`, {
    cid: cid.toString(),
    fault
  })
}
