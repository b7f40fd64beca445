/** Waits for a disk that failed: full for minutes, or away. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type Clock, machineClock } from '@holdfast/core'
import { type FileSystem, machineFileSystem } from './storage/file-system.ts'

/** Between two tries; also the least time between two failures, so that a disk that comes and goes starts no storm. */
export const DISK_RETRY_MS = 5_000
/** More than what a group of the ledger's log takes. */
const PROBE_SIZE_BYTES = 1024 * 1024

/**
 * Resolves when a directory takes and syncs a file again; the first try comes after a pause.
 *
 * @throws the signal's reason
 */
export async function awaitDisk(
  directory: string,
  signal: AbortSignal,
  clock: Pick<Clock, 'sleep'> = machineClock,
  files: FileSystem = machineFileSystem
): Promise<void> {
  do await clock.sleep(DISK_RETRY_MS, signal)
  while (!(await takesBytes(directory, files)))
}

async function takesBytes(directory: string, files: FileSystem): Promise<boolean> {
  const path = join(directory, `probe-${randomUUID()}.new`)
  try {
    const handle = await files.open(path, 'wx', 0o600)
    try {
      await handle.writeFile(new Uint8Array(PROBE_SIZE_BYTES))
      await handle.datasync()
    } finally {
      await handle.close()
    }
    return true
  } catch {
    return false
  } finally {
    await files.rm(path, { force: true }).catch(() => undefined)
  }
}
