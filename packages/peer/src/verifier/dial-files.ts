/**
 * A verifier's dial log on disk, beside its transcripts: `<round>.dials`, one JSON line for each time that a provider was
 * asked, appended and synced before the attestation.
 *
 * A line that a power cut tore, or that is none of ours, is passed over. A round takes no more than its share of the disk:
 * what comes after that is left out.
 */
import { join } from 'node:path'
import { type DialLog, type DialRecord, dialRecordSchema } from '@holdfast/core'
import { type FileSystem, machineFileSystem } from '../storage/file-system.ts'

/** A thousand providers that are asked in vain, with all that they can say for it. */
const ROUND_SIZE_BYTES_MAX = 4 * 1024 ** 2

export interface DialFilesOptions {
  /** Made when it is missing. */
  readonly directory: string
  readonly files?: FileSystem
  /** What one round may take. */
  readonly sizeBytesMax?: number
}

export function createDialFiles({
  directory,
  files = machineFileSystem,
  sizeBytesMax = ROUND_SIZE_BYTES_MAX
}: DialFilesOptions): DialLog {
  let tail: Promise<unknown> = Promise.resolve()

  /** One after the other; the failure of one is nobody else's. */
  function next<T>(work: () => Promise<T>): Promise<T> {
    const done = tail.then(work)
    tail = done.catch(() => undefined)
    return done
  }

  function pathOf(round: number): string {
    return join(directory, `${String(round).padStart(16, '0')}.dials`)
  }

  async function append(round: number, records: readonly DialRecord[]): Promise<void> {
    const handle = await files.open(pathOf(round), 'a', 0o600)
    try {
      let { size } = await handle.stat()
      const lines: Buffer[] = []
      for (const record of records) {
        // The line end comes first: what a crash tore off before must not swallow this one.
        const line = Buffer.from(`\n${JSON.stringify(record)}`)
        if (size + line.length > sizeBytesMax) break
        size += line.length
        lines.push(line)
      }
      await handle.writeFile(Buffer.concat(lines))
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  return {
    add: records =>
      next(async () => {
        await files.mkdir(directory, { recursive: true, mode: 0o700 })
        for (const [round, ofRound] of Map.groupBy(records, one => one.round)) await append(round, ofRound)
      }),
    read: (round, dealId) =>
      next(async () => {
        const text = await readText(files, pathOf(round), sizeBytesMax)
        return text
          .split('\n')
          .flatMap(parseLine)
          .filter(one => dealId === undefined || one.dealIds.includes(dealId))
      }),
    prune: beforeRound =>
      next(async () => {
        for (const name of await files.readdir(directory)) {
          const round = /^(\d{16})\.dials$/.exec(name)?.[1]
          if (round !== undefined && Number(round) < beforeRound) await files.rm(join(directory, name), { force: true })
        }
      })
  }
}

async function readText(files: FileSystem, path: string, sizeBytesMax: number): Promise<string> {
  try {
    const handle = await files.open(path, 'r')
    try {
      const bytes = Buffer.alloc(Math.min((await handle.stat()).size, sizeBytesMax))
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
      return bytes.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function parseLine(line: string): DialRecord[] {
  try {
    const parsed = dialRecordSchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  } catch {
    return []
  }
}
