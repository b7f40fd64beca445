/**
 * The disk, as the stores of this package see it, and the few sequences of calls that survive a power cut.
 *
 * A rename is durable only after the directory that holds the name was synced, and a file's bytes only after its own
 * sync; nothing else on this page is a promise of any file system.
 */
import * as nodeFileSystem from 'node:fs/promises'
import { dirname } from 'node:path'

/** What the stores ask of a disk. Tests pass one whose n-th call fails. */
export type FileSystem = Pick<
  typeof nodeFileSystem,
  'link' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'stat' | 'statfs' | 'unlink'
>

/** The machine's own disk. */
export const machineFileSystem: FileSystem = nodeFileSystem

/** Makes the names in a directory durable: those created, renamed and removed before the call. */
export async function syncDirectory(files: FileSystem, directory: string): Promise<void> {
  // Windows can neither open nor sync a directory; NTFS journals names by itself.
  if (process.platform === 'win32') return
  const handle = await files.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces a file as a whole: after a crash at any moment it holds the old bytes or the new ones.
 *
 * Leaves `<path>.new` behind when the process dies in the middle; the next call overwrites it. Two calls for one path
 * must not overlap.
 *
 * @param mode - permission bits of the new file
 */
export async function replaceFile(files: FileSystem, path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.new`
  await files.rm(temporary, { force: true })
  const handle = await files.open(temporary, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await files.rename(temporary, path)
  await syncDirectory(files, dirname(path))
}

/** Whether a file or directory of this name exists. */
export async function exists(files: FileSystem, path: string): Promise<boolean> {
  try {
    await files.stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
