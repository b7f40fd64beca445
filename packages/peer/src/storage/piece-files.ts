/**
 * The files of a piece store, and what is in them.
 *
 * ```
 * <PieceCIDv2>        the raw bytes of the piece and nothing else
 * <PieceCIDv2>.layer  the cached layer of its tree, and checksums of the piece (span-checksums.ts):
 *                     magic "HOLDLAYR" ‖ u32 version ‖ u32 height ‖ SHA-256 of the rest ‖ nodes ‖ checksums
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
import { CHECKSUM_SIZE_BYTES, createSpanSummer, spanCountOf } from './span-checksums.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

const LAYER_MAGIC = 'HOLDLAYR'
const LAYER_VERSION = 2
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
  return rawSize + layerSizeOf(rawSize)
}

function layerSizeOf(rawSize: number): number {
  return checksumsOffsetOf(rawSize) + spanCountOf(rawSize) * CHECKSUM_SIZE_BYTES
}

/** Where the checksums begin in the layer's file. */
function checksumsOffsetOf(rawSize: number): number {
  return LAYER_HEADER_SIZE_BYTES + layerNodeCountOf(rawSize) * LEAF_SIZE_BYTES
}

/** @param checksums - of the piece, as `createSpanSummer` makes them */
export function encodeLayer({ height, nodes }: CachedLayer, checksums: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(LAYER_HEADER_SIZE_BYTES + nodes.length + checksums.length)
  bytes.write(LAYER_MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(LAYER_VERSION, 8)
  bytes.writeUInt32BE(height, 12)
  bytes.set(nodes, LAYER_HEADER_SIZE_BYTES)
  bytes.set(checksums, LAYER_HEADER_SIZE_BYTES + nodes.length)
  bytes.set(hash('sha256', bytes.subarray(LAYER_HEADER_SIZE_BYTES), 'buffer'), 16)
  return bytes
}

/** @returns undefined for bytes that are not the layer of a piece of this size, as it was written */
export function decodeLayer(bytes: Buffer, rawSize: number): CachedLayer | undefined {
  if (bytes.length !== layerSizeOf(rawSize) || bytes.toString('latin1', 0, 8) !== LAYER_MAGIC) return undefined
  const height = bytes.readUInt32BE(12)
  if (bytes.readUInt32BE(8) !== LAYER_VERSION || height !== layerHeightOf(rawSize)) return undefined
  const rest = bytes.subarray(LAYER_HEADER_SIZE_BYTES)
  if (!hash('sha256', rest, 'buffer').equals(bytes.subarray(16, LAYER_HEADER_SIZE_BYTES))) return undefined
  return { height, nodes: bytes.subarray(LAYER_HEADER_SIZE_BYTES, checksumsOffsetOf(rawSize)) }
}

/** How many nodes the cached layer of a piece of this size has. */
export function layerNodeCountOf(rawSize: number): number {
  return Math.ceil(leafCountOf(rawSize) / 2 ** layerHeightOf(rawSize))
}

function layerHeightOf(rawSize: number): number {
  return Math.min(CACHED_LAYER_HEIGHT, heightOf(rawSize))
}

/** Reads the whole layer's file, and a byte more where it is too long. */
export function readLayerFile(files: FileSystem, path: string, rawSize: number): Promise<Buffer> {
  return readAt(files, path, 0, layerSizeOf(rawSize) + 1)
}

/** @returns the checksums of a piece, unchecked; undefined where the file ends before them */
export async function readChecksums(files: FileSystem, path: string, rawSize: number): Promise<Buffer | undefined> {
  const sizeBytes = spanCountOf(rawSize) * CHECKSUM_SIZE_BYTES
  const checksums = await readAt(files, path, checksumsOffsetOf(rawSize), sizeBytes)
  return checksums.length === sizeBytes ? checksums : undefined
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
): Promise<({ ok: true } & HashedFile) | { ok: false; reason: DamageReason }> {
  const verdict = parsePieceCid(piece)
  const { size } = await files.stat(path)
  if (!verdict.ok || size !== verdict.commitment.rawSize) return { ok: false, reason: 'wrong-size' }
  const hashed = await hashFile(files, path, options)
  return hashed.digest.cid.toString() === piece ? { ok: true, ...hashed } : { ok: false, reason: 'wrong-bytes' }
}

interface HashedFile {
  readonly digest: PieceDigest
  /** As `createSpanSummer` makes them. */
  readonly checksums: Uint8Array
}

async function hashFile(
  files: FileSystem,
  path: string,
  { nodeHasher, onBytes, signal }: CheckFileOptions
): Promise<HashedFile> {
  const hasher = createPieceHasher({ nodeHasher })
  const summer = createSpanSummer()
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
    summer.update(bytes)
    onBytes?.(bytes)
    if (isLast) return { digest: hasher.digest(), checksums: summer.finish() }
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
