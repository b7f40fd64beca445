/**
 * The ledger's journal: opaque entries, appended in groups, acknowledged only when they are on the platter.
 *
 * Owns the `.segment` files of one directory, and nobody else may write there: the caller holds the data directory's
 * lock. Invariants:
 *   - an append resolves after the sync that covers it, never before, and appends resolve in order;
 *   - one write is in flight; what arrives meanwhile becomes the next, so that one sync serves many callers;
 *   - a write never spans two files, and a file is synced whole before the next one exists;
 *   - after a failed write or sync nothing is known about the disk's cache: the log refuses every later append, and only
 *     opening it again, which reads what is really there, mends that.
 * What an entry means is the ledger machine's business.
 */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { PeerError } from '../error.ts'
import { type FileSystem, machineFileSystem, syncDirectory } from '../storage/file-system.ts'
import type { IndexLevel } from '../storage/index-level.ts'
import {
  encodeNextRecord,
  encodeSegmentHeader,
  formatSegmentName,
  GROUP_SIZE_BYTES_MAX,
  type LogRecord,
  PAYLOAD_SIZE_BYTES_MAX,
  RECORD_HEADER_SIZE_BYTES,
  SEGMENT_HEADER_SIZE_BYTES,
  SEGMENT_SIZE_BYTES_MAX
} from './segment-log-format.ts'
import { addMarks, createMarker, findMark, type Mark, repairMarks } from './segment-log-index.ts'
import {
  copyRecord,
  damaged,
  type LocatedRecord,
  type LogEnd,
  type LogPosition,
  type TornTail,
  walkLog
} from './segment-log-reader.ts'

export type { LogRecord } from './segment-log-format.ts'
export { GROUP_SIZE_BYTES_MAX, PAYLOAD_SIZE_BYTES_MAX, SEGMENT_SIZE_BYTES_MAX } from './segment-log-format.ts'
export { readLogRange, readSegmentLog } from './segment-log-reader.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/** What opening mended; none of it is an error. */
export type SegmentLogEvent =
  | ({ readonly type: 'tail-cut' } & TornTail)
  | { readonly type: 'segment-removed'; readonly name: string; readonly reason: string }
  | { readonly type: 'index-rebuilt'; readonly entries: number }
  | { readonly type: 'index-unwritten'; readonly cause: unknown }

export interface SegmentLogOptions {
  /** Created when it is missing. */
  readonly directory: string
  /** Holds the index and nothing else. */
  readonly index: IndexLevel
  /**
   * How many entries are known to have been acknowledged, from the last signed head: opening refuses a log that has
   * fewer sound ones, instead of cutting what it takes for a torn tail. Default 0.
   */
  readonly lengthAcknowledged?: number
  /** Where a new file begins. Default and maximum 64 MiB. */
  readonly segmentSizeBytesMax?: number
  readonly onEvent?: (event: SegmentLogEvent) => void
  readonly files?: FileSystem
}

export interface SegmentLog extends AsyncDisposable {
  /** Entries that are durable: the next entry's sequence. */
  readonly length: number
  /** Chain hash of the last durable entry; 32 zero bytes for an empty log. */
  readonly tipHash: Uint8Array
  /**
   * Appends entries in order and resolves when all of them are durable. A crash may leave the first few of them.
   *
   * @param payloads - 1 to 272 KiB each, at most 8 MiB with their headers; not to be changed until the call resolves
   * @throws {PeerError} `LOG_POISONED` when this or an earlier write failed; `LOG_CLOSED`
   */
  append(payloads: readonly Uint8Array[]): Promise<{ firstSequence: number }>
  /**
   * Durable entries in order, checked again on the way: CRC and chain.
   *
   * @param range - `from` ≤ sequence < `to`; `to` defaults to the length at the time of the call
   * @throws {PeerError} `LOG_DAMAGED`
   */
  read(range: { readonly from: number; readonly to?: number }): AsyncIterable<LogRecord>
  /** Where a record at or before a sequence begins, as far as the index knows: for readers without it. */
  positionBefore(sequence: number): Promise<LogPosition | undefined>
  /** Waits for appends under way, then closes. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens a log, or creates an empty one, after reading every record of it.
 *
 * @throws {PeerError} `LOG_DAMAGED` naming segment, sequence and offset; nothing on the disk was changed then
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  const { directory, index, onEvent, files = machineFileSystem, lengthAcknowledged = 0 } = options
  await files.mkdir(directory, { recursive: true, mode: 0o700 })
  const marker = createMarker()
  const marks: Mark[] = []
  const end = await collect(walkLog(files, directory), record => {
    const mark = marker(record)
    if (mark !== undefined) marks.push(mark)
  })
  if (end.length < lengthAcknowledged) {
    const position = end.tornTail ?? { segment: end.last?.firstSequence ?? 0, sequence: end.length, offset: 0 }
    throw damaged(position, `${lengthAcknowledged} entries were acknowledged and ${end.length} are left`)
  }
  await mendEnd(files, directory, end, onEvent)
  const entries = await repairMarks(index, marks)
  if (entries > 0) onEvent?.({ type: 'index-rebuilt', entries })
  const { segmentSizeBytesMax = SEGMENT_SIZE_BYTES_MAX } = options
  return new OpenSegmentLog({ ...options, files, segmentSizeBytesMax }, end, marker)
}

async function collect(
  walk: AsyncGenerator<LocatedRecord[], LogEnd>,
  visit: (record: LocatedRecord) => void
): Promise<LogEnd> {
  for (;;) {
    const step = await walk.next()
    if (step.done === true) return step.value
    for (const record of step.value) visit(record)
  }
}

/** Takes away what a crash left half-written, so that the next write continues a sound log. */
async function mendEnd(
  files: FileSystem,
  directory: string,
  { last, tornTail, tornSegment }: LogEnd,
  onEvent: SegmentLogOptions['onEvent']
): Promise<void> {
  if (tornSegment !== undefined) {
    await files.unlink(join(directory, tornSegment.name))
    await syncDirectory(files, directory)
    onEvent?.({ type: 'segment-removed', ...tornSegment })
  }
  if (last === undefined) return
  const handle = await files.open(join(directory, formatSegmentName(last.firstSequence)), 'r+')
  try {
    if (tornTail !== undefined) await handle.truncate(tornTail.offset)
    // A dead process may have written without syncing: what was just read must not vanish with the power.
    await handle.sync()
  } finally {
    await handle.close()
  }
  if (tornTail !== undefined) onEvent?.({ type: 'tail-cut', ...tornTail })
}

interface Waiting {
  readonly payloads: readonly Uint8Array[]
  readonly sizeBytes: number
  readonly resolve: (result: { firstSequence: number }) => void
  readonly reject: (error: unknown) => void
}

interface OpenFile {
  readonly handle: FileHandle
  readonly firstSequence: number
  readonly salt: number
  sizeBytes: number
}

class OpenSegmentLog implements SegmentLog {
  length: number
  tipHash: Uint8Array
  readonly #options: SegmentLogOptions & { files: FileSystem; segmentSizeBytesMax: number }
  readonly #marker: (record: LocatedRecord) => Mark | undefined
  /** The file found at opening; its handle is opened by the first write that needs it. */
  #found: LogEnd['last']
  #file: OpenFile | undefined
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #failure: PeerError | undefined
  #closed: Promise<void> | undefined

  constructor(
    options: SegmentLogOptions & { files: FileSystem; segmentSizeBytesMax: number },
    end: LogEnd,
    marker: (record: LocatedRecord) => Mark | undefined
  ) {
    this.#options = options
    this.#marker = marker
    this.length = end.length
    this.tipHash = Uint8Array.from(end.chainHash)
    this.#found = end.last
  }

  async append(payloads: readonly Uint8Array[]): Promise<{ firstSequence: number }> {
    const sizeBytes = groupSizeOf(payloads)
    if (this.#closed !== undefined) throw new PeerError('LOG_CLOSED', 'The log is closed.')
    if (this.#failure !== undefined) throw this.#failure
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ payloads, sizeBytes, resolve, reject })
      this.#writing ??= this.#writeWaiting()
    })
  }

  async *read({ from, to = this.length }: { readonly from: number; readonly to?: number }): AsyncIterable<LogRecord> {
    const end = Math.min(to, this.length)
    if (!Number.isSafeInteger(from) || from < 0) throw new RangeError(`expected a sequence of 0 or more, got ${from}`)
    if (from >= end) return
    let next = from
    for await (const records of this.#walkFrom(from)) {
      for (const record of records) {
        if (record.sequence < from) continue
        if (record.sequence >= end) return
        next = record.sequence + 1
        yield copyRecord(record)
      }
      if (next >= end) return
    }
    throw damaged({ segment: 0, sequence: next, offset: 0 }, 'it was there when the log was opened and is missing now')
  }

  async positionBefore(sequence: number): Promise<LogPosition | undefined> {
    const mark = await findMark(this.#options.index, sequence)
    return mark === undefined ? undefined : { sequence: mark.sequence, segment: mark.segment, offset: mark.offset }
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#writing
      await this.#file?.handle.close()
    })()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Starts at the nearest mark when it tells the truth, else at the beginning. */
  async *#walkFrom(sequence: number): AsyncGenerator<LocatedRecord[]> {
    const { files, directory, index } = this.#options
    const mark = await findMark(index, sequence)
    if (mark !== undefined) {
      await using walk = walkLog(files, directory, mark)
      const step = await walk.next().catch(() => undefined)
      const records = step?.done === false ? step.value : []
      if (records[0] !== undefined && Buffer.from(records[0].chainHash).toString('hex') === mark.chainHash) {
        yield records
        yield* walk
        return
      }
    }
    yield* walkLog(files, directory)
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        if (this.#failure !== undefined) throw this.#failure
        const { firstSequence, marks } = await this.#writeGroup(group)
        let sequence = firstSequence
        for (const { payloads, resolve } of group) {
          resolve({ firstSequence: sequence })
          sequence += payloads.length
        }
        await addMarks(this.#options.index, marks).catch((cause: unknown) =>
          this.#options.onEvent?.({ type: 'index-unwritten', cause })
        )
      } catch (cause) {
        this.#failure ??= new PeerError(
          'LOG_POISONED',
          'A write to the ledger log failed, so nothing more is written to it: see that the disk has room and is sound. A daemon goes on by itself once it has.',
          { directory: this.#options.directory },
          { cause }
        )
        for (const { reject } of group) reject(this.#failure)
      }
    }
    // In the same turn as the look at what waits: an append that comes later starts a new run, and none is left lying.
    this.#writing = undefined
  }

  #takeGroup(): Waiting[] {
    let sizeBytes = 0
    const count = this.#waiting.findIndex(waiting => {
      sizeBytes += waiting.sizeBytes
      return sizeBytes > GROUP_SIZE_BYTES_MAX
    })
    return this.#waiting.splice(0, count === -1 ? this.#waiting.length : count)
  }

  async #writeGroup(group: readonly Waiting[]): Promise<{ firstSequence: number; marks: Mark[] }> {
    const sizeBytes = group.reduce((sum, waiting) => sum + waiting.sizeBytes, 0)
    const file = await this.#fileWithRoom(sizeBytes)
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    const marks: Mark[] = []
    const firstSequence = this.length
    let { length: sequence, tipHash: chainHash } = this
    let groupOffset = 0
    for (const payload of group.flatMap(({ payloads }) => payloads)) {
      const offset = file.sizeBytes + groupOffset
      const next = encodeNextRecord(bytes, groupOffset, payload, { salt: file.salt, chainHash, groupOffset })
      chainHash = next.chainHash
      groupOffset = next.end
      const mark = this.#marker({ sequence, payload, chainHash, segment: file.firstSequence, offset })
      if (mark !== undefined) marks.push(mark)
      sequence += 1
    }
    await writeFully(file.handle, bytes, file.sizeBytes)
    await file.handle.datasync()
    file.sizeBytes += sizeBytes
    this.length = sequence
    this.tipHash = chainHash
    return { firstSequence, marks }
  }

  async #fileWithRoom(sizeBytes: number): Promise<OpenFile> {
    const { files, directory, segmentSizeBytesMax } = this.#options
    if (this.#file === undefined && this.#found !== undefined) {
      const handle = await files.open(join(directory, formatSegmentName(this.#found.firstSequence)), 'r+')
      this.#file = { handle, ...this.#found }
      this.#found = undefined
    }
    const hasRecords = (this.#file?.sizeBytes ?? 0) > SEGMENT_HEADER_SIZE_BYTES
    if (this.#file !== undefined && (!hasRecords || this.#file.sizeBytes + sizeBytes <= segmentSizeBytesMax)) {
      return this.#file
    }
    await this.#file?.handle.close()
    this.#file = await createSegment(files, directory, this.length, this.tipHash)
    return this.#file
  }
}

/** Creates the next file; its header and its name are durable when this resolves, before any record. */
async function createSegment(
  files: FileSystem,
  directory: string,
  firstSequence: number,
  previousChainHash: Uint8Array
): Promise<OpenFile> {
  const salt = randomInt(2 ** 32)
  const header = encodeSegmentHeader({ salt, firstSequence, previousChainHash })
  const handle = await files.open(join(directory, formatSegmentName(firstSequence)), 'wx+', 0o600)
  try {
    await writeFully(handle, header, 0)
    await handle.sync()
    await syncDirectory(files, directory)
  } catch (error) {
    await handle.close()
    throw error
  }
  return { handle, firstSequence, salt, sizeBytes: header.length }
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

function groupSizeOf(payloads: readonly Uint8Array[]): number {
  if (payloads.length === 0) throw new RangeError('expected at least one payload, got none')
  let sizeBytes = 0
  for (const { length } of payloads) {
    if (length === 0 || length > PAYLOAD_SIZE_BYTES_MAX) {
      throw new RangeError(`expected a payload of 1 to ${PAYLOAD_SIZE_BYTES_MAX} bytes, got ${length}`)
    }
    sizeBytes += RECORD_HEADER_SIZE_BYTES + length
  }
  if (sizeBytes > GROUP_SIZE_BYTES_MAX) {
    throw new RangeError(`expected at most ${GROUP_SIZE_BYTES_MAX} bytes in one append, got ${sizeBytes}`)
  }
  return sizeBytes
}
