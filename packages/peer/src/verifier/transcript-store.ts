/**
 * A verifier's transcripts on disk: one file a round, written as proofs come in and sealed before the attestation is
 * submitted.
 *
 * ```
 * <round>.new          magic "HOLDTRAN" ‖ u32 version ‖ records; of a round that is not sealed, and dropped at every start
 * <round>.transcripts  the same ‖ index ‖ u64 size of the index ‖ SHA-256 of the index
 * ```
 *
 * Calls queue up, so that each sees what those before it did. A flipped bit is found when a record is read, and then the
 * record is reported as damaged: the verifier cannot answer for it any more.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import {
  type CommandOf,
  decodeSealedRound,
  decodeTranscriptRecord,
  digestOfTranscript,
  encodeSealedRound,
  encodeTranscriptRecord,
  type KeptTranscript,
  merklePath,
  type SealedRound,
  type ShownTranscript,
  type Transcript,
  type TranscriptStore
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { type FileSystem, machineFileSystem, syncDirectory } from '../storage/file-system.ts'

type FileHandle = Awaited<ReturnType<FileSystem['open']>>

const GIB = 1024 ** 3
const MAGIC = 'HOLDTRAN'
const VERSION = 1
const HEADER_SIZE_BYTES = 8 + 4
const HEADER = Buffer.alloc(HEADER_SIZE_BYTES)
HEADER.write(MAGIC, 'latin1')
HEADER.writeUInt32BE(VERSION, MAGIC.length)
const TRAILER_SIZE_BYTES = 8 + 32
/** Of 65,536 deals. */
const INDEX_SIZE_BYTES_MAX = 16 * 1024 ** 2
/** Two days of hourly rounds with ten thousand deals of 14 KB each. */
export const TRANSCRIPTS_SIZE_BYTES_MAX = 8 * GIB

export interface DiskTranscriptStoreOptions {
  /** Made when it is missing; nobody else's. */
  readonly directory: string
  readonly files?: FileSystem
  /** What all rounds may take together. */
  readonly sizeBytesMax?: number
}

export interface DiskTranscriptStore extends TranscriptStore, AsyncDisposable {
  /** Finds the sealed rounds and drops what a crash left half-written. */
  start(): Promise<void>
  /** Idempotent; resolves when nothing is being written any more. */
  stop(): Promise<void>
}

/** A round that is not sealed. */
interface OpenFile {
  readonly handle: FileHandle
  readonly path: string
  readonly records: Map<number, { readonly offset: number; readonly sizeBytes: number }>
  endOffset: number
}

export function createTranscriptStore(options: DiskTranscriptStoreOptions): DiskTranscriptStore {
  return new RoundFiles(options)
}

class RoundFiles implements DiskTranscriptStore {
  readonly #directory: string
  readonly #files: FileSystem
  readonly #sizeBytesMax: number
  readonly #open = new Map<number, OpenFile>()
  /** Bytes of the sealed rounds. */
  readonly #sealed = new Map<number, number>()
  #tail: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor({
    directory,
    files = machineFileSystem,
    sizeBytesMax = TRANSCRIPTS_SIZE_BYTES_MAX
  }: DiskTranscriptStoreOptions) {
    this.#directory = directory
    this.#files = files
    this.#sizeBytesMax = sizeBytesMax
  }

  start(): Promise<void> {
    return this.#next(async () => {
      await this.#files.mkdir(this.#directory, { recursive: true, mode: 0o700 })
      for (const name of await this.#files.readdir(this.#directory)) {
        if (name.endsWith('.new')) await this.#files.rm(join(this.#directory, name), { force: true })
        const round = /^(\d{16})\.transcripts$/.exec(name)?.[1]
        if (round !== undefined)
          this.#sealed.set(Number(round), (await this.#files.stat(join(this.#directory, name))).size)
      }
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#tail
    for (const [round, { handle }] of this.#open) {
      this.#open.delete(round)
      await handle.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  put(kept: KeptTranscript): Promise<void> {
    return this.#next(async () => {
      const { round, dealId } = kept.transcript
      if (this.#sealed.has(round)) return
      const bytes = encodeTranscriptRecord(kept)
      this.#expectRoom(bytes.length)
      const file = this.#open.get(round) ?? (await this.#create(round))
      if (file.records.has(dealId)) return
      await writeAt(file.handle, bytes, file.endOffset)
      file.records.set(dealId, { offset: file.endOffset, sizeBytes: bytes.length })
      file.endOffset += bytes.length
    })
  }

  seal(attestation: CommandOf<'Attestation'>, transcripts: readonly Transcript[]): Promise<void> {
    return this.#next(async () => {
      const { round } = attestation.statement
      if (this.#sealed.has(round)) throw new RangeError(`round ${round} is sealed already`)
      const file = this.#open.get(round) ?? (await this.#create(round))
      const deals = transcripts.map(transcript => ({
        dealId: transcript.dealId,
        digest: digestOfTranscript(transcript),
        asked: transcript.asked,
        record: recordOf(file, transcript)
      }))
      const index = encodeSealedRound({ version: 1, attestation, deals })
      const trailer = Buffer.alloc(TRAILER_SIZE_BYTES)
      trailer.writeBigUInt64BE(BigInt(index.length))
      trailer.set(hash('sha256', index, 'buffer'), 8)
      await writeAt(file.handle, HEADER, 0)
      await writeAt(file.handle, Buffer.concat([index, trailer]), file.endOffset)
      // What is behind the trailer would be taken for it: a record whose write failed half-way.
      const sizeBytes = file.endOffset + index.length + trailer.length
      await file.handle.truncate(sizeBytes)
      await file.handle.sync()
      await this.#files.rename(file.path, this.#pathOf(round))
      await syncDirectory(this.#files, this.#directory)
      this.#sealed.set(round, sizeBytes)
      this.#open.delete(round)
      await file.handle.close()
    })
  }

  sealed(round: number): Promise<CommandOf<'Attestation'> | undefined> {
    return this.#read(round, async (_, { attestation }) => attestation)
  }

  get(round: number, dealId: number): Promise<ShownTranscript | undefined> {
    return this.#read(round, async (handle, { attestation, deals }) => {
      const index = deals.findIndex(deal => deal.dealId === dealId)
      const deal = deals[index]
      if (deal === undefined) return undefined
      const path = merklePath(
        deals.map(({ digest }) => digest),
        index
      )
      if (deal.record === null) return { transcript: silenceOf(attestation, deal), path }
      const { offset, sizeBytes } = deal.record
      const kept = decodeTranscriptRecord(await readAt(handle, offset, sizeBytes), deal.digest)
      if (kept === undefined) throw damaged(round, `the transcript of deal ${dealId}`)
      return { ...kept, path }
    })
  }

  prune(beforeRound: number): Promise<void> {
    return this.#next(async () => {
      for (const [round, { handle, path }] of this.#open) {
        if (round >= beforeRound) continue
        this.#open.delete(round)
        await handle.close()
        await this.#files.rm(path, { force: true })
      }
      for (const round of this.#sealed.keys()) {
        if (round >= beforeRound) continue
        await this.#files.rm(this.#pathOf(round), { force: true })
        this.#sealed.delete(round)
      }
    })
  }

  /** One after the other; the failure of one is nobody else's. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    if (this.#stopped) return Promise.reject(new PeerError('STORE_STOPPED', 'The transcript store is stopped.'))
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined)
    return done
  }

  #read<T>(round: number, use: (handle: FileHandle, index: SealedRound) => Promise<T>): Promise<T | undefined> {
    return this.#next(async () => {
      const sizeBytes = this.#sealed.get(round)
      if (sizeBytes === undefined) return undefined
      const handle = await this.#files.open(this.#pathOf(round), 'r')
      try {
        return await use(handle, await readIndex(handle, round, sizeBytes))
      } finally {
        await handle.close()
      }
    })
  }

  async #create(round: number): Promise<OpenFile> {
    const path = `${this.#pathOf(round)}.new`
    const handle = await this.#files.open(path, 'wx', 0o600)
    const file = { handle, path, records: new Map(), endOffset: HEADER_SIZE_BYTES }
    this.#open.set(round, file)
    return file
  }

  #expectRoom(sizeBytes: number): void {
    let used = sizeBytes
    for (const sealedBytes of this.#sealed.values()) used += sealedBytes
    for (const { endOffset } of this.#open.values()) used += endOffset
    if (used <= this.#sizeBytesMax) return
    const message = `The transcripts of this verifier would take more than ${this.#sizeBytesMax} bytes: stake fewer places.`
    throw new PeerError('TRANSCRIPTS_FULL', message, { used, sizeBytesMax: this.#sizeBytesMax })
  }

  #pathOf(round: number): string {
    return join(this.#directory, `${String(round).padStart(16, '0')}.transcripts`)
  }
}

function recordOf({ records }: OpenFile, { dealId, push }: Transcript) {
  if (push === null) return null
  const record = records.get(dealId)
  if (record === undefined) throw new RangeError(`the proofs of deal ${dealId} were not put before`)
  return record
}

/** What was not pushed follows from the attestation. */
function silenceOf(
  { statement: { round, verifier } }: CommandOf<'Attestation'>,
  { dealId, asked }: SealedRound['deals'][number]
): Transcript {
  return { version: 1, round, dealId, verifier, asked, verdict: 'no answer', reason: '', push: null }
}

async function readIndex(handle: FileHandle, round: number, sizeBytes: number): Promise<SealedRound> {
  const header = await readAt(handle, 0, HEADER_SIZE_BYTES)
  const trailer = await readAt(handle, Math.max(0, sizeBytes - TRAILER_SIZE_BYTES), TRAILER_SIZE_BYTES)
  if (!header.equals(HEADER)) throw damaged(round, 'the header')
  if (trailer.length < TRAILER_SIZE_BYTES) throw damaged(round, 'the size')
  const indexSizeBytes = trailer.readBigUInt64BE()
  if (indexSizeBytes > INDEX_SIZE_BYTES_MAX || indexSizeBytes > sizeBytes - TRAILER_SIZE_BYTES)
    throw damaged(round, 'the trailer')
  const size = Number(indexSizeBytes)
  const index = await readAt(handle, sizeBytes - TRAILER_SIZE_BYTES - size, size)
  const isWhole = hash('sha256', index, 'buffer').equals(trailer.subarray(8))
  const decoded = isWhole ? decodeSealedRound(index) : undefined
  if (decoded?.attestation.statement.round !== round) throw damaged(round, 'the index')
  return decoded
}

function damaged(round: number, what: string): PeerError {
  const message = `What this verifier kept of round ${round} is damaged on disk (${what}): it cannot answer for it.`
  return new PeerError('TRANSCRIPT_DAMAGED', message, { round, what })
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, offset + written)
    written += bytesWritten
  }
}

/** @returns fewer bytes at the end of the file */
async function readAt(handle: FileHandle, offset: number, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes)
  let filled = 0
  while (filled < sizeBytes) {
    const { bytesRead } = await handle.read(bytes, filled, sizeBytes - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}
