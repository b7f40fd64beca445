/**
 * Reads a segment log and checks every byte of it: header, CRC, chain, and that no file between two is missing.
 *
 * One walk serves the log that is being opened for writing, its reads, and `readSegmentLog`, which needs neither the
 * lock nor the index and may run while the host appends. What it decides is where a log ends: bytes that a crash left
 * half-written are a *torn tail*, and anything else that does not check is damage and stops the walk.
 */
import { join } from 'node:path'
import { PeerError } from '../error.ts'
import { type FileSystem, machineFileSystem } from '../storage/file-system.ts'
import {
  CHAIN_START,
  chainHashOf,
  decodeRecord,
  decodeSegmentHeader,
  GROUP_SIZE_BYTES_MAX,
  type LogRecord,
  parseSegmentName,
  SEGMENT_HEADER_SIZE_BYTES,
  type SegmentHeader
} from './segment-log-format.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

/** Bytes of one read: large enough for full disk speed, small beside everything else a peer holds. */
const READ_SIZE_BYTES = 1024 * 1024
/** Work that the search behind a broken record may take, in bytes of CRC: about a second. Beyond it the log counts as damaged. */
const SEARCH_SIZE_BYTES_MAX = 1024 * 1024 * 1024

/** A place in the log where a record begins. */
export interface LogPosition {
  readonly sequence: number
  /** First sequence of the file it stands in. */
  readonly segment: number
  /** Byte offset in that file. */
  readonly offset: number
}

/** A record and where it stands. `payload` and `chainHash` are views into a read buffer: copy what is kept. */
export interface LocatedRecord extends LogRecord, LogPosition {}

/** Bytes at the end of the last file that a crash left half-written. */
export interface TornTail extends LogPosition {
  readonly sizeBytes: number
  readonly reason: string
}

/** Where a log ends. */
export interface LogEnd {
  readonly length: number
  readonly chainHash: Uint8Array
  /** The last file with a sound header, and where its last sound record ends. */
  readonly last?: { readonly firstSequence: number; readonly salt: number; readonly sizeBytes: number }
  readonly tornTail?: TornTail
  /** A file at the end that was being created: its header is not whole, and no record was ever written to it. */
  readonly tornSegment?: { readonly name: string; readonly reason: string }
}

/** The files of a log in order, by first sequence. */
export async function listSegments(files: FileSystem, directory: string): Promise<{ name: string; first: number }[]> {
  const names = await files.readdir(directory)
  return names
    .flatMap(name => {
      const first = parseSegmentName(name)
      return first === undefined ? [] : [{ name, first }]
    })
    .sort((a, b) => a.first - b.first)
}

/**
 * Walks the records of a log in order and checks each.
 *
 * @param start - a known beginning of a record to start from; the chain hash of the first record is then taken as given
 * @returns batches of records, and last where the log ends
 * @throws {PeerError} `LOG_DAMAGED` naming segment, sequence and offset; `LOG_TOO_NEW` for a file of a later version
 */
export async function* walkLog(
  files: FileSystem,
  directory: string,
  start?: LogPosition
): AsyncGenerator<LocatedRecord[], LogEnd> {
  const segments = (await listSegments(files, directory)).filter(({ first }) => first >= (start?.segment ?? 0))
  let state: { sequence: number; chainHash: Uint8Array | undefined } =
    start === undefined ? { sequence: 0, chainHash: CHAIN_START } : { sequence: start.sequence, chainHash: undefined }
  let last: LogEnd['last']
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    const isStart = index === 0 && start !== undefined
    const place = { segment: segment.first, sequence: state.sequence, offset: 0 }
    if (segment.first !== (isStart ? start.segment : state.sequence)) {
      throw damaged(place, `sequence ${state.sequence} to ${segment.first - 1} are in no file`)
    }
    const handle = await files.open(join(directory, segment.name), 'r')
    try {
      const { size } = await handle.stat()
      const decoded = decodeSegmentHeader(await readFully(handle, 0, SEGMENT_HEADER_SIZE_BYTES))
      if (!decoded.ok) {
        if (decoded.version !== undefined) throw tooNew(segment.name, decoded.version)
        if (!isLast || size > SEGMENT_HEADER_SIZE_BYTES) throw damaged(place, decoded.reason)
        const tornSegment = { name: segment.name, reason: decoded.reason }
        return { length: state.sequence, chainHash: state.chainHash ?? CHAIN_START, last, tornSegment }
      }
      const { header } = decoded
      if (header.firstSequence !== segment.first) throw damaged(place, `its header says ${header.firstSequence}`)
      if (!isStart && !equalBytes(header.previousChainHash, state.chainHash)) {
        throw damaged(place, 'it does not continue the chain of the file before it')
      }
      const from = { ...state, segment: segment.first, offset: isStart ? start.offset : SEGMENT_HEADER_SIZE_BYTES }
      const end = yield* walkRecords(handle, header, from)
      state = { sequence: end.sequence, chainHash: end.chainHash }
      last = { firstSequence: segment.first, salt: header.salt, sizeBytes: end.offset }
      if (end.reason === undefined) continue
      const rest = { ...end, segment: segment.first, reason: end.reason, sizeBytes: size - end.offset }
      if (!isLast) throw damaged(rest, rest.reason)
      await assertTorn(handle, header, rest)
      return { length: end.sequence, chainHash: end.chainHash ?? CHAIN_START, last, tornTail: rest }
    } finally {
      await handle.close()
    }
  }
  return { length: state.sequence, chainHash: state.chainHash ?? CHAIN_START, last }
}

/** How one file of a log stands by itself. */
export interface SegmentEnd {
  /** Of the record that would come next, and the chain hash before it. */
  readonly sequence: number
  readonly chainHash: Uint8Array
  /** Why what follows in the file is no record; undefined when the file ends there. */
  readonly reason?: string
}

/**
 * Walks the records of one file, whatever stands in the others.
 *
 * @param chainBefore - of the record before its first; default: what its own header says
 * @returns batches of records, and last how the file ends; at once, with a reason, when its header is not whole
 */
export async function* walkSegment(
  files: FileSystem,
  directory: string,
  { name, first }: { readonly name: string; readonly first: number },
  chainBefore?: Uint8Array
): AsyncGenerator<LocatedRecord[], SegmentEnd> {
  const begin = { sequence: first, chainHash: chainBefore ?? CHAIN_START }
  const handle = await files.open(join(directory, name), 'r')
  try {
    const decoded = decodeSegmentHeader(await readFully(handle, 0, SEGMENT_HEADER_SIZE_BYTES))
    if (!decoded.ok) {
      if (decoded.version !== undefined) throw tooNew(name, decoded.version)
      return { ...begin, reason: decoded.reason }
    }
    const { header } = decoded
    if (header.firstSequence !== first) return { ...begin, reason: `its header says ${header.firstSequence}` }
    const { previousChainHash: chainHash } = header
    if (chainBefore !== undefined && !equalBytes(chainHash, chainBefore))
      return { ...begin, reason: 'it does not continue the chain of the file before it' }
    const from = { sequence: first, segment: first, offset: SEGMENT_HEADER_SIZE_BYTES, chainHash }
    const end = yield* walkRecords(handle, header, from)
    return { ...end, chainHash: end.chainHash ?? chainHash }
  } finally {
    await handle.close()
  }
}

interface RecordsEnd {
  readonly sequence: number
  readonly chainHash: Uint8Array | undefined
  readonly offset: number
  /** Why the record at `offset` does not check; undefined when the file ends there. */
  readonly reason?: string
}

async function* walkRecords(
  handle: FileHandle,
  { salt }: SegmentHeader,
  from: LogPosition & { chainHash: Uint8Array | undefined }
): AsyncGenerator<LocatedRecord[], RecordsEnd> {
  let { sequence, chainHash, offset } = from
  let unread: Buffer = Buffer.alloc(0)
  for (;;) {
    const chunk = await readFully(handle, offset + unread.length, READ_SIZE_BYTES)
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    const records: LocatedRecord[] = []
    let reason: string | undefined
    let position = 0
    while (position < unread.length) {
      const record = decodeRecord(unread, position, salt)
      if (record === 'short') break
      if (record === 'bad') reason = 'its checksum is wrong'
      else if (chainHash !== undefined && !equalBytes(chainHashOf(chainHash, record.payload), record.chainHash)) {
        throw damaged({ segment: from.segment, sequence, offset }, 'it does not continue the chain')
      }
      if (record === 'bad') break
      const { payload } = record
      chainHash = record.chainHash
      records.push({ sequence, payload, chainHash, segment: from.segment, offset })
      sequence += 1
      offset += record.sizeBytes
      position += record.sizeBytes
    }
    if (records.length > 0) yield records
    unread = unread.subarray(position)
    if (reason === undefined && chunk.length === 0 && unread.length > 0) reason = 'it is cut short'
    if (reason !== undefined || chunk.length === 0) return { sequence, chainHash, offset, reason }
  }
}

/**
 * Lets pass what one crash can explain: a last write of which any part is missing. A sound record of a *later* write
 * shows that the broken one had been synced and acknowledged.
 */
async function assertTorn(handle: FileHandle, { salt }: SegmentHeader, tail: TornTail): Promise<void> {
  if (tail.sizeBytes > GROUP_SIZE_BYTES_MAX) throw damaged(tail, tail.reason)
  const bytes = await readFully(handle, tail.offset, tail.sizeBytes)
  let searchedBytes = 0
  for (let position = 1; position < bytes.length; position++) {
    const record = decodeRecord(bytes, position, salt)
    if (record === 'short') continue
    if (record === 'bad') {
      // The length field says how much of the buffer the checksum went over, when it went over any.
      searchedBytes += Math.min(bytes.readUInt32BE(position), bytes.length - position)
      if (searchedBytes > SEARCH_SIZE_BYTES_MAX) throw damaged(tail, tail.reason)
    } else if (position - record.groupOffset > 0) {
      throw damaged(tail, `${tail.reason}, and sound records of a later write follow at ${tail.offset + position}`)
    }
  }
}

/**
 * Reads a log of which nothing is known: for `ledger verify` in a process of its own, also while the host appends.
 *
 * Takes no lock, needs no index, changes nothing. A torn tail ends the walk without an error, since it may be a write
 * in progress; who needs to know that an acknowledged entry is missing compares the count with the last signed head.
 *
 * @throws {PeerError} `LOG_DAMAGED` naming segment, sequence and offset
 */
export async function* readSegmentLog(directory: string, files = machineFileSystem): AsyncGenerator<LogRecord> {
  for await (const records of walkLog(files, directory)) yield* records.map(copyRecord)
}

/**
 * Entries `from` ≤ sequence < `to` of a log that somebody else may be appending to; all of them must be durable.
 *
 * @param start - a known beginning of a record at or before `from`, so that not all of the log is read
 * @throws {PeerError} `LOG_DAMAGED`, also when the log ends before `to`
 */
export async function* readLogRange(
  files: FileSystem,
  directory: string,
  { from, to }: { readonly from: number; readonly to: number },
  start?: LogPosition
): AsyncGenerator<LogRecord, void> {
  let next = from
  if (next >= to) return
  for await (const records of walkLog(files, directory, start)) {
    for (const record of records) {
      if (record.sequence < next) continue
      yield copyRecord(record)
      next += 1
      if (next >= to) return
    }
  }
  throw damaged({ segment: 0, sequence: next, offset: 0 }, `it is missing, and ${to} entries were durable`)
}

/** A record that keeps no read buffer alive. */
export function copyRecord({ sequence, payload, chainHash }: LogRecord): LogRecord {
  return { sequence, payload: Uint8Array.from(payload), chainHash: Uint8Array.from(chainHash) }
}

export function damaged({ segment, sequence, offset }: LogPosition, reason: string): PeerError<'LOG_DAMAGED'> {
  const message =
    `The ledger's log is damaged: record ${sequence}, at byte ${offset} of the segment that begins with ${segment}: ` +
    `${reason}. Nothing was changed. With the peer stopped, bring it back from a follower: ` +
    'holdfast ledger mend --directory DIRECTORY.'
  return new PeerError('LOG_DAMAGED', message, { segment, sequence, offset, reason })
}

function tooNew(name: string, version: number): PeerError<'LOG_TOO_NEW'> {
  const message = `${name} was written in version ${version} of the log format: start the newer program that wrote it.`
  return new PeerError('LOG_TOO_NEW', message, { name, version })
}

/** Reads until the size is reached or the file ends. */
async function readFully(handle: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(sizeBytes)
  let length = 0
  while (length < sizeBytes) {
    const { bytesRead } = await handle.read(buffer, length, sizeBytes - length, offset + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

function equalBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0
}
