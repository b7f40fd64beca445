import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { encodeVarint } from './varint.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Largest block that goes over the network: the limit of bitswap and of every public gateway. */
export const BLOCK_SIZE_BYTES_MAX = 2 * MIB

/** Longest digest a CID may carry; an identity digest is the data itself, and 128 bytes is Kubo's limit for it. */
export const DIGEST_SIZE_BYTES_MAX = 128

/** Version, codec and hash code of at most nine bytes each, two bytes of length, the digest. */
export const CID_SIZE_BYTES_MAX = 3 * 9 + 2 + DIGEST_SIZE_BYTES_MAX

/** Longest body of a section, so of what its varint may announce. */
export const SECTION_BODY_SIZE_BYTES_MAX = CID_SIZE_BYTES_MAX + BLOCK_SIZE_BYTES_MAX

/** Longest whole section: its body behind a varint of four bytes, which reach 2^28. */
export const SECTION_SIZE_BYTES_MAX = 4 + SECTION_BODY_SIZE_BYTES_MAX

/** Longest body of a header; one with thirty thousand roots fits. */
export const CAR_HEADER_SIZE_BYTES_MAX = MIB

/**
 * The root that stands in the header of every piece: the CID of no bytes (`bafkqaaa`). The true root is known when the
 * last block is written, too late for a header that was streamed and hashed first.
 */
export const PLACEHOLDER_ROOT: CID = CID.createV1(raw.code, identity.digest(new Uint8Array(0)))

/** A CARv1 header, its length varint included. */
export function encodeCarHeader(roots: readonly CID[]): Uint8Array {
  return withLength(dagCbor.encode({ version: 1, roots: [...roots] }))
}

/**
 * What stands before the data of a block in a CARv1 section: the varint of the body's length, then the CID.
 *
 * @throws {RangeError} for a block or CID that no reader would take
 */
export function encodeSectionPrefix(cid: CID, blockSizeBytes: number): Uint8Array {
  if (blockSizeBytes > BLOCK_SIZE_BYTES_MAX || cid.byteLength > CID_SIZE_BYTES_MAX) {
    throw new RangeError(
      `a section holds a CID of ${CID_SIZE_BYTES_MAX} and a block of ${BLOCK_SIZE_BYTES_MAX} bytes at most, ` +
        `got ${cid.byteLength} and ${blockSizeBytes}`
    )
  }
  const length = encodeVarint(cid.byteLength + blockSizeBytes)
  const prefix = new Uint8Array(length.length + cid.byteLength)
  prefix.set(length)
  prefix.set(cid.bytes, length.length)
  return prefix
}

/** A whole CARv1 section. */
export function encodeSection(cid: CID, block: Uint8Array): Uint8Array {
  const prefix = encodeSectionPrefix(cid, block.length)
  const section = new Uint8Array(prefix.length + block.length)
  section.set(prefix)
  section.set(block, prefix.length)
  return section
}

function withLength(body: Uint8Array): Uint8Array {
  const length = encodeVarint(body.length)
  const bytes = new Uint8Array(length.length + body.length)
  bytes.set(length)
  bytes.set(body, length.length)
  return bytes
}
