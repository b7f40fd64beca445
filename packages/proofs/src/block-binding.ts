/**
 * Block binding: a range proof around one CARv1 section shows that the block with a given CID lies in a piece.
 *
 * A section is `varint(size of CID and data) CID data`. The prover says where it stands and sends the raw bytes of the
 * quads around it; the verifier finds the wanted CID in front of data that hashes to it, and folds the quads to the root.
 * This ties the *file* that a client asked for to the *piece* that is challenged and paid for.
 *
 * @see SPEC.md §6.4
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { varint } from 'multiformats'
import { expectBytes, expectObject } from './arguments.ts'
import type { NodeHasher } from './node-hasher.ts'
import { expectCommitment, type PieceCommitment } from './piece-cid.ts'
import { type PieceSource, readExactly } from './piece-source.ts'
import { enclosingQuads, proveRange, type RawRange, verifyRange } from './range-proof.ts'

/** A proof that a block lies in a piece. */
export interface BlockProof {
  /** Where the CARv1 section stands in the piece, its length prefix included. */
  section: RawRange
  /** The raw bytes of the quads around the section. */
  bytes: Uint8Array
  /** The nodes of the range proof. */
  nodes: Uint8Array
}

/** Why a block proof is refused; the first that applies, in this order. */
export type BlockReason =
  /** Not an object of a range and byte arrays. */
  | 'malformed'
  /** The section does not lie in the piece, the bytes are not its quads, or no section of this CID stands there. */
  | 'wrong-range'
  /** The CID names its data by a hash other than SHA-256 or identity. */
  | 'unsupported-hash'
  /** The section has the CID, but its data does not hash to it. */
  | 'wrong-block'
  /** The block is right, but these bytes do not lie in this place of this piece. */
  | 'wrong-piece'

const IDENTITY_CODE = 0x00
const SHA2_256_CODE = 0x12

export type BlockVerdict = { ok: true; data: Uint8Array } | { ok: false; reason: BlockReason }

/**
 * Builds a block proof: reads the quads of the section, and the cached subtrees at its two edges.
 *
 * Does not look at the section: a wrong place gives a proof that does not verify.
 *
 * @param options.section - where the CARv1 section stands in the piece, its length prefix included
 * @throws {ProofError} `SOURCE_TOO_SHORT` when the source ends early
 */
export async function proveBlock(options: PieceSource & { section: RawRange }): Promise<BlockProof> {
  const { section, commitment } = options
  const quads = enclosingQuads(section, commitment.rawSize)
  const bytes = await readExactly(options, quads.offset, quads.size)
  return { section, bytes, nodes: await proveRange({ ...options, range: section }) }
}

/** What of a CID is used here: the `CID` of any version of multiformats has it. */
export interface BlockCid {
  readonly bytes: Uint8Array
  readonly multihash: { readonly code: number; readonly digest: Uint8Array }
}

/** What a block proof is checked against. */
export interface BlockClaim {
  commitment: Pick<PieceCommitment, 'root' | 'rawSize'>
  /** The CID of the block that was asked for. */
  cid: BlockCid
  /** Foreign. */
  proof: BlockProof
  nodeHasher: NodeHasher
}

/** Verifies that the block with this CID lies in this piece. @returns its data, a view on the proof's bytes */
export function verifyBlock({ commitment, cid, proof, nodeHasher }: BlockClaim): BlockVerdict {
  expectCommitment(commitment)
  expectObject('cid', cid)
  expectBytes('cid.bytes', cid.bytes)
  const { section, bytes, nodes } = (proof ?? {}) as Partial<BlockProof>
  if (!(bytes instanceof Uint8Array && nodes instanceof Uint8Array)) return refuse('malformed')
  if (typeof section !== 'object' || section === null) return refuse('malformed')
  if (!isRangeWithin(section, commitment.rawSize)) return refuse('wrong-range')
  const quads = enclosingQuads(section, commitment.rawSize)
  if (bytes.length !== quads.size) return refuse('wrong-range')
  const start = section.offset - quads.offset
  const data = dataOfSection(bytes.subarray(start, start + section.size), cid)
  if (data === undefined) return refuse('wrong-range')
  const digest = digestOf(cid.multihash.code, data)
  if (digest === undefined) return refuse('unsupported-hash')
  if (!equals(digest, cid.multihash.digest)) return refuse('wrong-block')
  const verdict = verifyRange({ commitment, range: section, bytes, nodes, nodeHasher })
  return verdict.ok ? { ok: true, data } : refuse('wrong-piece')
}

function refuse(reason: BlockReason): BlockVerdict {
  return { ok: false, reason }
}

function isRangeWithin({ offset, size }: RawRange, rawSize: number): boolean {
  return (
    Number.isSafeInteger(offset) && Number.isSafeInteger(size) && offset >= 0 && size >= 1 && size <= rawSize - offset
  )
}

/** @returns the data of a section that fills `bytes` exactly and has this CID, else undefined */
function dataOfSection(bytes: Uint8Array, cid: BlockCid): Uint8Array | undefined {
  const prefixSize = sizeOfPrefix(bytes)
  if (prefixSize === undefined) return undefined
  const dataStart = prefixSize + cid.bytes.length
  return equals(bytes.subarray(prefixSize, dataStart), cid.bytes) ? bytes.subarray(dataStart) : undefined
}

/** @returns bytes of the length prefix, where it says exactly what follows it, else undefined */
function sizeOfPrefix(section: Uint8Array): number | undefined {
  try {
    const [size, prefixSize] = varint.decode(section)
    return size === section.length - prefixSize ? prefixSize : undefined
  } catch {
    return undefined
  }
}

/** @returns what a CID's multihash of this code says of the data, undefined for a hash that is not known here */
function digestOf(code: number, data: Uint8Array): Uint8Array | undefined {
  switch (code) {
    case IDENTITY_CODE:
      return data
    case SHA2_256_CODE:
      return sha256(data)
    default:
      return undefined
  }
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
