/**
 * What a client keeps of leaves that it has read and forgotten: the digests of their parts.
 *
 * A leaf can only be checked against its CID as a whole. Who has done so once knows what each part of it must be, and needs
 * no more than the parts that he wants when he comes back: a 512th of a leaf remembered saves him most of it.
 */
import type { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { equalBytes } from '../equal-bytes.ts'
import { LastUsed } from './last-used.ts'

/** The last part of a leaf may be shorter. */
export const LEAF_PART_SIZE_BYTES = 16 * 1024
const DIGEST_SIZE_BYTES = 32
/** Of 2 GiB. */
const DIGESTS_SIZE_BYTES_MAX = 4 * 1024 * 1024

/** Bytes of a block that are known without the rest of it. */
export interface BlockPart {
  /** In the block. */
  readonly offset: number
  readonly length: number
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
  /** @param leaf - checked against its CID */
  learn(cid: CID, leaf: Uint8Array): Promise<void>
}

interface KnownLeaf {
  readonly sizeBytes: number
  /** Of all parts, end to end. */
  readonly digests: Uint8Array
}

export function createLeafParts(sizeBytesMax = DIGESTS_SIZE_BYTES_MAX): LeafParts {
  const leaves = new LastUsed<KnownLeaf>({ weightMax: sizeBytesMax, weightOf: ({ digests }) => digests.length })
  return {
    around(cid, sizeBytes, from, to) {
      const leaf = leaves.get(cid.toString())
      if (leaf === undefined || leaf.sizeBytes !== sizeBytes || from >= to || to > sizeBytes) return undefined
      const first = Math.floor(from / LEAF_PART_SIZE_BYTES)
      const offset = first * LEAF_PART_SIZE_BYTES
      const length = Math.min(Math.ceil(to / LEAF_PART_SIZE_BYTES) * LEAF_PART_SIZE_BYTES, sizeBytes) - offset
      const expected = leaf.digests.subarray(first * DIGEST_SIZE_BYTES, (first + partsOf(length)) * DIGEST_SIZE_BYTES)
      return {
        offset,
        length,
        isRight: async bytes => bytes.length === length && equalBytes(await digestParts(bytes), expected)
      }
    },
    async learn(cid, leaf) {
      const key = cid.toString()
      if (leaves.get(key) === undefined) leaves.set(key, { sizeBytes: leaf.length, digests: await digestParts(leaf) })
    }
  }
}

function partsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / LEAF_PART_SIZE_BYTES)
}

async function digestParts(bytes: Uint8Array): Promise<Uint8Array> {
  const digests = new Uint8Array(partsOf(bytes.length) * DIGEST_SIZE_BYTES)
  for (let part = 0; part < partsOf(bytes.length); part++) {
    const offset = part * LEAF_PART_SIZE_BYTES
    const { digest } = await sha256.digest(bytes.subarray(offset, offset + LEAF_PART_SIZE_BYTES))
    digests.set(digest, part * DIGEST_SIZE_BYTES)
  }
  return digests
}
