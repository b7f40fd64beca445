/** An object packed on disk: its pieces wait in a temporary directory until every replica of them stands. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createPublicObject,
  type PackedContent,
  type PackedPiece,
  type PackProgress,
  type PieceSink,
  packContent,
  type StorableObject
} from '@holdfast/core'
import { leafCountOf, type NodeHasher } from '@holdfast/proofs'
import { PeerError, systemCodeOf } from './error.ts'
import { readTree } from './files/index.ts'

/** Chunks in which pieces are read again: one chunk of the wire. */
const READ_SIZE_BYTES = 1024 * 1024

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
export async function packPath(path: string, nodeHasher: NodeHasher, options: PackOptions): Promise<PackedObject> {
  const { ignore, signal, onPackProgress, stagingDirectory = tmpdir() } = options
  const directory = await mkdtemp(join(stagingDirectory, 'holdfast-')).catch((cause: unknown) => {
    throw stagingFailed(stagingDirectory, cause)
  })
  const discard = () => rm(directory, { recursive: true, force: true })
  const fileOf = (index: number) => join(directory, `${index}.car`)
  try {
    const packed = await packContent({
      source: readTree(path, { ...(ignore !== undefined && { ignore }) }),
      openPiece: index => openSink(fileOf(index)),
      nodeHasher,
      signal,
      ...(onPackProgress !== undefined && { onProgress: onPackProgress })
    })
    const pieces = packed.pieces.map(piece => ({ ...piece, leafCount: leafCountOf(piece.rawSize) }))
    const readPiece = (index: number, offset: number) => readFrom(fileOf(index), offset)
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

async function openSink(path: string): Promise<PieceSink> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw stagingFailed(path, cause)
  })
  return {
    async write(bytes) {
      try {
        await file.writeFile(bytes)
      } catch (cause) {
        throw stagingFailed(path, cause)
      }
    },
    close: () => file.close(),
    async discard() {
      await file.close()
      await rm(path, { force: true })
    }
  }
}

async function* readFrom(path: string, offset: number): AsyncGenerator<Uint8Array> {
  await using file = await open(path, 'r')
  for (let position = offset; ; ) {
    const { bytesRead, buffer } = await file.read(new Uint8Array(READ_SIZE_BYTES), 0, READ_SIZE_BYTES, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

function stagingFailed(path: string, cause: unknown): PeerError {
  const code = systemCodeOf(cause)
  const what = code === 'ENOSPC' ? `The disk of ${path} is full` : `${path} cannot be written (${code})`
  return new PeerError(
    'STAGING_FAILED',
    `${what}: pieces wait there while they are stored; set TMPDIR to a directory with room for the whole object.`,
    { path },
    { cause }
  )
}
