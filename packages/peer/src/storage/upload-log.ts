/**
 * What stands beside a piece that is on its way in, so that its upload can go on after a break.
 *
 * One file of lines: what the upload is, then how many of its bytes a sync has covered, again and again. Only appended
 * to, so that whatever a crash leaves at its end is a torn line, which does not count. Bytes beyond the last count are
 * not believed: a power cut may have taken them and left the file's length.
 */
import { hash } from 'node:crypto'
import type { FileSystem } from './file-system.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

const VERSION = 1
/** Far more than the counts of the largest piece: what is longer is not ours. */
const LOG_SIZE_BYTES_MAX = 64 * 1024

export interface UploadTerms {
  /** The deal that the bytes come under; its client is the only one who may go on. */
  readonly dealId: string
  readonly sizeBytes: number
  /** Chosen by the client. */
  readonly uploadId: string
}

/** An upload that broke off, as the disk tells it. */
export interface BrokenUpload extends UploadTerms {
  readonly syncedBytes: number
  /** When its bytes may go, milliseconds of Unix time. */
  readonly untilMs: number
}

/** The name of an upload's files: one for one client's deal, size and id, and nothing that a client could shape. */
export function nameOfUpload({ dealId, sizeBytes, uploadId }: UploadTerms): string {
  return hash('sha256', JSON.stringify([dealId, sizeBytes, uploadId])).slice(0, 40)
}

/** Appends counts to the log of one upload. */
export interface UploadLog {
  /** Says that so many bytes are synced; durable when it resolves. */
  append(syncedBytes: number, untilMs: number): Promise<void>
  close(): Promise<void>
}

/** Opens the log of an upload, begun anew or continued. */
export async function openUploadLog(files: FileSystem, path: string, terms: UploadTerms): Promise<UploadLog> {
  const handle = await files.open(path, 'a', 0o600)
  try {
    const { size } = await handle.stat()
    // A continued log may end in a torn line: a line of its own makes sure that it spoils no other.
    await handle.writeFile(size === 0 ? `${JSON.stringify({ version: VERSION, ...terms })}\n` : '\n')
    return new OpenUploadLog(handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

class OpenUploadLog implements UploadLog {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async append(syncedBytes: number, untilMs: number): Promise<void> {
    await this.#handle.writeFile(`${syncedBytes} ${untilMs}\n`)
    await this.#handle.datasync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** @returns undefined for a file that is no log of an upload, or of one whose first bytes no sync had covered yet */
export function parseUploadLog(text: string): BrokenUpload | undefined {
  if (text.length > LOG_SIZE_BYTES_MAX) return undefined
  const [first, ...lines] = text.split('\n').slice(0, -1)
  const terms = parseTerms(first)
  if (terms === undefined) return undefined
  const counts = lines.flatMap(line => {
    const [, syncedBytes, untilMs] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? []
    return syncedBytes === undefined ? [] : [{ syncedBytes: Number(syncedBytes), untilMs: Number(untilMs) }]
  })
  const last = counts.at(-1)
  return last === undefined || last.syncedBytes > terms.sizeBytes ? undefined : { ...terms, ...last }
}

function parseTerms(line: string | undefined): UploadTerms | undefined {
  try {
    const { version, dealId, sizeBytes, uploadId } = JSON.parse(line ?? '') as Record<string, unknown>
    const isWhole =
      version === VERSION &&
      typeof dealId === 'string' &&
      Number.isSafeInteger(sizeBytes) &&
      typeof uploadId === 'string'
    return isWhole ? { dealId, sizeBytes: Number(sizeBytes), uploadId } : undefined
  } catch {
    return undefined
  }
}
