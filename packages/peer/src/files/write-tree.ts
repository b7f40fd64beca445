/**
 * Writes content that strangers made into a place of ours: whole or not at all, and nowhere else.
 *
 * Everything goes into a new directory beside the target, under names that `safeJoin` passed, into files that did not
 * exist; symbolic links come last, so that nothing is ever written through one. The last step is one rename.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, symlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type ContentEntry, iterateAbortably } from '@holdfast/core'
import { PeerError, systemCodeOf } from '../error.ts'
import { isConfinedTarget } from './confined-target.ts'
import { safeJoin } from './safe-join.ts'

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)

/** Entry of the staging directory that becomes the target. */
const STAGED_NAME = 'content'

export interface WrittenTree {
  readonly fileCount: number
  readonly contentSizeBytes: bigint
  /** Links that were left out because they lead outside, or could together with others; see `isConfinedTarget`. */
  readonly skippedSymlinks: ReadonlyArray<{ readonly path: string; readonly target: string }>
}

export interface WriteTreeOptions {
  readonly signal?: AbortSignal | undefined
}

type SymlinkEntry = ContentEntry & { readonly kind: 'symlink' }

/**
 * Writes `entries` to `path`, which must not exist or be an empty directory. An object that is one file becomes a file
 * at `path`. Modes and times are the system's defaults; UnixFS is not asked for them. Does not fsync.
 *
 * When it rejects or is aborted, `path` is as it was and the staging directory is gone.
 *
 * @throws {PeerError} `TARGET_NOT_EMPTY`, `UNSAFE_NAME`, `TARGET_CONFLICT` for two entries that are one on this file
 * system, `TARGET_UNWRITABLE` for a full or refusing disk; and whatever `entries` throws
 */
export async function writeTree(
  path: string,
  entries: AsyncIterable<ContentEntry>,
  { signal }: WriteTreeOptions = {}
): Promise<WrittenTree> {
  signal?.throwIfAborted()
  const target = resolve(path)
  const existed = await expectFree(target)
  const staging = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomBytes(6).toString('hex')}.partial`)
  try {
    await mkdir(staging)
    const written = await writeEntries(join(staging, STAGED_NAME), entries, signal)
    signal?.throwIfAborted()
    await replace(join(staging, STAGED_NAME), target, existed)
    return written
  } catch (cause) {
    throw targetError(cause)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Whether `target` exists, as an empty directory; anything else there is refused. */
async function expectFree(target: string): Promise<boolean> {
  try {
    if ((await readdir(target)).length === 0) return true
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return false
    if (systemCodeOf(cause) !== 'ENOTDIR') throw targetError(cause)
  }
  throw new PeerError('TARGET_NOT_EMPTY', `${target} exists already; name a new or empty directory`, { path: target })
}

/** A rename over an empty directory works on some systems only, and never for a file. */
async function replace(staged: string, target: string, existed: boolean): Promise<void> {
  if (existed) await rmdir(target)
  try {
    await rename(staged, target)
  } catch (cause) {
    if (existed) await mkdir(target)
    throw cause
  }
}

async function writeEntries(
  root: string,
  entries: AsyncIterable<ContentEntry>,
  signal: AbortSignal | undefined
): Promise<WrittenTree> {
  const links: SymlinkEntry[] = []
  let fileCount = 0
  let contentSizeBytes = 0n
  for await (const entry of iterateAbortably(entries, signal)) {
    const path = safeJoin(root, entry.path)
    if (entry.kind === 'directory') await mkdir(path)
    else if (entry.kind === 'symlink') links.push(entry)
    else {
      contentSizeBytes += await writeFile(path, entry.content(), signal)
      fileCount += 1
    }
  }
  return { fileCount, contentSizeBytes, skippedSymlinks: await writeSymlinks(root, links) }
}

async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined
): Promise<bigint> {
  const file = await open(path, CREATE_FLAGS, 0o666)
  let written = 0n
  try {
    for await (const chunk of iterateAbortably(content, signal)) {
      await writeAll(file, chunk)
      written += BigInt(chunk.length)
    }
  } finally {
    await file.close()
  }
  return written
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    offset += (await file.write(bytes, offset, bytes.length - offset)).bytesWritten
  }
}

async function writeSymlinks(root: string, links: readonly SymlinkEntry[]): Promise<WrittenTree['skippedSymlinks']> {
  const skipped: Array<{ path: string; target: string }> = []
  for (const { path, target } of links) {
    const depth = path.length - 1
    if (depth < 0 || !isConfinedTarget(target, depth)) skipped.push({ path: path.join('/'), target })
    else await symlink(target, safeJoin(root, path))
  }
  return skipped
}

function targetError(cause: unknown): unknown {
  const code = systemCodeOf(cause)
  if (cause instanceof PeerError || code === undefined || !/^E[A-Z]+$/.test(code)) return cause
  const { message } = cause as Error
  if (code === 'EEXIST') {
    return new PeerError('TARGET_CONFLICT', `two entries have one name on this file system: ${message}`, {}, { cause })
  }
  return new PeerError('TARGET_UNWRITABLE', `cannot write the content: ${message}`, { systemCode: code }, { cause })
}
