/** Writes segment files of a log whose entries are known already: for mending, never for a log that is open. */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import type { FileSystem } from '../storage/file-system.ts'
import {
  encodeNextRecord,
  encodeSegmentHeader,
  formatSegmentName,
  RECORD_HEADER_SIZE_BYTES,
  SEGMENT_SIZE_BYTES_MAX
} from './segment-log-format.ts'

/** Ends the names of files that are not part of the log yet. */
export const UNFINISHED_SUFFIX = '.new'

export interface SegmentWriter {
  /** Names of the segments that were written, each with `UNFINISHED_SUFFIX` on disk. */
  readonly names: readonly string[]
  /** Of the last entry that was written. */
  readonly chainHash: Uint8Array
  write(payload: Uint8Array): Promise<void>
  /** Syncs and closes what is open. Idempotent. */
  finish(): Promise<void>
}

/** @param firstSequence - of the first entry to be written; `chainBefore` is the chain hash before it */
export function createSegmentWriter(
  files: FileSystem,
  directory: string,
  firstSequence: number,
  chainBefore: Uint8Array
): SegmentWriter {
  const names: string[] = []
  let sequence = firstSequence
  let chainHash = chainBefore
  let file: { handle: Awaited<ReturnType<FileSystem['open']>>; salt: number; sizeBytes: number } | undefined

  async function begin(): Promise<NonNullable<typeof file>> {
    const name = formatSegmentName(sequence)
    const salt = randomInt(2 ** 32)
    const path = join(directory, `${name}${UNFINISHED_SUFFIX}`)
    await files.rm(path, { force: true })
    const handle = await files.open(path, 'wx', 0o600)
    const header = encodeSegmentHeader({ salt, firstSequence: sequence, previousChainHash: chainHash })
    await handle.writeFile(header)
    names.push(name)
    return { handle, salt, sizeBytes: header.length }
  }

  async function finish(): Promise<void> {
    const { handle } = file ?? {}
    file = undefined
    try {
      await handle?.sync()
    } finally {
      await handle?.close()
    }
  }

  return {
    names,
    get chainHash() {
      return chainHash
    },
    async write(payload) {
      const sizeBytes = RECORD_HEADER_SIZE_BYTES + payload.length
      if (file !== undefined && file.sizeBytes + sizeBytes > SEGMENT_SIZE_BYTES_MAX) await finish()
      file ??= await begin()
      const record = Buffer.allocUnsafe(sizeBytes)
      chainHash = encodeNextRecord(record, 0, payload, { salt: file.salt, chainHash, groupOffset: 0 }).chainHash
      await file.handle.writeFile(record)
      file.sizeBytes += sizeBytes
      sequence += 1
    },
    finish
  }
}
