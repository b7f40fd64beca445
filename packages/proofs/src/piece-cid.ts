/**
 * Piece CIDs: v2 (FRC-0069), which carries the size, and v1, which does not.
 *
 *   v2 = 01 55 9120 mhLength uvarint(padding) height root      mhLength = length(uvarint(padding)) + 33
 *   v1 = 01 81e203 9220 20 root
 *
 * Decoding is strict: every CID that it takes, encoding gives back byte for byte. PDPVerifier takes CIDs with a height or
 * a padding that the size does not need; such a CID shrinks what can be challenged, so it is refused here.
 *
 * @see SPEC.md §4
 */

import { varint } from 'multiformats'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { expectBytes, expectObject } from './arguments.ts'
import { HEIGHT_MAX, HEIGHT_MIN, heightOf, LEAF_SIZE_BYTES, paddingOf, rawCapacityOf } from './sizes.ts'

/** What a PieceCIDv2 says: plain data. */
export interface PieceCommitment {
  /** 32 bytes. */
  root: Uint8Array
  /** Raw bytes of the piece. */
  rawSize: number
  /** Height of the tree: `heightOf(rawSize)`. */
  height: number
}

/** Requires a root of 32 bytes; the functions of sizes.ts check the size. */
export function expectCommitment(commitment: Pick<PieceCommitment, 'root'>): void {
  expectObject('commitment', commitment)
  expectBytes('commitment.root', commitment.root, LEAF_SIZE_BYTES)
}

/** A CID as bytes, or a `CID` of any version of multiformats. */
export type CidBytes = Uint8Array | { readonly bytes: Uint8Array }

/** Why bytes or a text are no PieceCIDv2 that encoding would have made. */
export type PieceCidReason =
  /** Not a CID, not bytes, not lower-case base32, or far too long. */
  | 'not-a-cid'
  /** A CID of something else: wrong version, codec or hash function. */
  | 'not-a-piece-cid'
  /** A number takes more bytes than it needs. */
  | 'varint-not-minimal'
  /** The multihash or the whole is longer or shorter than it says. */
  | 'wrong-length'
  /** The height is below 2 or above 50. */
  | 'height-out-of-range'
  /** The padding is not less than the tree, or so large that a smaller tree would do. */
  | 'padding-not-canonical'
  /** Above 2^53 − 1 raw bytes. */
  | 'size-out-of-range'

export type PieceCidVerdict = { ok: true; commitment: PieceCommitment } | { ok: false; reason: PieceCidReason }

/** `fr32-sha256-trunc254-padbintree`, the multihash of PieceCIDv2. */
const PIECE_MULTIHASH_CODE = 0x1011
const RAW_CODEC_CODE = 0x55
const V2_PREFIX = Uint8Array.of(0x01, 0x55, 0x91, 0x20)
/** `fil-commitment-unsealed` and `sha2-256-trunc254-padded`: codec and multihash of PieceCIDv1. */
const V1_CODEC_CODE = 0xf101
const V1_MULTIHASH_CODE = 0x1012
const V1_PREFIX = Uint8Array.of(0x01, 0x81, 0xe2, 0x03, 0x92, 0x20, 0x20)
/** height and root behind the padding. */
const V2_TAIL_SIZE_BYTES = 1 + LEAF_SIZE_BYTES
/** A 64-bit number as uvarint; more is no size. */
const VARINT_SIZE_BYTES_MAX = 10
const V2_SIZE_BYTES_MAX = V2_PREFIX.length + 1 + VARINT_SIZE_BYTES_MAX + V2_TAIL_SIZE_BYTES
/** base32 gives 8 characters for 5 bytes, behind its one-letter prefix. */
const TEXT_LENGTH_MAX = 1 + Math.ceil((V2_SIZE_BYTES_MAX * 8) / 5)

/**
 * Encodes a PieceCIDv2.
 *
 * A size of 0 has a CID (FRC-0069's own test case), though nothing of such a piece can be challenged.
 */
export function encodePieceCid({ root, rawSize }: Pick<PieceCommitment, 'root' | 'rawSize'>): CID {
  expectBytes('root', root, LEAF_SIZE_BYTES)
  const padding = paddingOf(rawSize)
  const paddingSize = varint.encodingLength(padding)
  const digest = new Uint8Array(paddingSize + V2_TAIL_SIZE_BYTES)
  varint.encodeTo(padding, digest, 0)
  digest[paddingSize] = heightOf(rawSize)
  digest.set(root, paddingSize + 1)
  return CID.createV1(RAW_CODEC_CODE, createMultihash(PIECE_MULTIHASH_CODE, digest))
}

/** Decodes a PieceCIDv2 strictly. Never throws: whatever comes gives a verdict. */
export function decodePieceCid(cid: CidBytes): PieceCidVerdict {
  const bytes = bytesOf(cid)
  if (bytes === undefined) return refuse('not-a-cid')
  if (!startsWith(bytes, V2_PREFIX)) return refuse('not-a-piece-cid')
  const multihashSize = bytes[V2_PREFIX.length]
  const digest = bytes.subarray(V2_PREFIX.length + 1)
  // A size of 128 and more would take a second byte; no padding of a number needs it.
  if (multihashSize === undefined || multihashSize !== digest.length) return refuse('wrong-length')
  if (digest.length <= V2_TAIL_SIZE_BYTES) return refuse('wrong-length')
  const padding = decodePadding(digest.subarray(0, -V2_TAIL_SIZE_BYTES))
  if (typeof padding === 'string') return refuse(padding)
  const height = digest[digest.length - V2_TAIL_SIZE_BYTES]!
  if (height < HEIGHT_MIN || height > HEIGHT_MAX) return refuse('height-out-of-range')
  const capacity = rawCapacityOf(height)
  const rawSize = BigInt(capacity) - padding
  if (rawSize < 0n) return refuse('padding-not-canonical')
  if (rawSize > BigInt(Number.MAX_SAFE_INTEGER)) return refuse('size-out-of-range')
  if (heightOf(Number(rawSize)) !== height) return refuse('padding-not-canonical')
  return { ok: true, commitment: { root: digest.slice(-LEAF_SIZE_BYTES), rawSize: Number(rawSize), height } }
}

/** Parses the text of a PieceCIDv2 (lower-case base32, `bafkzci…`) as strictly as {@link decodePieceCid}. */
export function parsePieceCid(text: string): PieceCidVerdict {
  const bytes = parseBase32(text)
  return bytes === undefined ? refuse('not-a-cid') : decodePieceCid(bytes)
}

/** Encodes a PieceCIDv1, which names the root alone. */
export function encodePieceCidV1(root: Uint8Array): CID {
  expectBytes('root', root, LEAF_SIZE_BYTES)
  return CID.createV1(V1_CODEC_CODE, createMultihash(V1_MULTIHASH_CODE, root))
}

export type PieceCidV1Verdict =
  | { ok: true; root: Uint8Array }
  | { ok: false; reason: 'not-a-cid' | 'not-a-piece-cid' | 'wrong-length' }

/** Decodes a PieceCIDv1 strictly. Never throws. */
export function decodePieceCidV1(cid: CidBytes): PieceCidV1Verdict {
  const bytes = bytesOf(cid)
  if (bytes === undefined) return { ok: false, reason: 'not-a-cid' }
  if (!startsWith(bytes, V1_PREFIX)) return { ok: false, reason: 'not-a-piece-cid' }
  if (bytes.length !== V1_PREFIX.length + LEAF_SIZE_BYTES) return { ok: false, reason: 'wrong-length' }
  return { ok: true, root: bytes.slice(V1_PREFIX.length) }
}

function refuse(reason: PieceCidReason): PieceCidVerdict {
  return { ok: false, reason }
}

/** @returns the bytes of what may be no CID at all */
function bytesOf(cid: CidBytes): Uint8Array | undefined {
  const bytes = cid instanceof Uint8Array ? cid : cid?.bytes
  return bytes instanceof Uint8Array ? bytes : undefined
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte)
}

/** Reads the uvarint that fills `bytes` exactly. A bigint, because 64 bits pass 2^53 before they are checked. */
function decodePadding(bytes: Uint8Array): bigint | PieceCidReason {
  if (bytes.length > VARINT_SIZE_BYTES_MAX) return 'wrong-length'
  let value = 0n
  for (const [i, byte] of bytes.entries()) {
    const last = i === bytes.length - 1
    if (byte >= 0x80 === last) return 'wrong-length'
    value |= BigInt(byte & 0x7f) << BigInt(7 * i)
  }
  return bytes.length > 1 && bytes[bytes.length - 1] === 0 ? 'varint-not-minimal' : value
}

function parseBase32(text: string): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length > TEXT_LENGTH_MAX) return undefined
  try {
    const bytes = base32.decode(text)
    // The decoder also takes text that the encoder does not give: `=` at the end.
    return base32.encode(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
