/**
 * What a piece store does before it opens: makes its files and its index say the same.
 *
 * Files win. What a crash left half-written is removed, a piece that the index lacks is hashed again and indexed as a
 * lease, an entry without its file is dropped, and a file that is not what its name says is set aside for the operator.
 */

import { join } from 'node:path'
import type { NodeHasher } from '@holdfast/proofs'
import { parsePieceCid } from '@holdfast/proofs'
import { createBlockCollector } from './block-collector.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import { checkFile, layerFile, type PiecePaths, parseFileName, pieceFile } from './piece-files.ts'
import type { PieceIndex } from './piece-index.ts'
import type { DamageReason, PieceStoreEvent } from './piece-store.ts'

export interface ReconcileContext {
  readonly files: FileSystem
  readonly paths: PiecePaths
  readonly index: PieceIndex
  readonly nodeHasher: NodeHasher
  /** Lease of pieces that are indexed again: who needs them is not known here. */
  readonly leaseUntilMs: number
  readonly report: (event: PieceStoreEvent) => void
  readonly signal?: AbortSignal
}

export async function reconcilePieces(context: ReconcileContext): Promise<void> {
  const { files, paths } = context
  await files.mkdir(paths.incoming, { recursive: true, mode: 0o700 })
  await files.mkdir(paths.damaged, { recursive: true, mode: 0o700 })
  await sweepIncoming(context)
  const found = await listFiles(context)
  await checkEntries(context, found.pieces)
  for (const piece of found.pieces) {
    context.signal?.throwIfAborted()
    if ((await context.index.get(piece)) === undefined && !(await indexAgain(context, piece)))
      found.pieces.delete(piece)
  }
  for (const layer of found.layers) {
    if (found.pieces.has(layer)) continue
    await files.rm(layerFile(paths, layer), { force: true })
    context.report({ type: 'layer-removed', name: layer })
  }
  await syncDirectory(files, paths.directory)
}

async function sweepIncoming({ files, paths, report }: ReconcileContext): Promise<void> {
  for (const name of await files.readdir(paths.incoming)) {
    await files.rm(join(paths.incoming, name), { force: true, recursive: true })
    report({ type: 'temporary-removed', name })
  }
}

async function listFiles({ files, paths, report }: ReconcileContext) {
  const pieces = new Set<string>()
  const layers = new Set<string>()
  for (const fileName of await files.readdir(paths.directory)) {
    const path = join(paths.directory, fileName)
    if (path === paths.incoming || path === paths.damaged) continue
    const parsed = parseFileName(fileName)
    if (parsed === undefined) report({ type: 'file-unexplained', name: fileName })
    else (parsed.kind === 'piece' ? pieces : layers).add(parsed.name)
  }
  return { pieces, layers }
}

/** Drops entries that no whole file stands behind. */
async function checkEntries(context: ReconcileContext, pieces: Set<string>): Promise<void> {
  const { files, paths, index, report } = context
  for await (const { piece, record } of index.entries()) {
    const verdict = parsePieceCid(piece)
    if (!pieces.has(piece) || !verdict.ok) {
      await index.delete(piece)
      report({ type: 'piece-missing', piece, deals: record.deals })
    } else if ((await files.stat(pieceFile(paths, piece))).size !== verdict.commitment.rawSize) {
      await index.delete(piece)
      await setAside(context, piece, 'wrong-size')
      pieces.delete(piece)
    }
  }
}

/** @returns whether the file is the piece that its name says */
async function indexAgain(context: ReconcileContext, piece: string): Promise<boolean> {
  const { files, paths, index, nodeHasher, leaseUntilMs, report, signal } = context
  const collector = createBlockCollector()
  const onBytes = (bytes: Uint8Array) => collector.update(bytes)
  const checked = await checkFile(files, paths, piece, { nodeHasher, onBytes, signal })
  if (!checked.ok) {
    await setAside(context, piece, checked.reason)
    return false
  }
  const { isPublicCar, places, tooMany } = collector.finish()
  await index.add(piece, { isPublicCar, blockCount: places.length, deals: [], leaseUntilMs }, places)
  report({ type: 'piece-reindexed', piece })
  if (tooMany) report({ type: 'blocks-not-indexed', piece })
  return true
}

async function setAside(
  { files, paths, report }: ReconcileContext,
  piece: string,
  reason: DamageReason
): Promise<void> {
  const movedTo = join(paths.damaged, piece)
  await files.rename(pieceFile(paths, piece), movedTo)
  report({ type: 'piece-damaged', piece, reason, movedTo })
}
