/** What an object is as a whole: stands at the end of its last piece, and is what `root` in a reference is checked with. */
import { decode, encode } from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { cidSchema, naturalSchema } from '../schema.ts'
import { PIECES_PER_OBJECT_MAX } from './object-keys.ts'
import { MANIFEST_SIZE_BYTES_MAX } from './piece-footer.ts'

const manifestSchema = z.strictObject({
  version: z.literal(1),
  root: cidSchema,
  /** How its DAG was made: a profile of UnixFS, or `car` for one that came as it is. */
  profile: z.string().max(64),
  contentSizeBytes: naturalSchema,
  fileCount: naturalSchema,
  blockCount: naturalSchema,
  /** Stored bytes of the pieces before the last, in order. */
  earlierPieceSizesBytes: z.array(naturalSchema).max(PIECES_PER_OBJECT_MAX - 1)
})
export type Manifest = z.output<typeof manifestSchema>

export type ManifestVerdict =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly reason: 'manifest format' | 'manifest pieces' }

/** Canonical dag-cbor. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encode(manifestSchema.encode(manifest))
}

/** Reads the manifest that stands in piece number `piece`, which must be the object's last. Never throws. */
export function decodeManifest(bytes: Uint8Array, piece: number): ManifestVerdict {
  if (bytes.length > MANIFEST_SIZE_BYTES_MAX) return { ok: false, reason: 'manifest format' }
  const parsed = manifestSchema.safeParse(decodeCbor(bytes))
  if (!parsed.success) return { ok: false, reason: 'manifest format' }
  if (parsed.data.earlierPieceSizesBytes.length !== piece) return { ok: false, reason: 'manifest pieces' }
  return { ok: true, manifest: parsed.data }
}

/** More than any manifest behind `pieceCount − 1` other pieces takes: a size has at most five bytes. */
export function manifestSizeMaxOf(pieceCount: number): number {
  return 512 + 5 * pieceCount
}

export function isManifestOf(manifest: Manifest, root: CID): boolean {
  return manifest.root.equals(root)
}

function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch {
    return undefined // a stranger's bytes
  }
}
