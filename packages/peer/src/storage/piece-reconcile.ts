/**
 * What a piece store does before it opens: makes its files and its index say the same.
 *
 * Files win. A piece that the index lacks is hashed again and indexed as a lease, an entry without its file is dropped, a
 * second copy in another directory goes, and a file that is not what its name says is set aside for the operator.
 */
import { join } from 'node:path'
import type { NodeHasher } from '@holdfast/proofs'
import { parsePieceCid } from '@holdfast/proofs'
import { createBlockCollector } from './block-collector.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import type { PieceDirectory } from './piece-directory.ts'
import { checkFile, encodeLayer, layerFile, parseFileName, pieceFile, writeSynced } from './piece-files.ts'
import { keepersOf } from './piece-holders.ts'
import type { PieceIndex, PieceRecord } from './piece-index.ts'
import type { DamageReason, PieceStoreEvent, StartOptions } from './piece-store.ts'

export interface ReconcileContext extends StartOptions {
  readonly files: FileSystem
  readonly directories: readonly PieceDirectory[]
  readonly index: PieceIndex
  readonly nodeHasher: NodeHasher
  /** Lease of pieces that are indexed again: who needs them is not known here. */
  readonly leaseUntilMs: number
  readonly report: (event: PieceStoreEvent) => void
}

/** Where each piece's file was found, and every layer. */
interface FoundFiles {
  readonly pieces: Map<string, PieceDirectory>
  readonly layers: { readonly name: string; readonly directory: PieceDirectory }[]
}

export async function reconcilePieces(context: ReconcileContext): Promise<void> {
  const { files, directories, index, signal } = context
  const found = await listFiles(context)
  await checkEntries(context, found.pieces)
  for (const [piece, directory] of found.pieces) {
    signal?.throwIfAborted()
    if ((await index.get(piece)) === undefined && !(await indexAgain(context, piece, directory)))
      found.pieces.delete(piece)
  }
  for (const { name, directory } of found.layers) {
    if (found.pieces.get(name) === directory) continue
    await files.rm(layerFile(directory.paths, name), { force: true })
    context.report({ type: 'layer-removed', name })
  }
  for (const { path } of directories) await syncDirectory(files, path)
}

async function listFiles(context: ReconcileContext): Promise<FoundFiles> {
  const { files, directories, report } = context
  const found: FoundFiles = { pieces: new Map(), layers: [] }
  for (const directory of directories) {
    for (const fileName of await files.readdir(directory.path)) {
      if (directory.isOwn(fileName)) continue
      const parsed = parseFileName(fileName)
      if (parsed === undefined) report({ type: 'file-unexplained', name: fileName })
      else if (parsed.kind === 'layer') found.layers.push({ name: parsed.name, directory })
      else await addFile(context, found, parsed.name, directory)
    }
  }
  return found
}

/** Of two copies the one stays that the index names; a crash between a new copy and the end of the old one leaves both. */
async function addFile(
  { files, index, report }: ReconcileContext,
  { pieces }: FoundFiles,
  piece: string,
  directory: PieceDirectory
): Promise<void> {
  const other = pieces.get(piece)
  if (other === undefined) {
    pieces.set(piece, directory)
    return
  }
  const record = await index.get(piece)
  const isIndexed = record !== undefined && record.directory === directory.name
  const extra = isIndexed ? other : directory
  pieces.set(piece, isIndexed ? directory : other)
  await files.rm(pieceFile(extra.paths, piece), { force: true })
  report({ type: 'copy-removed', piece, directory: extra.path })
}

/** Drops entries that no whole file stands behind, and corrects where a file stands that was moved. */
async function checkEntries(context: ReconcileContext, pieces: Map<string, PieceDirectory>): Promise<void> {
  const { files, index, report } = context
  for await (const { piece, record } of index.entries()) {
    const verdict = parsePieceCid(piece)
    const directory = pieces.get(piece)
    if (directory === undefined || !verdict.ok) {
      await index.delete(piece)
      report({ type: 'piece-missing', piece, deals: keepersOf(record.holders) })
    } else if ((await files.stat(pieceFile(directory.paths, piece))).size !== verdict.commitment.rawSize) {
      await index.delete(piece)
      await setAside(context, piece, directory, 'wrong-size')
      pieces.delete(piece)
    } else if (record.directory !== directory.name) {
      const { directory: _, ...moved } = record
      await index.put(piece, placed(moved, directory))
    }
  }
}

/** @returns whether the file is the piece that its name says */
async function indexAgain(context: ReconcileContext, piece: string, directory: PieceDirectory): Promise<boolean> {
  const { files, index, nodeHasher, leaseUntilMs, report, signal, onProgress } = context
  const collector = createBlockCollector()
  let doneBytes = 0
  const onBytes = (bytes: Uint8Array) => {
    collector.update(bytes)
    doneBytes += bytes.length
    onProgress?.({ piece, doneBytes })
  }
  const checked = await checkFile(files, pieceFile(directory.paths, piece), piece, { nodeHasher, onBytes, signal })
  if (!checked.ok) {
    await setAside(context, piece, directory, checked.reason)
    return false
  }
  // The tree was built anyway: its layer is written anew, whatever stands there.
  const layer = layerFile(directory.paths, piece)
  await files.rm(layer, { force: true })
  await writeSynced(files, layer, encodeLayer(checked.digest.layer, checked.checksums))
  const holders = [{ dealId: '', untilMs: leaseUntilMs }]
  const record = { holders, ...collector.finish(), isIndexed: false, isDamaged: false }
  await index.put(piece, placed(record, directory))
  report({ type: 'piece-reindexed', piece })
  return true
}

function placed(record: Omit<PieceRecord, 'directory'>, { name }: PieceDirectory): PieceRecord {
  return { ...record, ...(name !== undefined && { directory: name }) }
}

async function setAside(
  { files, report }: ReconcileContext,
  piece: string,
  { paths }: PieceDirectory,
  reason: DamageReason
): Promise<void> {
  const movedTo = join(paths.damaged, piece)
  await files.rename(pieceFile(paths, piece), movedTo)
  report({ type: 'piece-damaged', piece, reason, movedTo })
}
