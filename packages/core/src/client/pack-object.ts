/** Makes an object ready to be stored: private or public pieces of a source, in a staging place. */
import { leafCountOf } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import {
  type ContentSource,
  type HashingOptions,
  type LeafParts,
  type PackProgress,
  packSource,
  type UnixfsProfile
} from '../content/index.ts'
import {
  OBJECT_SECRET_SIZE_BYTES,
  type ObjectReference,
  type PieceCiphers,
  packPrivate,
  type ReplicaLayout
} from '../pieces/index.ts'
import type { StorableObject } from './components.ts'
import { createPrivateObject } from './private-object.ts'
import { createPublicObject } from './public-object.ts'
import type { Staging } from './staging.ts'

export interface PackObjectOptions {
  /** Default true. False publishes: whoever knows the root reads it, and all replicas are the same bytes. */
  readonly encrypt?: boolean | undefined
  /**
   * Of a private object: `distinct` (default) makes every replica other bytes, so that each is proved by itself, and
   * sends each from here. `identical` sends one; providers fetch it from each other, and nothing shows that they are
   * several.
   */
  readonly layout?: ReplicaLayout | undefined
  /** Replicas whose PieceCIDs are computed on the way; others cost a pass over the bytes each. Default 3. */
  readonly replicaCount?: number | undefined
  /** Default `unixfs-v1-2025`. A CAR keeps its own. */
  readonly profile?: UnixfsProfile | undefined
  readonly pieceSizeBytesMax?: number | undefined
  /**
   * Of a private object: the secret under which the very same content was packed before. What comes out must have the
   * same root, or be thrown away unseen. Default: a new one.
   */
  readonly secret?: Uint8Array | undefined
  readonly signal?: AbortSignal | undefined
  readonly onPackProgress?: ((progress: PackProgress) => void) | undefined
}

export interface PackComponents extends HashingOptions {
  readonly ciphers: PieceCiphers
  readonly random: (sizeBytes: number) => Uint8Array
  /** Shown every leaf of a public object: whoever stored it reads ranges of it without whole leaves. */
  readonly leafParts?: Pick<LeafParts, 'learn'> | undefined
  /** The same for private objects. */
  readonly privateLeafParts?: Pick<LeafParts, 'learn'> | undefined
}

/** What a packed object is, without its bytes: enough to make it again from the same staged pieces. */
export interface PackedFacts {
  readonly root: CID
  /** All that is needed to read a private object; undefined for a public one. */
  readonly reference: ObjectReference | undefined
  /** PieceCIDs of a public piece are the same for all replicas: one is given. */
  readonly pieces: readonly { readonly rawSize: number; readonly blockCount: number; readonly cids: readonly CID[] }[]
  readonly contentSizeBytes: number
  readonly fileCount: number
  readonly blockCount: number
}

export interface ObjectToStore extends PackedFacts, StorableObject {}

/**
 * Reads `source` once. A private object gets a secret of its own, so that the same content packed again is another
 * object with other labels; a public one gives the same pieces.
 *
 * @throws {CoreError} `NOTHING_TO_STORE`, `CAR_INVALID`, `UNSAFE_NAME`, … ; what was staged is discarded
 */
export async function packObject(
  source: ContentSource,
  staging: Staging,
  components: PackComponents,
  options: PackObjectOptions = {}
): Promise<ObjectToStore> {
  const { encrypt = true, layout = 'distinct', replicaCount = 3, onPackProgress, ...rest } = options
  const given = {
    source,
    openPiece: staging.openPiece,
    nodeHasher: components.nodeHasher,
    ...(components.createHasher !== undefined && { createHasher: components.createHasher }),
    signal: rest.signal,
    ...(rest.profile !== undefined && { profile: rest.profile }),
    ...(rest.pieceSizeBytesMax !== undefined && { pieceSizeBytesMax: rest.pieceSizeBytesMax }),
    ...(onPackProgress !== undefined && { onProgress: onPackProgress })
  }
  if (!encrypt) {
    const { pieces, ...facts } = await packSource({ ...given, leafParts: components.leafParts })
    const staged = pieces.map(({ cid, ...piece }) => ({ ...piece, cids: [cid] }))
    return withReplicas({ ...facts, reference: undefined, pieces: staged }, staging, components)
  }
  const secret = rest.secret ?? components.random(OBJECT_SECRET_SIZE_BYTES)
  const { ciphers } = components
  const { pieces, ...facts } = await packPrivate({
    ...given,
    leafParts: components.privateLeafParts,
    secret,
    layout,
    ciphers,
    replicaCount
  })
  const staged = pieces.map(({ sizeBytes, ...piece }) => ({ ...piece, rawSize: sizeBytes }))
  const reference = { root: facts.root, secret, layout, pieceCount: pieces.length }
  return withReplicas({ ...facts, reference, pieces: staged }, staging, components)
}

/** The object behind facts and the pieces that were staged for them: how a store goes on in another process. */
export function withReplicas(
  facts: PackedFacts,
  staging: Pick<Staging, 'readPiece'>,
  components: Pick<PackComponents, 'ciphers' | 'nodeHasher'>
): ObjectToStore {
  const readPiece = (index: number, offset: number) => staging.readPiece(index, offset)
  if (facts.reference === undefined) {
    const pieces = facts.pieces.map(({ cids, rawSize }) => ({
      cid: cids[0]!,
      rawSize,
      leafCount: leafCountOf(rawSize)
    }))
    return { ...facts, ...createPublicObject(facts.root, { pieces, readPiece }) }
  }
  const pieces = facts.pieces.map(({ cids, rawSize }) => ({ cids, sizeBytes: rawSize }))
  return { ...facts, ...createPrivateObject(facts.reference, { pieces, readPiece }, components) }
}
