/** An object packed on disk: its pieces wait in a temporary directory until every replica of them stands. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createPublicObject,
  type HashingOptions,
  type PackedContent,
  type PackedPiece,
  type PackProgress,
  packContent,
  type StorableObject
} from '@holdfast/core'
import { leafCountOf } from '@holdfast/proofs'
import { readTree } from './files/index.ts'
import { openStagedFile, readStagedFile, stagingFailed } from './staged-file.ts'

export interface PackOptions {
  /** Says which entries to leave out, by '/'-separated path relative to the root. */
  readonly ignore?: (relativePath: string) => boolean
  readonly signal?: AbortSignal | undefined
  readonly onPackProgress?: (progress: PackProgress) => void
  /** Where pieces wait; default is the system's directory for temporary files. */
  readonly stagingDirectory?: string
}

export interface PackedObject extends StorableObject, Omit<PackedContent, 'pieces'>, AsyncDisposable {
  readonly pieces: readonly (PackedPiece & { readonly leafCount: number })[]
}

/**
 * Packs a file or directory. Disposing of the object removes its pieces.
 *
 * @throws {PeerError} what `readTree` throws; `STAGING_FAILED` when the temporary directory is full or not writable
 * @throws {CoreError} `NOTHING_TO_STORE`
 */
export async function packPath(path: string, hashing: HashingOptions, options: PackOptions): Promise<PackedObject> {
  const { ignore, signal, onPackProgress, stagingDirectory = tmpdir() } = options
  const directory = await mkdtemp(join(stagingDirectory, 'holdfast-')).catch((cause: unknown) => {
    throw stagingFailed(stagingDirectory, cause)
  })
  const discard = () => rm(directory, { recursive: true, force: true })
  const fileOf = (index: number) => join(directory, `${index}.car`)
  try {
    const packed = await packContent({
      source: readTree(path, { ...(ignore !== undefined && { ignore }) }),
      openPiece: index => openStagedFile(fileOf(index)),
      ...hashing,
      signal,
      ...(onPackProgress !== undefined && { onProgress: onPackProgress })
    })
    const pieces = packed.pieces.map(piece => ({ ...piece, leafCount: leafCountOf(piece.rawSize) }))
    const readPiece = (index: number, offset: number) => readStagedFile(fileOf(index), offset)
    return {
      ...packed,
      ...createPublicObject(packed.root, { pieces, readPiece }),
      pieces,
      [Symbol.asyncDispose]: discard
    }
  } catch (error) {
    await discard()
    throw error
  }
}
