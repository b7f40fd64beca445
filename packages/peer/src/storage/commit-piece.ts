/** The last step of a piece on its way in: its files get their names, and the index its entry, or nothing of both stays. */
import { PeerError, systemCodeOf } from '../error.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import { diskFull, incomingPaths, isFull, type WrittenPiece } from './incoming-file.ts'
import type { OpenUpload } from './incoming-pieces.ts'
import type { PieceDirectory } from './piece-directory.ts'
import { layerFile, pieceFile } from './piece-files.ts'
import { keepersOf, withLease } from './piece-holders.ts'
import type { PieceRecord } from './piece-index.ts'
import type { PieceRecords } from './piece-records.ts'

export interface CommitComponents {
  readonly files: FileSystem
  readonly records: PieceRecords
}

/**
 * Takes a piece over that is whole and synced under its temporary names, as a lease of its deal. Runs in turn.
 *
 * @returns what the index says of it now
 * @throws {PeerError} `NO_SPACE` when the disk is full and all of it is undone; `DISK_FAILED` when names or index may or
 * may not be on the platter, which only a start finds out
 */
export async function commitPiece(
  components: CommitComponents,
  { piece, car }: WrittenPiece,
  { directory, name, dealId }: OpenUpload,
  leaseUntilMs: number
): Promise<PieceRecord> {
  const { files, records } = components
  const temporary = incomingPaths({ directory: directory.paths.incoming, name })
  /** What the books say of the piece, whatever the index says. */
  let counted: PieceRecord | undefined
  try {
    await files.rename(temporary.layer, layerFile(directory.paths, piece))
    await files.rename(temporary.piece, pieceFile(directory.paths, piece))
    records.kept.forget(pieceFile(directory.paths, piece))
    await syncDirectory(files, directory.path)
    const before = await records.index.get(piece)
    counted = before
    const record: PieceRecord = {
      holders: withLease(before?.holders ?? [], dealId, leaseUntilMs),
      ...car,
      isIndexed: before?.isIndexed ?? false,
      isDamaged: false,
      ...(directory.name !== undefined && { directory: directory.name })
    }
    await records.replace(piece, before, record)
    counted = record
    if (before !== undefined && records.directoryOf(before) !== directory)
      await records.removeFiles(piece, records.directoryOf(before))
    return record
  } catch (error) {
    if (isFull(error) && (await undoCommit(records, piece, directory, counted))) throw diskFull(error)
    throw new PeerError(
      'DISK_FAILED',
      'A piece could not be committed: see that the disk has room and is sound, then start the peer again.',
      { piece, code: systemCodeOf(error) },
      { cause: error }
    )
  }
}

/** Takes back what a commit had done when the disk was full. @returns whether all of it is undone */
async function undoCommit(
  records: PieceRecords,
  piece: string,
  directory: PieceDirectory,
  counted: PieceRecord | undefined
): Promise<boolean> {
  try {
    // A piece that is here for others has its file still, with the same bytes.
    if (counted !== undefined && keepersOf(counted.holders).length > 0) return true
    await records.index.delete(piece)
    records.account(piece, counted, undefined)
    await records.removeFiles(piece, directory)
    return true
  } catch {
    return false
  }
}
