import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { CoreError } from '../error.ts'
import { decodeUnixfsNode, rawNode, type UnixfsNode } from './unixfs-node.ts'

/**
 * Decodes a checked block by the codec of its CID.
 *
 * @throws {CoreError} `MALFORMED_CONTENT`
 */
export function decodeNode(cid: CID, bytes: Uint8Array): UnixfsNode {
  if (cid.code === raw.code) return rawNode(bytes)
  const verdict = decodeUnixfsNode(bytes)
  if (!verdict.ok) throw malformed(cid, verdict.fault)
  return verdict.node
}

/** The error for a block that is what its CID says but not sound UnixFS. */
export function malformed(cid: CID, fault: string): CoreError {
  return new CoreError('MALFORMED_CONTENT', `block ${cid} is not sound UnixFS: ${fault}`, {
    cid: cid.toString(),
    fault
  })
}
