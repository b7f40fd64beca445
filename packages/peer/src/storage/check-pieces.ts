/**
 * Looks at every piece that a store should have, and changes nothing: the whole file is hashed again and compared with its
 * name, its layer with the tree.
 *
 * Needs the directory's lock, because a daemon that writes meanwhile would make whole pieces look wrong.
 */
import type { NodeHasher } from '@holdfast/proofs'
import { parsePieceCid } from '@holdfast/proofs'
import { systemCodeOf } from '../error.ts'
import { exists, type FileSystem } from './file-system.ts'
import type { IndexLevel } from './index-level.ts'
import { checkFile, encodeLayer, layerFile, parseFileName, pieceFile, piecePaths, readAt } from './piece-files.ts'
import { keepersOf } from './piece-holders.ts'
import { createPieceIndex } from './piece-index.ts'

export type PieceCondition = 'whole' | 'missing' | 'wrong-size' | 'wrong-bytes'

/** One piece, as it was found. */
export interface CheckedPiece {
  /** PieceCIDv2 as text. */
  readonly piece: string
  /** The directory of its file; undefined for a missing one. */
  readonly directory: string | undefined
  readonly condition: PieceCondition
  /** Whether the cached layer is the one of the tree; false as well where there is none. Said of whole pieces only. */
  readonly isLayerWhole: boolean
  /** Deals that it is kept for, as far as the index knows. */
  readonly deals: readonly string[]
  readonly rawSize: number
}

export interface CheckOptions {
  readonly files: FileSystem
  readonly directories: readonly string[]
  readonly level: Pick<IndexLevel, 'get' | 'batch' | 'iterator'>
  readonly nodeHasher: NodeHasher
  readonly signal: AbortSignal
  readonly onProgress?: (progress: CheckProgress) => void
}

export interface CheckProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

/**
 * Yields every piece that the index or a directory knows, those of the index first.
 *
 * @throws the signal's reason, and what a disk throws that cannot be read at all
 */
export async function* checkPieces(options: CheckOptions): AsyncGenerator<CheckedPiece> {
  const { level, signal, onProgress } = options
  const found = await findPieces(options)
  const deals = new Map<string, readonly string[]>()
  for await (const { piece, record } of createPieceIndex(level).entries()) deals.set(piece, keepersOf(record.holders))
  let doneBytes = 0
  let totalBytes = 0
  for (const piece of found.keys()) totalBytes += rawSizeOf(piece)
  for (const piece of new Set([...deals.keys(), ...found.keys()])) {
    signal.throwIfAborted()
    const directory = found.get(piece)
    const rawSize = rawSizeOf(piece)
    const onBytes = ({ length }: Uint8Array) => {
      doneBytes += length
      onProgress?.({ doneBytes, totalBytes })
    }
    const checked = directory === undefined ? MISSING : await checkPiece(options, directory, piece, onBytes)
    yield { piece, directory, ...checked, deals: deals.get(piece) ?? [], rawSize }
  }
}

type Condition = Pick<CheckedPiece, 'condition' | 'isLayerWhole'>

const MISSING: Condition = { condition: 'missing', isLayerWhole: false }

async function checkPiece(
  { files, nodeHasher, signal }: CheckOptions,
  directory: string,
  piece: string,
  onBytes: (bytes: Uint8Array) => void
): Promise<Condition> {
  const paths = piecePaths(directory)
  try {
    const checked = await checkFile(files, pieceFile(paths, piece), piece, { nodeHasher, onBytes, signal })
    if (!checked.ok) return { condition: checked.reason, isLayerWhole: false }
    const wanted = encodeLayer(checked.digest.layer, checked.checksums)
    const layer = await readAt(files, layerFile(paths, piece), 0, wanted.length + 1).catch(() => undefined)
    return { condition: 'whole', isLayerWhole: layer?.equals(wanted) === true }
  } catch (error) {
    signal.throwIfAborted()
    if (systemCodeOf(error) === 'ENOENT') return MISSING
    // A sector that cannot be read is bytes that are not there any more.
    if (systemCodeOf(error) === 'EIO') return { condition: 'wrong-bytes', isLayerWhole: false }
    throw error
  }
}

async function findPieces({ files, directories }: CheckOptions): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const directory of directories) {
    if (!(await exists(files, directory))) continue
    for (const fileName of await files.readdir(directory)) {
      const parsed = parseFileName(fileName)
      if (parsed?.kind === 'piece' && !found.has(parsed.name)) found.set(parsed.name, directory)
    }
  }
  return found
}

function rawSizeOf(piece: string): number {
  const verdict = parsePieceCid(piece)
  return verdict.ok ? verdict.commitment.rawSize : 0
}
