import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { equalBytes } from '../equal-bytes.ts'
import { BLOCK_SIZE_BYTES_MAX, DIGEST_SIZE_BYTES_MAX } from './car.ts'

const SHA_256_SIZE_BYTES = 32

export type CidFault = 'codec' | 'hash' | 'digest-size'

export type BlockVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: CidFault | 'too-large' | 'digest-mismatch' }

/**
 * What makes a CID one that content may not name, or `undefined`.
 *
 * Allowed are raw and dag-pb, under sha2-256 of full length or an identity digest of at most 128 bytes: what UnixFS
 * consists of. A weak or unknown hash would let two contents share a name.
 */
export function cidFault(cid: CID): CidFault | undefined {
  if (cid.code !== raw.code && cid.code !== dagPb.code) return 'codec'
  const { code, size } = cid.multihash
  if (code === sha256.code) return size === SHA_256_SIZE_BYTES ? undefined : 'digest-size'
  if (code === identity.code) return size <= DIGEST_SIZE_BYTES_MAX ? undefined : 'digest-size'
  return 'hash'
}

/** The bytes that an identity CID carries in itself, or `undefined` for a CID whose block must be fetched. */
export function inlineBlock(cid: CID): Uint8Array | undefined {
  return cid.multihash.code === identity.code ? cid.multihash.digest : undefined
}

/** Checks that `bytes` are the block that `cid` names, under the limits of {@link cidFault}. Keeps nothing. */
export async function checkBlock(cid: CID, bytes: Uint8Array): Promise<BlockVerdict> {
  const fault = cidFault(cid)
  if (fault !== undefined) return { ok: false, reason: fault }
  if (bytes.length > BLOCK_SIZE_BYTES_MAX) return { ok: false, reason: 'too-large' }
  const actual = cid.multihash.code === identity.code ? bytes : (await sha256.digest(bytes)).digest
  return equalBytes(actual, cid.multihash.digest) ? { ok: true } : { ok: false, reason: 'digest-mismatch' }
}
