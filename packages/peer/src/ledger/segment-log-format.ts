/**
 * The bytes of a segment log: one header a file, then records back to back. All numbers are big-endian.
 *
 * ```
 * header  magic "HOLDFLOG" ‖ u32 version ‖ u32 salt ‖ u64 first sequence ‖ chain hash before it (32) ‖ u32 CRC-32C
 * record  u32 payload length ‖ u32 CRC-32C ‖ u32 group offset ‖ chain hash (32) ‖ payload
 * ```
 *
 * A record's CRC covers everything of it but the CRC itself and starts from the salt of its file, a random number that
 * leaves the disk nowhere: whoever submits a payload cannot hide in it what recovery would take for a record. Its chain hash is SHA-256(previous chain hash ‖ payload),
 * with 32 zero bytes before the first. Its group offset says how many bytes before it the write began that put it on
 * disk: records of one write are synced together, so after a power cut any part of the *last* write may be missing,
 * and only the group offset tells such a hole from damage to records that were acknowledged.
 */
import { hash } from 'node:crypto'
import crc32c from 'crc-32/crc32c.js'

const KIB = 1024
const MIB = 1024 * KIB

export const SEGMENT_MAGIC = 'HOLDFLOG'
export const SEGMENT_VERSION = 1
export const SEGMENT_HEADER_SIZE_BYTES = 8 + 4 + 4 + 8 + 32 + 4
const HEADER_CHECKSUM_OFFSET = SEGMENT_HEADER_SIZE_BYTES - 4
/** The chain hash is the last of a record's header: what it is taken over, the one before and the payload, lies in one piece. */
const CHAIN_HASH_OFFSET = 4 + 4 + 4
export const RECORD_HEADER_SIZE_BYTES = CHAIN_HASH_OFFSET + 32

/** One payload: the ledger's largest entry is 256 KiB, and its envelope (signature, time, ids) is given 16 KiB. */
export const PAYLOAD_SIZE_BYTES_MAX = 272 * KIB
/** One write and one sync. Bounds the memory of a group commit and what a power cut can leave half-written. */
export const GROUP_SIZE_BYTES_MAX = 8 * MIB
/** One file: small enough to copy, check or mend one by itself, large enough that a year is hundreds and not thousands. */
export const SEGMENT_SIZE_BYTES_MAX = 64 * MIB

/** The chain hash before the first record of a log. */
export const CHAIN_START: Uint8Array = new Uint8Array(32)

/** One entry as it stands in the log. */
export interface LogRecord {
  readonly sequence: number
  readonly payload: Uint8Array
  readonly chainHash: Uint8Array
}

export interface SegmentHeader {
  readonly salt: number
  readonly firstSequence: number
  readonly previousChainHash: Uint8Array
}

/** The file name of the segment that begins with a sequence; names sort as the sequences do. */
export function formatSegmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(16, '0')}.segment`
}

/** @returns the first sequence of a segment file, or undefined when the name is not one */
export function parseSegmentName(name: string): number | undefined {
  return /^\d{16}\.segment$/.test(name) ? Number(name.slice(0, 16)) : undefined
}

export function chainHashOf(previousChainHash: Uint8Array, payload: Uint8Array): Uint8Array {
  const input = new Uint8Array(32 + payload.length)
  input.set(previousChainHash)
  input.set(payload, 32)
  return hash('sha256', input, 'buffer')
}

export function encodeSegmentHeader({ salt, firstSequence, previousChainHash }: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT_HEADER_SIZE_BYTES)
  bytes.write(SEGMENT_MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(SEGMENT_VERSION, 8)
  bytes.writeUInt32BE(salt, 12)
  bytes.writeBigUInt64BE(BigInt(firstSequence), 16)
  bytes.set(previousChainHash, 24)
  bytes.writeUInt32BE(crc32c.buf(bytes.subarray(0, HEADER_CHECKSUM_OFFSET)) >>> 0, HEADER_CHECKSUM_OFFSET)
  return bytes
}

/** @returns the header, or what is wrong with it; `version` is set when a newer program wrote it */
export function decodeSegmentHeader(
  bytes: Buffer
): { ok: true; header: SegmentHeader } | { ok: false; reason: string; version?: number } {
  if (bytes.length < SEGMENT_HEADER_SIZE_BYTES) return { ok: false, reason: 'the header is cut short' }
  if (bytes.toString('latin1', 0, 8) !== SEGMENT_MAGIC) return { ok: false, reason: 'the magic is wrong' }
  const checksum = crc32c.buf(bytes.subarray(0, HEADER_CHECKSUM_OFFSET)) >>> 0
  if (checksum !== bytes.readUInt32BE(HEADER_CHECKSUM_OFFSET)) {
    return { ok: false, reason: 'the checksum of the header is wrong' }
  }
  const version = bytes.readUInt32BE(8)
  if (version !== SEGMENT_VERSION) return { ok: false, reason: `its version is ${version}`, version }
  const salt = bytes.readUInt32BE(12)
  const firstSequence = Number(bytes.readBigUInt64BE(16))
  const previousChainHash = Uint8Array.from(bytes.subarray(24, HEADER_CHECKSUM_OFFSET))
  return { ok: true, header: { salt, firstSequence, previousChainHash } }
}

/** What goes into one record besides its payload. */
export interface RecordFrame {
  readonly salt: number
  readonly chainHash: Uint8Array
  /** Bytes between the start of the write that the record belongs to and the record. */
  readonly groupOffset: number
}

/**
 * Writes one record into a buffer that has room for it.
 *
 * @returns the offset after the record
 */
export function encodeRecord(target: Buffer, offset: number, payload: Uint8Array, frame: RecordFrame): number {
  target.set(frame.chainHash, offset + CHAIN_HASH_OFFSET)
  target.set(payload, offset + RECORD_HEADER_SIZE_BYTES)
  return sealRecord(target, offset, payload.length, frame)
}

/**
 * Writes the record that follows on another, and hashes it where it stands, without a copy of its payload.
 *
 * @param frame.chainHash - of the record before
 * @returns the offset after the record, and its chain hash
 */
export function encodeNextRecord(
  target: Buffer,
  offset: number,
  payload: Uint8Array,
  frame: RecordFrame
): { readonly end: number; readonly chainHash: Uint8Array } {
  const hashed = offset + CHAIN_HASH_OFFSET
  target.set(frame.chainHash, hashed)
  target.set(payload, offset + RECORD_HEADER_SIZE_BYTES)
  const chainHash = hash(
    'sha256',
    target.subarray(hashed, offset + RECORD_HEADER_SIZE_BYTES + payload.length),
    'buffer'
  )
  target.set(chainHash, hashed)
  return { end: sealRecord(target, offset, payload.length, frame), chainHash }
}

function sealRecord(
  target: Buffer,
  offset: number,
  payloadLength: number,
  { salt, groupOffset }: Omit<RecordFrame, 'chainHash'>
): number {
  const end = offset + RECORD_HEADER_SIZE_BYTES + payloadLength
  target.writeUInt32BE(payloadLength, offset)
  target.writeUInt32BE(groupOffset, offset + 8)
  target.writeUInt32BE(recordChecksum(target, offset, end, salt), offset + 4)
  return end
}

/** One decoded record; `payload` and `chainHash` are views into the buffer it was decoded from. */
export interface DecodedRecord {
  readonly payload: Uint8Array
  readonly chainHash: Uint8Array
  readonly groupOffset: number
  readonly sizeBytes: number
}

/**
 * Decodes the record at an offset and checks its CRC, not its place in the chain.
 *
 * @returns the record; `'short'` when the buffer ends inside it; `'bad'` when no record with these bytes exists
 */
export function decodeRecord(bytes: Buffer, offset: number, salt: number): DecodedRecord | 'short' | 'bad' {
  if (bytes.length - offset < RECORD_HEADER_SIZE_BYTES) return 'short'
  const length = bytes.readUInt32BE(offset)
  const groupOffset = bytes.readUInt32BE(offset + 8)
  if (length === 0 || length > PAYLOAD_SIZE_BYTES_MAX || groupOffset >= GROUP_SIZE_BYTES_MAX) return 'bad'
  const end = offset + RECORD_HEADER_SIZE_BYTES + length
  if (end > bytes.length) return 'short'
  if (recordChecksum(bytes, offset, end, salt) !== bytes.readUInt32BE(offset + 4)) return 'bad'
  return {
    payload: bytes.subarray(offset + RECORD_HEADER_SIZE_BYTES, end),
    chainHash: bytes.subarray(offset + 12, offset + RECORD_HEADER_SIZE_BYTES),
    groupOffset,
    sizeBytes: end - offset
  }
}

function recordChecksum(bytes: Buffer, offset: number, end: number, salt: number): number {
  const ofLength = crc32c.buf(bytes.subarray(offset, offset + 4), salt)
  return crc32c.buf(bytes.subarray(offset + 8, end), ofLength) >>> 0
}
