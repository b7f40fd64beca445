/**
 * The files of a piece store, and what is in them.
 *
 * ```
 * <PieceCIDv2>        the raw bytes of the piece and nothing else
 * <PieceCIDv2>.layer  the cached layer of its tree: magic "HOLDLAYR" ‖ u32 version ‖ u32 height ‖ SHA-256 of the nodes ‖ nodes
 * incoming/           pieces on their way in, and logs of uploads that may be resumed; emptied of all else at every start
 * damaged/            files that are not the piece they are named after, for the operator to look at
 * ```
 *
 * A layer can always be made again from its piece, so it is checked when it is read and never trusted further.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import {
  CACHED_LAYER_HEIGHT,
  type CachedLayer,
  createPieceHasher,
  heightOf,
  LEAF_SIZE_BYTES,
  leafCountOf,
  type NodeHasher,
  type PieceDigest,
  parsePieceCid
} from '@holdfast/proofs'
import { openDirectFile, pageAlignedBytes } from '../direct-file.ts'
import type { FileSystem } from './file-system.ts'
import type { DamageReason } from './piece-store.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

const LAYER_MAGIC = 'HOLDLAYR'
const LAYER_VERSION = 1
const LAYER_HEADER_SIZE_BYTES = 8 + 4 + 4 + 32
const LAYER_SUFFIX = '.layer'

/** Disk reads and writes of a piece: full speed from about here, and a few of them in memory are nothing. */
export const SLAB_SIZE_BYTES = 1024 * 1024

export interface PiecePaths {
  readonly directory: string
  readonly incoming: string
  readonly damaged: string
}

export function piecePaths(directory: string): PiecePaths {
  return { directory, incoming: join(directory, 'incoming'), damaged: join(directory, 'damaged') }
}

export function pieceFile({ directory }: PiecePaths, name: string): string {
  return join(directory, name)
}

export function layerFile({ directory }: PiecePaths, name: string): string {
  return join(directory, `${name}${LAYER_SUFFIX}`)
}

/** What a name in the store's directory stands for. `name` is the PieceCIDv2 as text. */
export function parseFileName(fileName: string): { kind: 'piece' | 'layer'; name: string } | undefined {
  const isLayer = fileName.endsWith(LAYER_SUFFIX)
  const name = isLayer ? fileName.slice(0, -LAYER_SUFFIX.length) : fileName
  return parsePieceCid(name).ok ? { kind: isLayer ? 'layer' : 'piece', name } : undefined
}

/** Bytes on disk of a piece with its layer, exactly. */
export function storedSizeOf(rawSize: number): number {
  const height = Math.min(CACHED_LAYER_HEIGHT, heightOf(rawSize))
  return rawSize + LAYER_HEADER_SIZE_BYTES + Math.ceil(leafCountOf(rawSize) / 2 ** height) * LEAF_SIZE_BYTES
}

export function encodeLayer({ height, nodes }: CachedLayer): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(LAYER_HEADER_SIZE_BYTES + nodes.length)
  bytes.write(LAYER_MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(LAYER_VERSION, 8)
  bytes.writeUInt32BE(height, 12)
  bytes.set(hash('sha256', nodes, 'buffer'), 16)
  bytes.set(nodes, LAYER_HEADER_SIZE_BYTES)
  return bytes
}

/** @returns undefined for bytes that are not the layer of a piece of this size, as it was written */
export function decodeLayer(bytes: Buffer, rawSize: number): CachedLayer | undefined {
  if (bytes.length !== storedSizeOf(rawSize) - rawSize || bytes.toString('latin1', 0, 8) !== LAYER_MAGIC)
    return undefined
  const height = bytes.readUInt32BE(12)
  const nodes = bytes.subarray(LAYER_HEADER_SIZE_BYTES)
  if (bytes.readUInt32BE(8) !== LAYER_VERSION || height !== Math.min(CACHED_LAYER_HEIGHT, heightOf(rawSize))) {
    return undefined
  }
  return hash('sha256', nodes, 'buffer').equals(bytes.subarray(16, LAYER_HEADER_SIZE_BYTES))
    ? { height, nodes }
    : undefined
}

/** How many nodes the cached layer of a piece of this size has. */
export function layerNodeCountOf(rawSize: number): number {
  return (storedSizeOf(rawSize) - rawSize - LAYER_HEADER_SIZE_BYTES) / LEAF_SIZE_BYTES
}

/** Reads some nodes of a layer, unchecked; fewer where the file ends. */
export function readLayerNodes(files: FileSystem, path: string, first: number, count: number): Promise<Buffer> {
  return readAt(files, path, LAYER_HEADER_SIZE_BYTES + first * LEAF_SIZE_BYTES, count * LEAF_SIZE_BYTES)
}

/** Writes a new file and syncs its bytes, not its name. */
export async function writeSynced(files: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await files.open(path, 'wx', 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** Reads `size` bytes at an offset of a file; fewer when it ends early. */
export async function readAt(files: FileSystem, path: string, offset: number, size: number): Promise<Buffer> {
  const handle = await files.open(path, 'r')
  try {
    return await readFully(handle, offset, Buffer.allocUnsafeSlow(size))
  } finally {
    await handle.close()
  }
}

export interface CheckFileOptions {
  readonly nodeHasher: NodeHasher
  /** Sees every slab, which is overwritten after the call. */
  readonly onBytes?: (bytes: Uint8Array) => void
  readonly signal?: AbortSignal
}

/**
 * Reads a whole piece from disk in slabs and hashes it, unless its size is wrong already.
 *
 * @param piece - the PieceCIDv2 as text
 */
export async function checkFile(
  files: FileSystem,
  path: string,
  piece: string,
  options: CheckFileOptions
): Promise<{ ok: true; digest: PieceDigest } | { ok: false; reason: DamageReason }> {
  const verdict = parsePieceCid(piece)
  const { size } = await files.stat(path)
  if (!verdict.ok || size !== verdict.commitment.rawSize) return { ok: false, reason: 'wrong-size' }
  const digest = await hashFile(files, path, options)
  return digest.cid.toString() === piece ? { ok: true, digest } : { ok: false, reason: 'wrong-bytes' }
}

async function hashFile(
  files: FileSystem,
  path: string,
  { nodeHasher, onBytes, signal }: CheckFileOptions
): Promise<PieceDigest> {
  const hasher = createPieceHasher({ nodeHasher })
  const slabs = [pageAlignedBytes(SLAB_SIZE_BYTES), pageAlignedBytes(SLAB_SIZE_BYTES)] as const
  await using file = await openDirectFile(files, path, 'r')
  const read = async (turn: number) => {
    const slab = slabs[turn % 2]!
    return slab.subarray(0, await file.read(slab, turn * SLAB_SIZE_BYTES))
  }
  for (let turn = 0, reading = read(0); ; turn++) {
    signal?.throwIfAborted()
    const bytes = await reading
    const isLast = bytes.length < SLAB_SIZE_BYTES
    if (!isLast) {
      reading = read(turn + 1)
      reading.catch(() => undefined) // the next turn hears of it
    }
    hasher.update(bytes)
    onBytes?.(bytes)
    if (isLast) return hasher.digest()
  }
}

/** Fills a buffer from an offset of a file. @returns the part of it that the file had bytes for */
export async function readFully(handle: FileHandle, offset: number, buffer: Buffer): Promise<Buffer> {
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, offset + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}
