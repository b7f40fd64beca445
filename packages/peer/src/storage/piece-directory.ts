/**
 * One directory of a piece store: what it may hold, what it holds, and which of several takes the next piece.
 *
 * Every directory but the first carries a marker with an id that the index knows too, so that a disk that is not mounted
 * is told apart from one that lost its pieces.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { PeerError } from '../error.ts'
import { exists, type FileSystem, replaceFile } from './file-system.ts'
import { type PiecePaths, piecePaths } from './piece-files.ts'
import type { PieceIndex } from './piece-index.ts'

const MARKER = 'holdfast-pieces'

/** A directory that pieces go into, as the operator names it. */
export interface PieceDirectoryOptions {
  readonly path: string
  /** Bytes of pieces and layers in this directory; only the store's own limit when left out, 0 for no new pieces. */
  readonly capacityBytes?: number
}

/** What a disk must keep free; the smaller of the two counts. */
export interface DiskFloor {
  readonly bytes: number
  readonly permille: number
}

export class PieceDirectory {
  readonly path: string
  readonly paths: PiecePaths
  readonly capacityBytes: number
  /** Undefined for the store's first directory, which the index leaves out. */
  readonly name: string | undefined
  /** Pieces and layers. */
  usedBytes = 0
  /** Uploads that broke off. */
  suspendedBytes = 0

  constructor({ path, capacityBytes = Number.POSITIVE_INFINITY }: PieceDirectoryOptions, isFirst: boolean) {
    this.path = path
    this.paths = piecePaths(path)
    this.capacityBytes = capacityBytes
    this.name = isFirst ? undefined : path
  }

  /**
   * Makes the directory's folders, unless it is one that the index knows and that is not there.
   *
   * @throws {PeerError} `PIECES_DIRECTORY_GONE`
   */
  async open(files: FileSystem, index: PieceIndex): Promise<void> {
    if (this.name !== undefined) await this.#checkMarker(files, index)
    await files.mkdir(this.paths.incoming, { recursive: true, mode: 0o700 })
    await files.mkdir(this.paths.damaged, { recursive: true, mode: 0o700 })
  }

  async #checkMarker(files: FileSystem, index: PieceIndex): Promise<void> {
    const marker = join(this.path, MARKER)
    if (await exists(files, marker)) return
    if ((await index.directory(this.path)) !== undefined) {
      const message = `${this.path} holds pieces, but its disk is not there: mount it, or take the directory out of the config to give up what it holds.`
      throw new PeerError('PIECES_DIRECTORY_GONE', message, { path: this.path })
    }
    await files.mkdir(this.path, { recursive: true, mode: 0o700 })
    const id = randomUUID()
    await replaceFile(files, marker, Buffer.from(`${id}\n`))
    await index.putDirectory(this.path, id)
  }

  /** Whether a file of this name in the directory is the directory's own. */
  isOwn(fileName: string): boolean {
    return fileName === MARKER || fileName === 'incoming' || fileName === 'damaged'
  }
}

/** Room in one directory, as far as its own limit and its disk go. */
export interface DirectoryRoom {
  /** Of its quota. */
  readonly quotaBytes: number
  /** Of its disk, above the floor and beside what is promised already. */
  readonly diskBytes: number
}

export type RoomChoice =
  | { readonly ok: true; readonly at: number }
  | { readonly ok: false; readonly limit: 'quota' | 'disk'; readonly freeBytes: number }

/** Chooses the directory with the most room; says which limit stands in the way when none has enough. */
export function chooseDirectory(rooms: readonly DirectoryRoom[], neededBytes: number): RoomChoice {
  const free = rooms.map(({ quotaBytes, diskBytes }) => Math.max(0, Math.min(quotaBytes, diskBytes)))
  const most = Math.max(0, ...free)
  if (rooms.length > 0 && most >= neededBytes) return { ok: true, at: free.indexOf(most) }
  const quotaBytes = Math.max(0, ...rooms.map(room => room.quotaBytes))
  return quotaBytes < neededBytes
    ? { ok: false, limit: 'quota', freeBytes: quotaBytes }
    : { ok: false, limit: 'disk', freeBytes: most }
}

/** What the floor leaves of a disk. */
export function aboveFloor(
  { bavail, blocks, bsize }: { readonly bavail: number; readonly blocks: number; readonly bsize: number },
  { bytes, permille }: DiskFloor
): number {
  return bavail * bsize - Math.min(bytes, Math.floor((blocks * bsize * permille) / 1000))
}
