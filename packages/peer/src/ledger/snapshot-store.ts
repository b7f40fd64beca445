/**
 * Snapshots of the ledger's state, in Level: where a start goes on from instead of from the first entry.
 *
 * A snapshot is complete or it is not there: its records come first and its marker last, synced. LevelDB can lose records
 * and return flipped bits without an error, so every record carries a checksum and the marker a digest over all of them;
 * what does not check is passed over, and costs a longer replay and nothing else.
 *
 * ```
 * m/<sequence>          u32 CRC-32C ‖ JSON { version, records, digest, stateHash, chainHash, tree }
 * r/<sequence>/<index>  u32 CRC-32C ‖ record of core's state codec
 * ```
 */
import { createHash } from 'node:crypto'
import type { LogTreeState } from '@holdfast/core'
import crc32c from 'crc-32/crc32c.js'
import { z } from 'zod'
import { PeerError } from '../error.ts'
import type { IndexRange, IndexWriteOptions } from '../storage/index-level.ts'

const SNAPSHOT_VERSION = 1
/** The newest, and one more in case that is damaged. */
const SNAPSHOTS_KEPT = 2

/** Of the Level database what snapshots need; a sublevel with byte values is one. */
export interface SnapshotLevel {
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, value: Uint8Array, options: IndexWriteOptions): Promise<void>
  clear(range: IndexRange): Promise<void>
  iterator(range: IndexRange): AsyncIterable<[string, Uint8Array]>
}

const bytes = z.codec(
  z.base64(),
  z.custom<Uint8Array>(value => value instanceof Uint8Array),
  {
    decode: text => new Uint8Array(Buffer.from(text, 'base64')),
    encode: value => Buffer.from(value).toString('base64')
  }
)
const markerSchema = z.strictObject({
  version: z.literal(SNAPSHOT_VERSION),
  records: z.int().min(1),
  digest: bytes,
  stateHash: z.string(),
  chainHash: bytes,
  tree: z.strictObject({ size: z.int().min(0), groups: bytes, leaves: bytes })
})

/** What is known of a snapshot besides its records. */
export interface SnapshotFacts {
  /** Entries that went into it. */
  readonly sequence: number
  /** `hashState` of it, in hex. */
  readonly stateHash: string
  /** Of the log's last entry that went into it. */
  readonly chainHash: Uint8Array
  /** Of the tree over these entries. */
  readonly tree: LogTreeState
}

export interface SnapshotStore {
  /** Snapshots whose marker is whole, newest first. */
  list(): Promise<(SnapshotFacts & { readonly records: number; readonly digest: Uint8Array })[]>
  /**
   * The records of a snapshot, each checked; that they are all of them shows at the end.
   *
   * @throws {PeerError} `SNAPSHOT_DAMAGED`; what was read before it is worth nothing either
   */
  read(sequence: number): AsyncGenerator<Uint8Array, void>
  /** Writes one as a whole, and removes all but the two newest. `facts` is asked once the records have ended. */
  write(
    sequence: number,
    records: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    facts: () => Omit<SnapshotFacts, 'sequence'>
  ): Promise<void>
  remove(sequence: number): Promise<void>
}

export function createSnapshotStore(level: SnapshotLevel): SnapshotStore {
  async function list() {
    const snapshots = []
    for await (const [key, value] of level.iterator({ gte: 'm/', lt: 'm0', reverse: true })) {
      const marker = markerSchema.safeParse(unseal(value, parseOrUndefined))
      if (marker.success) snapshots.push({ sequence: Number(key.slice(2)), ...marker.data })
    }
    return snapshots
  }

  async function remove(sequence: number): Promise<void> {
    await level.clear({ gte: markerKey(sequence), lte: markerKey(sequence) })
    await level.clear(recordRange(sequence))
  }

  return {
    list,
    remove,
    async *read(sequence) {
      const marker = (await list()).find(one => one.sequence === sequence)
      if (marker === undefined) throw damaged(sequence, 'its marker is missing')
      const digest = createHash('sha256')
      let index = 0
      for await (const [key, value] of level.iterator(recordRange(sequence))) {
        const record = unseal(value, content => content)
        if (record === undefined || key !== recordKey(sequence, index))
          throw damaged(sequence, `record ${index} is wrong`)
        digest.update(record)
        index += 1
        yield record
      }
      if (index !== marker.records || digest.digest().compare(marker.digest) !== 0)
        throw damaged(sequence, 'its records are not those that were written')
    },
    async write(sequence, records, facts) {
      await remove(sequence) // what an attempt that was cut off left behind
      const digest = createHash('sha256')
      let count = 0
      for await (const record of records) {
        digest.update(record)
        await level.put(recordKey(sequence, count), seal(record), { sync: false })
        count += 1
      }
      const marker = z.encode(markerSchema, {
        version: SNAPSHOT_VERSION,
        records: count,
        digest: Uint8Array.from(digest.digest()),
        ...facts()
      })
      await level.put(markerKey(sequence), seal(Buffer.from(JSON.stringify(marker))), { sync: true })
      for (const old of (await list()).slice(SNAPSHOTS_KEPT)) await remove(old.sequence)
    }
  }
}

function markerKey(sequence: number): string {
  return `m/${String(sequence).padStart(16, '0')}`
}

function recordKey(sequence: number, index: number): string {
  return `r/${String(sequence).padStart(16, '0')}/${String(index).padStart(8, '0')}`
}

function recordRange(sequence: number): IndexRange {
  const prefix = `r/${String(sequence).padStart(16, '0')}`
  return { gte: `${prefix}/`, lt: `${prefix}0` } // 0 comes after /
}

function seal(content: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(4 + content.length)
  sealed.writeUInt32BE(crc32c.buf(content) >>> 0)
  sealed.set(content, 4)
  return sealed
}

function unseal<T>(sealed: Uint8Array, open: (content: Uint8Array) => T): T | undefined {
  if (sealed.length < 4) return undefined
  const content = Uint8Array.from(sealed.subarray(4))
  const checksum = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
  return checksum === crc32c.buf(content) >>> 0 ? open(content) : undefined
}

function parseOrUndefined(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString())
  } catch {
    return undefined
  }
}

function damaged(sequence: number, reason: string): PeerError<'SNAPSHOT_DAMAGED'> {
  return new PeerError('SNAPSHOT_DAMAGED', `The snapshot at entry ${sequence} is damaged: ${reason}.`, {
    sequence,
    reason
  })
}
