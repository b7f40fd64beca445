/**
 * What a client keeps of leaves that it has stored, or read and forgotten: the digests of their parts.
 *
 * A leaf can only be checked against its CID as a whole. Who has done so once knows what each part of it must be, and needs
 * no more than the parts that he wants when he comes back: a 1024th of a leaf remembered saves him most of it.
 */
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { equalBytes } from '../equal-bytes.ts'
import { CoreError } from '../error.ts'
import { LastUsed } from './last-used.ts'

/** The last part of a leaf may be shorter. */
export const LEAF_PART_SIZE_BYTES = 32 * 1024
const DIGEST_SIZE_BYTES = 32
/** Of 2 GiB. */
const DIGESTS_SIZE_BYTES_MAX = 2 * 1024 * 1024

/** Bytes of a block that are known without the rest of it. */
export interface BlockPart {
  /** In the block. */
  readonly offset: number
  readonly length: number
  /** The least of it that is known by itself; all of it where that is no less. */
  readonly beginning: BlockPart
  /** What is left where so many bytes of it are there, whole beginnings; undefined where that is nothing. */
  after(sizeBytes: number): BlockPart | undefined
  isRight(bytes: Uint8Array): Promise<boolean>
}

export interface LeafParts {
  /**
   * The parts of a leaf that bytes of it lie in.
   *
   * @param sizeBytes - what the leaf is said to have
   * @param to - exclusive
   * @returns undefined for a leaf that is not known, or not with that size
   */
  around(cid: CID, sizeBytes: number, from: number, to: number): BlockPart | undefined
  /** @param leaf - checked against its CID, or what the CID was computed from */
  learn(cid: CID, leaf: Uint8Array): Promise<void>
  /**
   * All that is known, for {@link createLeafParts} in another process.
   *
   * @param headerSizeBytes - room that is left in front
   */
  snapshot(headerSizeBytes?: number): Uint8Array
  /** How many leaves were learned in this process. */
  readonly learned: number
}

interface KnownLeaf {
  readonly cid: CID
  readonly sizeBytes: number
  /** Of all parts, end to end. */
  readonly digests: Uint8Array
}

/** Writes the SHA-256 of bytes into a target at an offset. */
export type DigestInto = (bytes: Uint8Array, target: Uint8Array, offset: number) => void | Promise<void>

export interface LeafPartsOptions {
  /** Of digests; default 2 MiB, those of 2 GiB. */
  readonly sizeBytesMax?: number
  /** What another process knew: its snapshot, of whose bytes somebody has seen that they are what was written. */
  readonly before?: Uint8Array | undefined
  /** Default one that runs everywhere. */
  readonly digestInto?: DigestInto
}

export function createLeafParts({
  sizeBytesMax = DIGESTS_SIZE_BYTES_MAX,
  before,
  digestInto = digestPortably
}: LeafPartsOptions = {}): LeafParts {
  async function digestParts(bytes: Uint8Array): Promise<Uint8Array> {
    const digests = new Uint8Array(partsOf(bytes.length) * DIGEST_SIZE_BYTES)
    for (let part = 0; part < partsOf(bytes.length); part++) {
      const offset = part * LEAF_PART_SIZE_BYTES
      await digestInto(bytes.subarray(offset, offset + LEAF_PART_SIZE_BYTES), digests, part * DIGEST_SIZE_BYTES)
    }
    return digests
  }

  /** @param end - exclusive; both by number */
  function partOf(leaf: KnownLeaf, first: number, end: number): BlockPart {
    const offset = first * LEAF_PART_SIZE_BYTES
    const length = Math.min(end * LEAF_PART_SIZE_BYTES, leaf.sizeBytes) - offset
    const expected = leaf.digests.subarray(first * DIGEST_SIZE_BYTES, end * DIGEST_SIZE_BYTES)
    return {
      offset,
      length,
      get beginning() {
        return end === first + 1 ? this : partOf(leaf, first, first + 1)
      },
      after: sizeBytes =>
        sizeBytes < length ? partOf(leaf, first + Math.floor(sizeBytes / LEAF_PART_SIZE_BYTES), end) : undefined,
      isRight: async bytes => bytes.length === length && equalBytes(await digestParts(bytes), expected)
    }
  }

  const leaves = new LastUsed<KnownLeaf>({ weightMax: sizeBytesMax, weightOf: ({ digests }) => digests.length })
  let learned = 0
  for (const leaf of before === undefined ? [] : decodeLeaves(before)) leaves.set(leaf.cid.toString(), leaf)
  return {
    get learned() {
      return learned
    },
    snapshot: (headerSizeBytes = 0) => encodeLeaves([...leaves.values()], headerSizeBytes),
    around(cid, sizeBytes, from, to) {
      const leaf = leaves.get(cid.toString())
      if (leaf === undefined || leaf.sizeBytes !== sizeBytes || from >= to || to > sizeBytes) return undefined
      return partOf(leaf, Math.floor(from / LEAF_PART_SIZE_BYTES), partsOf(to))
    },
    async learn(cid, leaf) {
      const key = cid.toString()
      if (leaves.get(key) !== undefined) return
      leaves.set(key, { cid, sizeBytes: leaf.length, digests: await digestParts(leaf) })
      learned += 1
    }
  }
}

/**
 * Yields a part as its bytes come: its beginning as soon as that is there and right, and then the rest.
 *
 * @throws {CoreError} `WRONG_BLOCK` for bytes that are not the part
 */
export async function* rightBytesOf(part: BlockPart, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = new Uint8Array(part.length)
  let filled = 0
  let given = 0
  const next = async (wanted: BlockPart) => {
    const right = bytes.subarray(given, given + wanted.length)
    if (given + wanted.length > filled || !(await wanted.isRight(right)))
      throw new CoreError('WRONG_BLOCK', 'got bytes that are not the part of the block')
    given += wanted.length
    return right
  }
  const { beginning } = part
  for await (const chunk of chunks) {
    bytes.set(chunk.subarray(0, part.length - filled), filled)
    filled = Math.min(part.length, filled + chunk.length)
    if (given === 0 && filled >= beginning.length) yield await next(beginning)
  }
  const rest = given === 0 ? part : part.after(given)
  if (rest !== undefined) yield await next(rest)
}

function partsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / LEAF_PART_SIZE_BYTES)
}

async function digestPortably(bytes: Uint8Array, target: Uint8Array, offset: number): Promise<void> {
  target.set((await sha256.digest(bytes)).digest, offset)
}

const LEAF_HEADER_SIZE_BYTES = 4 + 2

/** For each leaf: u32 size ‖ u16 length of the CID ‖ CID ‖ digests, big-endian; those that were not used for longest first. */
function encodeLeaves(leaves: readonly KnownLeaf[], headerSizeBytes: number): Uint8Array {
  const sizes = leaves.map(({ cid, digests }) => LEAF_HEADER_SIZE_BYTES + cid.bytes.length + digests.length)
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, headerSizeBytes))
  const view = new DataView(bytes.buffer)
  let offset = headerSizeBytes
  for (const { cid, sizeBytes, digests } of leaves) {
    view.setUint32(offset, sizeBytes)
    view.setUint16(offset + 4, cid.bytes.length)
    bytes.set(cid.bytes, offset + LEAF_HEADER_SIZE_BYTES)
    offset += LEAF_HEADER_SIZE_BYTES + cid.bytes.length
    bytes.set(digests, offset)
    offset += digests.length
  }
  return bytes
}

function* decodeLeaves(bytes: Uint8Array): Generator<KnownLeaf> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let offset = 0; offset < bytes.length; ) {
    const sizeBytes = view.getUint32(offset)
    const cidEnd = offset + LEAF_HEADER_SIZE_BYTES + view.getUint16(offset + 4)
    const cid = CID.decode(bytes.slice(offset + LEAF_HEADER_SIZE_BYTES, cidEnd))
    offset = cidEnd + partsOf(sizeBytes) * DIGEST_SIZE_BYTES
    yield { cid, sizeBytes, digests: bytes.slice(cidEnd, offset) }
  }
}
