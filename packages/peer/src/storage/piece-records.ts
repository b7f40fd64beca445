/**
 * What the index says of the pieces, and the books over it: changed together, one change at a time.
 *
 * Knows where the files of a piece stand, and removes them with its record; does not read them.
 */
import { remembered } from '@holdfast/core'
import { type PieceCommitment, parsePieceCid } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import { KeptFiles } from './kept-files.ts'
import { PieceBooks } from './piece-books.ts'
import type { PieceDirectory } from './piece-directory.ts'
import { layerFile, pieceFile } from './piece-files.ts'
import { holdersAt, isPublic } from './piece-holders.ts'
import type { PieceHolder, PieceIndex, PieceRecord } from './piece-index.ts'

/** Whose names were read last: each block that is served needs one. */
const PIECES_REMEMBERED_MAX = 1024

export interface PieceRecordsOptions {
  readonly files: FileSystem
  /** At least one; the first is that of records that name none. */
  readonly directories: readonly PieceDirectory[]
  readonly index: PieceIndex
}

export class PieceRecords {
  readonly index: PieceIndex
  readonly directories: readonly PieceDirectory[]
  readonly books = new PieceBooks()
  /** Files of pieces that are read. */
  readonly kept: KeptFiles
  readonly #files: FileSystem
  #turn: Promise<unknown> = Promise.resolve()

  constructor({ files, directories, index }: PieceRecordsOptions) {
    this.#files = files
    this.kept = new KeptFiles(files)
    this.directories = directories
    this.index = index
  }

  /** Runs a change of names and records beside no other. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Resolves when no change is under way. */
  async idle(): Promise<void> {
    await this.#turn
  }

  /** @throws {PeerError} `PIECE_NOT_FOUND` */
  async expect(cid: CID): Promise<PieceCommitment & { readonly record: PieceRecord }> {
    const record = await this.index.get(cid.toString())
    if (record === undefined)
      throw new PeerError('PIECE_NOT_FOUND', `${cid} is not stored here.`, { piece: cid.toString() })
    return { record, ...commitmentOf(cid.toString()) }
  }

  directoryOf({ directory }: Pick<PieceRecord, 'directory'>): PieceDirectory {
    return this.directories.find(({ name }) => name === directory) ?? this.directories[0]!
  }

  pieceFileOf(piece: string, record: PieceRecord): string {
    return pieceFile(this.directoryOf(record).paths, piece)
  }

  layerFileOf(piece: string, record: PieceRecord): string {
    return layerFile(this.directoryOf(record).paths, piece)
  }

  /** Takes a change into the books; the index has it already, or is about to lose it. */
  account(piece: string, before: PieceRecord | undefined, after: PieceRecord | undefined): void {
    const { rawSize } = commitmentOf(piece)
    if (before !== undefined) this.books.remove(rawSize, before.holders, this.directoryOf(before))
    if (after !== undefined) this.books.add(rawSize, after.holders, this.directoryOf(after))
  }

  /** Runs in turn. */
  async replace(piece: string, before: PieceRecord | undefined, after: PieceRecord): Promise<void> {
    await this.index.put(piece, after)
    this.account(piece, before, after)
  }

  /** @returns whether the piece is here. Runs in turn. */
  async changeHolders(cid: CID, change: (holders: readonly PieceHolder[]) => PieceHolder[]): Promise<boolean> {
    const piece = cid.toString()
    const record = await this.index.get(piece)
    if (record === undefined) return false
    const holders = change(record.holders)
    if (JSON.stringify(holders) !== JSON.stringify(record.holders))
      await this.replace(piece, record, { ...record, holders })
    return true
  }

  /** Forgets holders whose time is over, and the piece with the last of them. @returns whether it went. Runs in turn. */
  async dropEnded(piece: string, nowMs: number): Promise<boolean> {
    const record = await this.index.get(piece)
    if (record === undefined) return false
    const holders = holdersAt(record.holders, nowMs)
    if (holders.length === record.holders.length) return false
    if (holders.length === 0) {
      await this.remove(piece, record)
      return true
    }
    const isStillPublic = isPublic(holders)
    await this.replace(piece, record, { ...record, holders, isIndexed: record.isIndexed && isStillPublic })
    if (record.isIndexed && !isStillPublic) await this.index.deleteBlocks(piece)
    return false
  }

  /** Forgets a piece, then removes it: a crash in between leaves a file that the next start takes for a lease. */
  async remove(piece: string, record: PieceRecord): Promise<void> {
    await this.index.delete(piece)
    await this.removeFiles(piece, this.directoryOf(record))
    this.account(piece, record, undefined)
  }

  async removeFiles(piece: string, { paths, path }: PieceDirectory): Promise<void> {
    const file = pieceFile(paths, piece)
    await this.#files.rm(file, { force: true })
    this.kept.forget(file)
    await this.#files.rm(layerFile(paths, piece), { force: true })
    await syncDirectory(this.#files, path)
  }

  /** Never throws: an index that cannot be written has been told of by others. */
  markDamaged(cid: CID): void {
    const marking = this.inTurn(async () => {
      const piece = cid.toString()
      const record = await this.index.get(piece)
      if (record !== undefined && !record.isDamaged) await this.replace(piece, record, { ...record, isDamaged: true })
    })
    marking.catch(() => undefined)
  }
}

/** What the name of a piece says. @throws {TypeError} for what is no PieceCIDv2 */
export const commitmentOf = remembered((piece: string): PieceCommitment => {
  const verdict = parsePieceCid(piece)
  if (!verdict.ok) throw new TypeError(`expected a PieceCIDv2, got ${piece} (${verdict.reason})`)
  return verdict.commitment
}, PIECES_REMEMBERED_MAX)

/** The name itself. @throws what `CID.parse` throws */
export const cidOf = remembered((piece: string): CID => CID.parse(piece), PIECES_REMEMBERED_MAX)
