/**
 * A disk on which what is written gets the reserve when there is no other room: for the ledger, which must not stop
 * because something else has filled the disk.
 */
import type { DiskReserve } from './disk-reserve.ts'
import type { FileSystem } from './file-system.ts'
import { isFull } from './incoming-file.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/**
 * Makes calls that found no room once more, after the reserve has been given up: creating and renaming files, and writing
 * at a position. Writes without one are left as they are, because nobody knows how much of them is written.
 */
export function withReserve(files: FileSystem, reserve: Pick<DiskReserve, 'release'>): FileSystem {
  async function twice<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call()
    } catch (error) {
      if (!isFull(error)) throw error
      // Also when somebody else has just given it up: then there is room all the same.
      await reserve.release()
      return await call()
    }
  }

  function withRoom(handle: FileHandle): FileHandle {
    const write = handle.write.bind(handle) as (...said: unknown[]) => Promise<unknown>
    const retried = (...said: unknown[]) => (typeof said[3] === 'number' ? twice(() => write(...said)) : write(...said))
    return Object.assign(handle, { write: retried as FileHandle['write'] })
  }

  return {
    ...files,
    mkdir: ((...said: Parameters<FileSystem['mkdir']>) => twice(() => files.mkdir(...said))) as FileSystem['mkdir'],
    open: async (...said) => withRoom(await twice(() => files.open(...said))),
    rename: (...said) => twice(() => files.rename(...said))
  }
}
