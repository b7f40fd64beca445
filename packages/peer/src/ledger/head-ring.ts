/**
 * The last heads of a ledger log, in a file of their own.
 *
 * A host acknowledges nothing before its head stands here, and never signs two heads of one number: so the newest head must
 * never be lost. A ring of fixed slots, the head's number modulo their count says which; a write changes one slot in place
 * and is synced, and renames nothing.
 *
 * ```
 * file  slot 0 ‖ … ‖ slot 255, all zero when it is made
 * slot  copy ‖ zeros ‖ the same copy at 2048, 4096 bytes in all
 * copy  magic "HEAD" ‖ u32 version ‖ u32 length ‖ u32 CRC-32C of the rest of the copy ‖ encoded head
 * ```
 *
 * What if the power goes here? A copy lies within one sector, so that it is the old one or the new one; a newer one that was
 * not synced has been shown to nobody and may count or not. What if a bit flips? The other copy counts. When both copies
 * of the slot after the newest known head are damaged, nobody can say whether that was the newest, and the ring says so.
 */
import { join } from 'node:path'
import { decodeHead, encodeHead, HEAD_SIZE_BYTES_MAX, type SignedLogHead } from '@holdfast/core'
import crc32c from 'crc-32/crc32c.js'
import { PeerError } from '../error.ts'
import { exists, type FileSystem, machineFileSystem, replaceFile } from '../storage/file-system.ts'

export const HEAD_RING_FILE = 'heads'
/** Heads that can be asked for by number. */
export const HEAD_RING_SLOTS = 256
const SLOT_SIZE_BYTES = 4096
const COPY_OFFSETS = [0, 2048] as const
const COPY_HEADER_SIZE_BYTES = 16
const MAGIC = 'HEAD'
const VERSION = 1

export interface HeadRing extends AsyncDisposable {
  /** The newest; undefined before the first. */
  readonly last: SignedLogHead | undefined
  /** @returns a head that is still there; undefined for an older or a later one */
  headAt(number: number): SignedLogHead | undefined
  /** Those that are still there, in no order. */
  all(): readonly SignedLogHead[]
  /**
   * Resolves when the head is durable. One call at a time.
   *
   * @throws {RangeError} unless its number is above the last one's
   * @throws whatever the disk says; nothing is known about the slot then, and the ring takes no more
   */
  write(head: SignedLogHead): Promise<void>
  /** Idempotent; waits for a write under way. */
  close(): Promise<void>
}

/**
 * - `signer`: signs the heads, and must know which was the newest
 * - `new signer`: the same, before the first entry of its log: the file may be missing
 * - `witness`: keeps heads that another one signed; what it has lost it is told again
 */
export type HeadRingOwner = 'signer' | 'new signer' | 'witness'

/**
 * Opens the ring of a ledger directory, or makes an empty one.
 *
 * @throws {PeerError} `HEADS_DAMAGED` when the newest head cannot be told and `HEADS_MISSING`, both for signers only;
 * `HEADS_TOO_NEW`
 */
export async function openHeadRing(
  directory: string,
  owner: HeadRingOwner,
  files: FileSystem = machineFileSystem
): Promise<HeadRing> {
  const path = join(directory, HEAD_RING_FILE)
  if (!(await exists(files, path))) {
    if (owner === 'signer') throw missing(path)
    await replaceFile(files, path, new Uint8Array(HEAD_RING_SLOTS * SLOT_SIZE_BYTES))
  }
  const handle = await files.open(path, 'r+')
  try {
    const { heads, damagedSlots } = await readRing(handle, path)
    const next = nextNumberOf(heads)
    if (owner !== 'witness' && damagedSlots.has(next % HEAD_RING_SLOTS)) throw damaged(path, next)
    // A dead process may have written without syncing: what counts from now on must not vanish with the power.
    await handle.datasync()
    return ringOf(handle, heads)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Heads by number, and slots of which no copy can be read. */
export interface ReadHeads {
  readonly heads: ReadonlyMap<number, SignedLogHead>
  readonly damagedSlots: ReadonlySet<number>
}

/** Reads the ring of a ledger directory without the lock, also while a host writes to it. Empty when there is none. */
export async function readHeadRing(directory: string, files: FileSystem = machineFileSystem): Promise<ReadHeads> {
  const path = join(directory, HEAD_RING_FILE)
  if (!(await exists(files, path))) return { heads: new Map(), damagedSlots: new Set() }
  const handle = await files.open(path, 'r')
  try {
    return await readRing(handle, path)
  } finally {
    await handle.close()
  }
}

/** Replaces the ring as a whole, for mending: nobody may have it open. @param heads - the newest 256 are kept */
export async function replaceHeadRing(
  directory: string,
  heads: Iterable<SignedLogHead>,
  files: FileSystem = machineFileSystem
): Promise<void> {
  const bytes = Buffer.alloc(HEAD_RING_SLOTS * SLOT_SIZE_BYTES)
  for (const head of [...heads].sort((a, b) => a.number - b.number))
    bytes.set(encodeSlot(head), (head.number % HEAD_RING_SLOTS) * SLOT_SIZE_BYTES)
  await replaceFile(files, join(directory, HEAD_RING_FILE), bytes)
}

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

function ringOf(handle: FileHandle, heads: Map<number, SignedLogHead>): HeadRing {
  let last = newestOf(heads)
  let writing: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let closed: Promise<void> | undefined

  async function writeSlot(head: SignedLogHead): Promise<void> {
    try {
      const slot = encodeSlot(head)
      const position = (head.number % HEAD_RING_SLOTS) * SLOT_SIZE_BYTES
      for (let written = 0; written < slot.length; ) {
        const { bytesWritten } = await handle.write(slot, written, slot.length - written, position + written)
        written += bytesWritten
      }
      await handle.datasync()
    } catch (error) {
      failure = { error }
      throw error
    }
    heads.delete(head.number - HEAD_RING_SLOTS)
    heads.set(head.number, head)
    last = head
  }

  const close = () => {
    closed ??= (async () => {
      await writing?.catch(() => undefined)
      await handle.close()
    })()
    return closed
  }
  return {
    get last() {
      return last
    },
    headAt: number => heads.get(number),
    all: () => [...heads.values()],
    write(head) {
      if (failure !== undefined) return Promise.reject(failure.error)
      if (last !== undefined && head.number <= last.number)
        throw new RangeError(`expected a head after ${last.number}, got ${head.number}`)
      writing = writeSlot(head)
      return writing
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

function newestOf(heads: ReadonlyMap<number, SignedLogHead>): SignedLogHead | undefined {
  return heads.get(Math.max(...heads.keys()))
}

function encodeSlot(head: SignedLogHead): Buffer {
  const encoded = encodeHead(head)
  const slot = Buffer.alloc(SLOT_SIZE_BYTES)
  for (const offset of COPY_OFFSETS) {
    slot.write(MAGIC, offset, 'latin1')
    slot.writeUInt32BE(VERSION, offset + 4)
    slot.writeUInt32BE(encoded.length, offset + 8)
    slot.set(encoded, offset + COPY_HEADER_SIZE_BYTES)
    slot.writeUInt32BE(checksumOf(slot, offset, encoded.length), offset + 12)
  }
  return slot
}

/** Of everything in a copy but the checksum itself. */
function checksumOf(slot: Buffer, offset: number, length: number): number {
  const ofHeader = crc32c.buf(slot.subarray(offset, offset + 12))
  return (
    crc32c.buf(slot.subarray(offset + COPY_HEADER_SIZE_BYTES, offset + COPY_HEADER_SIZE_BYTES + length), ofHeader) >>> 0
  )
}

async function readRing(
  handle: FileHandle,
  path: string
): Promise<{ heads: Map<number, SignedLogHead>; damagedSlots: Set<number> }> {
  const bytes = Buffer.alloc(HEAD_RING_SLOTS * SLOT_SIZE_BYTES)
  await readFully(handle, bytes)
  const heads = new Map<number, SignedLogHead>()
  const damagedSlots = new Set<number>()
  for (let index = 0; index < HEAD_RING_SLOTS; index += 1) {
    const slot = bytes.subarray(index * SLOT_SIZE_BYTES, (index + 1) * SLOT_SIZE_BYTES)
    const copies = COPY_OFFSETS.map(offset => decodeCopy(slot, offset, path)).filter(
      (head): head is SignedLogHead => head !== undefined && head.number % HEAD_RING_SLOTS === index
    )
    for (const head of copies) heads.set(head.number, head)
    if (copies.length === 0 && slot.some(byte => byte !== 0)) damagedSlots.add(index)
  }
  return { heads, damagedSlots }
}

/** Of the head that would come next, as far as the ring shows. */
function nextNumberOf(heads: ReadonlyMap<number, SignedLogHead>): number {
  return (newestOf(heads)?.number ?? -1) + 1
}

function decodeCopy(slot: Buffer, offset: number, path: string): SignedLogHead | undefined {
  if (slot.toString('latin1', offset, offset + 4) !== MAGIC) return undefined
  const length = slot.readUInt32BE(offset + 8)
  if (length > HEAD_SIZE_BYTES_MAX || slot.readUInt32BE(offset + 12) !== checksumOf(slot, offset, length))
    return undefined
  const version = slot.readUInt32BE(offset + 4)
  if (version !== VERSION)
    throw new PeerError(
      'HEADS_TOO_NEW',
      `${path} was written by a newer Holdfast (version ${version}): start that one.`,
      {
        path,
        version
      }
    )
  const begin = offset + COPY_HEADER_SIZE_BYTES
  return decodeHead(Uint8Array.from(slot.subarray(begin, begin + length)))
}

async function readFully(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, offset, bytes.length - offset, offset)
    if (bytesRead === 0) return // a shorter file: what is missing reads as damage or as never written
    offset += bytesRead
  }
}

function damaged(path: string, number: number): PeerError<'HEADS_DAMAGED'> {
  const message =
    `${path} is damaged where log head ${number} would stand, so that nobody can tell whether it was signed. ` +
    'Bring it back from a follower: holdfast ledger mend --directory DIRECTORY.'
  return new PeerError('HEADS_DAMAGED', message, { path, number })
}

function missing(path: string): PeerError<'HEADS_MISSING'> {
  const message =
    `${path} is missing, and this log has signed heads: without it the host could sign another history. ` +
    'Bring it back from a follower: holdfast ledger mend --directory DIRECTORY.'
  return new PeerError('HEADS_MISSING', message, { path })
}
