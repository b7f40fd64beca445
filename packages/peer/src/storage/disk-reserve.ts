/**
 * A file that takes up room for bad times: when the disk is full it is removed, so that ledger and index can be written.
 *
 * Really written, not only as long as it says, and with bytes that no file system shrinks. It is made again when there is
 * room for it several times over.
 */
import { randomFillSync } from 'node:crypto'
import { dirname } from 'node:path'
import { exists, type FileSystem, machineFileSystem } from './file-system.ts'

/** Enough for days of index and ledger entries: time for a person to come and see. */
export const DISK_RESERVE_SIZE_BYTES = 64 * 1024 * 1024
/** Of a peer that holds no pieces: 20,000 entries. */
export const LEDGER_RESERVE_SIZE_BYTES = 8 * 1024 * 1024
/** Room that must be left when the reserve is made: it must not itself fill the disk. */
const ROOM_TIMES = 3

export interface DiskReserve {
  /** Whether it stands ready. */
  readonly isHeld: boolean
  /** Makes the file where it is missing and there is room. Never rejects for a disk that is full. */
  hold(): Promise<void>
  /** Gives its room to others. @returns whether there was any to give */
  release(): Promise<boolean>
}

export async function openDiskReserve(
  path: string,
  { sizeBytes = DISK_RESERVE_SIZE_BYTES, files = machineFileSystem }: { sizeBytes?: number; files?: FileSystem } = {}
): Promise<DiskReserve> {
  const reserve = new FileReserve(path, sizeBytes, files)
  await reserve.hold()
  return reserve
}

class FileReserve implements DiskReserve {
  isHeld = false
  readonly #path: string
  readonly #sizeBytes: number
  readonly #files: FileSystem

  constructor(path: string, sizeBytes: number, files: FileSystem) {
    this.#path = path
    this.#sizeBytes = sizeBytes
    this.#files = files
  }

  async hold(): Promise<void> {
    if (this.isHeld) return
    if (await exists(this.#files, this.#path)) {
      this.isHeld = (await this.#files.stat(this.#path)).size === this.#sizeBytes
      if (this.isHeld) return
    }
    const { bavail, bsize } = await this.#files.statfs(dirname(this.#path))
    if (bavail * bsize < ROOM_TIMES * this.#sizeBytes) return
    try {
      await this.#write()
      this.isHeld = true
    } catch {
      await this.#files.rm(this.#path, { force: true })
    }
  }

  async release(): Promise<boolean> {
    const wasHeld = this.isHeld
    this.isHeld = false
    await this.#files.rm(this.#path, { force: true })
    return wasHeld
  }

  async #write(): Promise<void> {
    await this.#files.rm(this.#path, { force: true })
    const handle = await this.#files.open(this.#path, 'wx', 0o600)
    try {
      const slab = randomFillSync(Buffer.allocUnsafe(Math.min(this.#sizeBytes, 1024 * 1024)))
      for (let written = 0; written < this.#sizeBytes; written += slab.length) {
        await handle.writeFile(slab.subarray(0, this.#sizeBytes - written))
      }
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }
}
