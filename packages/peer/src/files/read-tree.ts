/**
 * Reads a file or a directory tree as the entries that `packContent` wants: depth first, directories before what they
 * hold, names sorted by their bytes. Never follows a symbolic link inside the tree, never opens what could block.
 */
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteName, REUSABLE_CHUNK_SIZE_BYTES, type SourceEntry } from '@holdfast/core'
import { PeerError, systemCodeOf } from '../error.ts'

/** Reading in steps as large as a block doubles the speed of import compared with Node's 64 KiB. */
const READ_SIZE_BYTES = REUSABLE_CHUNK_SIZE_BYTES

/** Of one file: the one that is packed, and the one that is read. */
const CHUNKS_IN_USE = 2

/** Not following a link that replaced the file, and not waiting for the writer of a fifo that did. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export interface ReadTreeOptions {
  /** Says which entries to leave out, by '/'-separated path relative to the root; a directory with all it holds. */
  readonly ignore?: (relativePath: string) => boolean
  /**
   * Fills a chunk again when the next but one of its file is asked for, which is what the packer allows. Reading a GiB
   * otherwise leaves a GiB to be collected, which takes longer than reading it.
   */
  readonly reuseChunks?: boolean
}

/** A source entry that says how large a file is. */
export type TreeEntry = SourceEntry &
  ({ readonly kind: 'file'; readonly sizeBytes: number } | { readonly kind: 'directory' | 'symlink' })

interface FoundEntry {
  readonly relativePath: string
  readonly absolutePath: string
}

/**
 * Reads the tree at `path`, which may itself be a symbolic link to a file or a directory. A file gives one entry with
 * the path ''. Contents are read when they are iterated and held to what the file was when it was found.
 *
 * @throws {PeerError} `PATH_MISSING`, `PATH_UNREADABLE`, `PATH_SYMLINK_LOOP`, `PATH_NOT_A_FILE` for sockets, devices
 * and fifos, `SOURCE_CHANGED` for a file that changes or goes away while it is read
 */
export async function* readTree(
  path: string,
  { ignore = () => false, reuseChunks = false }: ReadTreeOptions = {}
): AsyncGenerator<TreeEntry> {
  const root = { relativePath: '', absolutePath: await resolveRoot(path) }
  const rootStats = await statEntry(root, 'PATH_MISSING')
  if (!rootStats.isDirectory()) {
    yield await toEntry(root, rootStats, reuseChunks)
    return
  }
  /** What is still to be read, next last. */
  const pending = await listDirectory(root, ignore)
  for (let found = pending.pop(); found !== undefined; found = pending.pop()) {
    const stats = await statEntry(found, 'SOURCE_CHANGED')
    yield await toEntry(found, stats, reuseChunks)
    if (stats.isDirectory()) for (const below of await listDirectory(found, ignore)) pending.push(below)
  }
}

async function resolveRoot(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (cause) {
    throw pathError(path, cause, 'PATH_MISSING')
  }
}

async function statEntry(
  { absolutePath }: FoundEntry,
  missing: 'PATH_MISSING' | 'SOURCE_CHANGED'
): Promise<BigIntStats> {
  try {
    return await lstat(absolutePath, { bigint: true })
  } catch (cause) {
    throw pathError(absolutePath, cause, missing)
  }
}

async function toEntry(found: FoundEntry, stats: BigIntStats, reuseChunks: boolean): Promise<TreeEntry> {
  const { relativePath: path, absolutePath } = found
  if (stats.isDirectory()) return { path, kind: 'directory' }
  if (stats.isSymbolicLink()) return { path, kind: 'symlink', target: await readTarget(absolutePath) }
  if (stats.isFile()) {
    const content = { [Symbol.asyncIterator]: () => readWhole(absolutePath, stats, reuseChunks ? [] : undefined) }
    return { path, kind: 'file', sizeBytes: Number(stats.size), content }
  }
  throw new PeerError('PATH_NOT_A_FILE', `${quoteName(absolutePath)} is neither a file nor a directory`, {
    path: absolutePath
  })
}

async function readTarget(path: string): Promise<string> {
  try {
    return decodeName(await readlink(path, { encoding: 'buffer' }), path)
  } catch (cause) {
    throw cause instanceof PeerError ? cause : pathError(path, cause, 'SOURCE_CHANGED')
  }
}

/** The entries of a directory, last first, so that a stack pops them in order. */
async function listDirectory(directory: FoundEntry, ignore: (path: string) => boolean): Promise<FoundEntry[]> {
  let names: Buffer[]
  try {
    names = await readdir(directory.absolutePath, { encoding: 'buffer' })
  } catch (cause) {
    throw pathError(directory.absolutePath, cause, 'SOURCE_CHANGED')
  }
  const found: FoundEntry[] = []
  for (const bytes of names.sort((a, b) => Buffer.compare(b, a))) {
    const name = decodeName(bytes, directory.absolutePath)
    const relativePath = directory.relativePath === '' ? name : `${directory.relativePath}/${name}`
    if (!ignore(relativePath)) found.push({ relativePath, absolutePath: join(directory.absolutePath, name) })
  }
  return found
}

function decodeName(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new PeerError(
      'PATH_UNREADABLE',
      `${quoteName(where)} holds a name that is not UTF-8`,
      { path: where },
      { cause }
    )
  }
}

/** Yields the bytes of a file that stays, from beginning to end, what `expected` says it is. */
async function* readWhole(
  path: string,
  expected: BigIntStats,
  yielded: Uint8Array[] | undefined
): AsyncGenerator<Uint8Array> {
  const file = await openFile(path)
  try {
    expectSame(path, expected, await file.stat({ bigint: true }))
    let read = 0n
    while (read < expected.size) {
      const free = yielded !== undefined && yielded.length === CHUNKS_IN_USE ? yielded.shift() : undefined
      const chunk = await readChunk(path, file, expected.size - read, free)
      if (chunk.length === 0) throw changed(path)
      read += BigInt(chunk.length)
      yielded?.push(chunk)
      yield chunk
    }
    expectSame(path, expected, await file.stat({ bigint: true }))
    expectSame(path, expected, await statEntry({ relativePath: '', absolutePath: path }, 'SOURCE_CHANGED'))
  } finally {
    await file.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, OPEN_FLAGS)
  } catch (cause) {
    if (systemCodeOf(cause) === 'ELOOP') throw changed(path, cause)
    throw pathError(path, cause, 'SOURCE_CHANGED')
  }
}

/** Reads until the chunk is full, so that blocks are cut from whole chunks without a copy. */
async function readChunk(
  path: string,
  file: FileHandle,
  left: bigint,
  free: Uint8Array = new Uint8Array(left < BigInt(READ_SIZE_BYTES) ? Number(left) : READ_SIZE_BYTES)
): Promise<Uint8Array> {
  const size = left < BigInt(READ_SIZE_BYTES) ? Number(left) : READ_SIZE_BYTES
  let filled = 0
  while (filled < size) {
    const { bytesRead } = await file.read(free, filled, size - filled).catch(cause => {
      throw pathError(path, cause, 'SOURCE_CHANGED')
    })
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return free.subarray(0, filled)
}

function expectSame(path: string, before: BigIntStats, after: BigIntStats): void {
  const same =
    before.dev === after.dev &&
    before.ino === after.ino &&
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs
  if (!same) throw changed(path)
}

function changed(path: string, cause?: unknown): PeerError {
  return new PeerError('SOURCE_CHANGED', `${quoteName(path)} changed while it was read`, { path }, { cause })
}

function pathError(path: string, cause: unknown, missing: 'PATH_MISSING' | 'SOURCE_CHANGED'): unknown {
  const name = quoteName(path)
  switch (systemCodeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return missing === 'SOURCE_CHANGED'
        ? changed(path, cause)
        : new PeerError('PATH_MISSING', `${name} does not exist`, { path }, { cause })
    case 'ELOOP':
      return new PeerError(
        'PATH_SYMLINK_LOOP',
        `${name} is a symbolic link that leads back to itself`,
        { path },
        { cause }
      )
    case undefined:
      return cause
    default:
      return new PeerError('PATH_UNREADABLE', `cannot read ${name}: ${(cause as Error).message}`, { path }, { cause })
  }
}
