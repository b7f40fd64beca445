import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { encodeCarHeader, encodeSection, PLACEHOLDER_ROOT } from '@holdfast/core'
import { createPieceHasher } from '@holdfast/proofs'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { Level } from 'level'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import {
  createPieceStore,
  type PieceStore,
  type PieceStoreEvent,
  type PieceStoreOptions,
  type PieceWriter,
  type ReceiveRequest,
  type StoredPiece
} from '../../src/storage/index.ts'

export interface TestStore extends AsyncDisposable {
  readonly store: PieceStore
  readonly level: Level<string, string>
  readonly events: PieceStoreEvent[]
  /** The clock that the store sees. */
  readonly time: { nowMs: number }
  /** Where the pieces stand. */
  readonly directory: string
}

export const LEASE_MS = 1000

export const nodeHasher = await loadNativeNodeHasher()

/** A started store under a directory; closing it leaves everything on disk. */
export async function openTestStore(path: string, options: Partial<PieceStoreOptions> = {}): Promise<TestStore> {
  const directory = join(path, 'pieces')
  const level = new Level<string, string>(join(path, 'index'))
  const events: PieceStoreEvent[] = []
  const time = { nowMs: 0 }
  const store = createPieceStore({
    directory,
    level,
    capacityBytes: 100e6,
    floor: { bytes: 0, permille: 0 },
    leaseMs: LEASE_MS,
    nodeHasher,
    clock: { now: () => time.nowMs },
    onEvent: event => events.push(event),
    ...options
  })
  const close = async () => {
    await store.stop()
    await level.close()
  }
  try {
    await store.start()
  } catch (error) {
    await close()
    throw error
  }
  return { store, level, events, time, directory, [Symbol.asyncDispose]: close }
}

/** Bytes that are no CAR and differ for every seed. */
export function randomBytes(seed: number, sizeBytes: number): Uint8Array {
  return createHash('shake256', { outputLength: sizeBytes }).update(String(seed)).digest()
}

/** A writer for a piece that the store has room for and has not committed yet. */
export async function openWriter(store: PieceStore, request: ReceiveRequest): Promise<PieceWriter> {
  const received = await store.receive(request)
  if (!received.ok) throw new Error(received.code)
  if (!('writer' in received)) throw new Error('committed already')
  return received.writer
}

export async function storePiece(
  store: PieceStore,
  bytes: Uint8Array,
  chunkSizeBytes = 1000,
  request: Partial<ReceiveRequest> = {}
): Promise<StoredPiece> {
  const writer = await openWriter(store, { sizeBytes: bytes.length, ...request })
  for (let offset = writer.positionBytes; offset < bytes.length; offset += chunkSizeBytes) {
    await writer.write(bytes.subarray(offset, offset + chunkSizeBytes))
  }
  return await writer.commit()
}

/** Stores a piece and makes it part of a public object, as the order of a deal does. */
export async function storePublicly(
  store: PieceStore,
  bytes: Uint8Array,
  chunkSizeBytes?: number
): Promise<StoredPiece> {
  const { cid } = await storePiece(store, bytes, chunkSizeBytes)
  await store.keep(cid, 'public', cid)
  return (await store.get(cid))!
}

export function pieceCidOf(bytes: Uint8Array): string {
  const hasher = createPieceHasher({ nodeHasher })
  hasher.update(bytes)
  return hasher.digest().cid.toString()
}

export async function cidOf(block: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(block))
}

/** @param names - the CID that each block goes by; its own unless told otherwise */
export async function carOf(blocks: readonly Uint8Array[], names: readonly CID[] = []): Promise<Uint8Array> {
  const parts = [encodeCarHeader([PLACEHOLDER_ROOT])]
  for (const [i, block] of blocks.entries()) parts.push(encodeSection(names[i] ?? (await cidOf(block)), block))
  return Buffer.concat(parts)
}
