/**
 * Makes private pieces of a source: lays it out as CARs and encrypts these on their way to the sinks.
 *
 * What lies behind the sinks are inner pieces, from which every replica is made (`readReplica`). The PieceCIDs of
 * replicas can be computed on the way, while the bytes are at hand. The same source and secret give the same bytes; that
 * secret must never be used for another source.
 */
import { createPieceHasher, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import {
  borrowBuffer,
  type HashingOptions,
  isCar,
  type LaidOutContent,
  type LayOutSourceOptions,
  layOutSource,
  PIECE_SIZE_LIMIT_BYTES_MIN,
  type PieceHashing,
  type PieceSink
} from '../content/index.ts'
import { CoreError } from '../error.ts'
import { PieceEncryptor } from './encrypt-piece.ts'
import { contentRoomOf, createFrameCipher, sealedSizeOf } from './frames.ts'
import { encodeManifest, manifestSizeMaxOf } from './manifest.ts'
import {
  deriveObjectKeys,
  deriveReplicaKey,
  type ObjectKeys,
  PIECES_PER_OBJECT_MAX,
  type ReplicaPlace
} from './object-keys.ts'
import type { PieceCiphers } from './piece-ciphers.ts'
import { BLOCKS_PER_PIECE_MAX, INDEX_ENTRY_SIZE_BYTES, PIECE_FOOTER_SIZE_BYTES } from './piece-footer.ts'
import type { ReplicaLayout } from './replica-layer.ts'

/** Smallest limit for a private piece: one block of any size and everything that stands behind it fit. */
export const PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN = sealedSizeOf(
  PIECE_SIZE_LIMIT_BYTES_MIN + trailerSizeOf(PIECES_PER_OBJECT_MAX - 1, 2)
)

export interface PackPrivateOptions
  extends Omit<LayOutSourceOptions, 'trailerSizeOf' | 'pieceSizeBytesMax'>,
    HashingOptions {
  /** 32 random bytes that encrypt this source and nothing else. */
  readonly secret: Uint8Array
  readonly ciphers: PieceCiphers
  readonly layout: ReplicaLayout
  /** PieceCIDs of replicas 0 to below this are computed on the way, each at the cost of hashing all bytes. */
  readonly replicaCount: number
  /** Stored bytes of a piece at most; default and maximum `PIECE_SIZE_BYTES_MAX`. */
  readonly pieceSizeBytesMax?: number
}

export interface PrivatePiece {
  /** Stored bytes, the same for every replica. */
  readonly sizeBytes: number
  readonly blockCount: number
  /** PieceCIDv2 of this piece in replica 0, 1, …; `replicaCount` of them. */
  readonly cids: readonly CID[]
}

export interface PrivateContent extends Omit<LaidOutContent, 'pieces'> {
  /** In the order of `openPiece`. */
  readonly pieces: readonly PrivatePiece[]
}

/**
 * Reads `source` once and writes its inner pieces. When it rejects, every sink that was opened has been discarded.
 *
 * @throws {CoreError} what `packSource` throws; `OBJECT_TOO_LARGE` above `PIECES_PER_OBJECT_MAX` pieces
 * @throws {RangeError} for a piece size below `PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN` or above the network's
 */
export async function packPrivate(options: PackPrivateOptions): Promise<PrivateContent> {
  const { secret, ciphers, layout, replicaCount, nodeHasher, createHasher, openPiece, pieceSizeBytesMax, ...source } =
    options
  const limit = pieceSizeBytesMax ?? PIECE_SIZE_BYTES_MAX
  if (!(limit >= PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN && limit <= PIECE_SIZE_BYTES_MAX)) {
    throw new RangeError(
      `pieceSizeBytesMax is ${PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN} to ${PIECE_SIZE_BYTES_MAX}, got ${limit}`
    )
  }
  const encryption = new ObjectEncryption({ ...options, keys: deriveObjectKeys(secret) })
  const content = await layOutSource({
    ...source,
    openPiece: index => encryption.openPiece(index),
    pieceSizeBytesMax: contentRoomOf(limit),
    trailerSizeOf
  })
  const profile = isCar(options.source) ? 'car' : (options.profile ?? 'unixfs-v1-2025')
  return encryption.finish(content, profile)
}

function trailerSizeOf(index: number, blockCount: number): number {
  if (blockCount > BLOCKS_PER_PIECE_MAX) return Number.POSITIVE_INFINITY
  return blockCount * INDEX_ENTRY_SIZE_BYTES + manifestSizeMaxOf(index + 1) + PIECE_FOOTER_SIZE_BYTES
}

interface StartedPiece {
  readonly sink: PieceSink
  readonly encryptor: PieceEncryptor
  readonly cids: () => Promise<CID[]>
}

type EncryptionOptions = Pick<
  PackPrivateOptions,
  'ciphers' | 'layout' | 'replicaCount' | 'nodeHasher' | 'createHasher' | 'openPiece'
> & { readonly keys: ObjectKeys }

/** A piece ends when the next one begins, the last one when the root is known, because it carries the manifest. */
class ObjectEncryption {
  readonly #options: EncryptionOptions
  readonly #pieces: StartedPiece[] = []

  constructor(options: EncryptionOptions) {
    this.#options = options
  }

  async openPiece(index: number): Promise<PieceSink> {
    const { openPiece, ciphers, keys } = this.#options
    if (index >= PIECES_PER_OBJECT_MAX) {
      throw new CoreError(
        'OBJECT_TOO_LARGE',
        `an object has at most ${PIECES_PER_OBJECT_MAX} pieces; store it as several`
      )
    }
    await this.#pieces.at(-1)?.encryptor.end()
    const sink = await openPiece(index)
    const hashing = hashReplicas(sink, index, this.#options)
    const frames = createFrameCipher(ciphers, keys.readKey, index)
    const encryptor = new PieceEncryptor({ sink: hashing.sink, frames, piece: index })
    this.#pieces.push({ sink: hashing.sink, encryptor, cids: hashing.cids })
    const taken: Uint8Array[] = []
    return {
      async write(bytes) {
        await encryptor.write(bytes)
        taken.push(bytes)
      },
      close: async () => undefined,
      discard: () => hashing.sink.discard(),
      lend(sizeBytes) {
        const buffer = taken.pop()
        return buffer?.length === sizeBytes ? buffer : new Uint8Array(sizeBytes)
      }
    }
  }

  async finish(content: LaidOutContent, profile: string): Promise<PrivateContent> {
    const { root, contentSizeBytes, fileCount, blockCount } = content
    const earlierPieceSizesBytes = this.#pieces.slice(0, -1).map(({ encryptor }) => encryptor.sizeBytes)
    const facts = { version: 1 as const, root, profile, contentSizeBytes, fileCount, blockCount }
    try {
      await this.#pieces.at(-1)!.encryptor.end(encodeManifest({ ...facts, earlierPieceSizesBytes }))
      const pieces = this.#pieces.map(async ({ encryptor, cids }, index) => ({
        sizeBytes: encryptor.sizeBytes,
        blockCount: content.pieces[index]!.blockCount,
        cids: await cids()
      }))
      return { ...content, pieces: await Promise.all(pieces) }
    } catch (cause) {
      await Promise.allSettled(this.#pieces.map(({ sink }) => sink.discard()))
      throw cause
    }
  }
}

/** A sink that also computes the PieceCIDs of replicas: of identical ones once for all. */
function hashReplicas(
  sink: PieceSink,
  piece: number,
  options: EncryptionOptions
): { sink: PieceSink; cids: () => Promise<CID[]> } {
  const { layout, replicaCount } = options
  const different = layout === 'identical' ? Math.min(1, replicaCount) : replicaCount
  const replicas = Array.from({ length: different }, (_, replica) => hashReplicaOf({ replica, piece }, options))
  return {
    sink: {
      async write(bytes) {
        for (const hashing of replicas) await hashing.update(bytes)
        await sink.write(bytes)
      },
      close: () => sink.close(),
      discard() {
        for (const hashing of replicas) hashing.discard?.()
        return sink.discard()
      },
      lend: sizeBytes => borrowBuffer(sink, sizeBytes)
    },
    async cids() {
      const digests = await Promise.all(replicas.map(hashing => hashing.digest()))
      const cids = digests.map(({ cid }) => cid)
      return Array.from({ length: replicaCount }, (_, replica) => cids[Math.min(replica, cids.length - 1)]!)
    }
  }
}

/** Hashes the piece that inner bytes become in a replica. */
function hashReplicaOf(
  place: ReplicaPlace,
  { ciphers, keys, layout, nodeHasher, createHasher }: EncryptionOptions
): PieceHashing {
  const key = layout === 'identical' ? undefined : deriveReplicaKey(keys.repairKey, place)
  if (createHasher !== undefined) return createHasher(key)
  const hasher = createPieceHasher({ nodeHasher })
  if (key === undefined) return hasher
  const keystream = ciphers.keystream(key, 0)
  let buffer = new Uint8Array()
  return {
    update(bytes) {
      if (buffer.length < bytes.length) buffer = new Uint8Array(bytes.length)
      const replica = buffer.subarray(0, bytes.length)
      keystream.xor(bytes, replica)
      hasher.update(replica)
    },
    digest: () => hasher.digest()
  }
}
