/**
 * The object list: all references of an account, kept in the network under keys that follow from the account's own, so
 * that whoever has that key and nothing else finds everything again.
 *
 * A list is one private piece of a simpler kind, stored in one of two *slots* with constant labels: sequence n goes into
 * slot n mod 2, and what the slot held before is removed once the new one is durable. The newest list is the one with the
 * highest sequence number among those that open; whatever else stands under a slot's label does not count. A ledger or
 * provider that hides the newest can show the one before, and nothing that the account did not write.
 */
import { decode, encode } from '@ipld/dag-cbor'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { bytesOfLength, cidSchema, naturalSchema } from '../schema.ts'
import { contentSizeOf, FRAME_CONTENT_SIZE_BYTES, FRAME_SIZE_BYTES, frameCipherOf, sealedSizeOf } from './frames.ts'
import { derive, OBJECT_SECRET_SIZE_BYTES, PIECES_PER_OBJECT_MAX, type RepairKey } from './object-keys.ts'
import { FRAME_TAG_SIZE_BYTES, type PieceCiphers } from './piece-ciphers.ts'
import { replicaKeystream } from './replica-layer.ts'

/** Objects of one list: at most 300 bytes each under names of ordinary length. */
export const LISTED_OBJECTS_MAX = 100_000

/** Stored bytes of a list. */
export const OBJECT_LIST_SIZE_BYTES_MAX = 64 * 1024 * 1024

/** Lists that an account keeps: while a new one is written, the one before stands. */
export const OBJECT_LIST_SLOTS = 2

/** Random bytes at the front of each list, which make its key: a slot's lists never share one. */
export const OBJECT_LIST_SALT_SIZE_BYTES = 32

/** A list's plaintext grows in such steps, so that its size tells little. */
const SIZE_STEP_BYTES = 4096
const LENGTH_SIZE_BYTES = 4

const listedObjectSchema = z.strictObject({
  name: z.string().max(1024),
  root: cidSchema,
  /** What beside the root makes the reference; null for an object that was published. */
  private: z.nullable(
    z.strictObject({
      secret: bytesOfLength(OBJECT_SECRET_SIZE_BYTES),
      layout: z.enum(['distinct', 'identical']),
      pieceCount: z.int().min(1).max(PIECES_PER_OBJECT_MAX)
    })
  ),
  contentSizeBytes: naturalSchema,
  /** When it was stored, milliseconds of Unix time by the client's clock. */
  storedMs: naturalSchema
})
export type ListedObject = z.output<typeof listedObjectSchema>

const objectListSchema = z.strictObject({
  version: z.literal(1),
  /** One more than the list before. */
  sequence: naturalSchema,
  objects: z.array(listedObjectSchema).max(LISTED_OBJECTS_MAX)
})
export type ObjectList = z.output<typeof objectListSchema>

export interface ObjectListKeys {
  /** From which each list's own key is made, with its salt. */
  readonly listKey: Uint8Array
  /** Of each slot: labels, read permissions and the outer layer follow from it as from an object's repair key. */
  readonly slots: readonly [RepairKey, RepairKey]
}

/** @param accountKey - the 32 bytes of the account's private key */
export function deriveObjectListKeys(accountKey: Uint8Array): ObjectListKeys {
  const root = derive(accountKey, 'object list')
  return {
    listKey: derive(root, 'list'),
    slots: [derive(root, 'slot', 0) as RepairKey, derive(root, 'slot', 1) as RepairKey]
  }
}

/** Which slot a list goes into. */
export function slotOf({ sequence }: Pick<ObjectList, 'sequence'>): 0 | 1 {
  return sequence % OBJECT_LIST_SLOTS === 0 ? 0 : 1
}

/**
 * The inner piece of a list; `readReplica` with the slot's key, piece 0 and layout `distinct` makes the replicas of it.
 *
 * @param salt - 32 random bytes, new for every list
 * @throws {RangeError} for a list that is none, or too large
 */
export function sealObjectList(
  list: ObjectList,
  { keys, salt, ciphers }: { readonly keys: ObjectListKeys; readonly salt: Uint8Array; readonly ciphers: PieceCiphers }
): Uint8Array {
  const parsed = objectListSchema.safeEncode(list)
  if (!parsed.success || salt.length !== OBJECT_LIST_SALT_SIZE_BYTES) {
    throw new RangeError(`this is no object list: ${parsed.error?.message ?? `a salt of ${salt.length} bytes`}`)
  }
  const content = padded(encode(parsed.data))
  const piece = new Uint8Array(salt.length + sealedSizeOf(content.length))
  if (piece.length > OBJECT_LIST_SIZE_BYTES_MAX) {
    throw new RangeError(`a list takes at most ${OBJECT_LIST_SIZE_BYTES_MAX} bytes, got ${piece.length}`)
  }
  piece.set(salt)
  const cipher = frameCipherOf(ciphers, keyOf(keys, salt), 0)
  const frames = framesOf(piece)
  for (const [number, frame] of frames.entries()) {
    const from = number * FRAME_CONTENT_SIZE_BYTES
    frame.set(content.subarray(from, from + FRAME_CONTENT_SIZE_BYTES))
    cipher.seal(frame, number, number === frames.length - 1)
  }
  return piece
}

export type ObjectListVerdict =
  | { readonly ok: true; readonly list: ObjectList }
  | { readonly ok: false; readonly reason: 'size' | 'not authentic' | 'format' | 'slot' }

export interface StoredObjectList {
  /** The piece as a provider stores it. Overwritten. */
  readonly bytes: Uint8Array
  readonly slot: 0 | 1
  readonly replica: number
}

/** Opens what stands under a slot's label; never throws on foreign bytes. */
export function openObjectList(
  { bytes, slot, replica }: StoredObjectList,
  { keys, ciphers }: { readonly keys: ObjectListKeys; readonly ciphers: PieceCiphers }
): ObjectListVerdict {
  const contentSize = contentSizeOf(bytes.length - OBJECT_LIST_SALT_SIZE_BYTES)
  if (contentSize === undefined || bytes.length > OBJECT_LIST_SIZE_BYTES_MAX) return { ok: false, reason: 'size' }
  const layer = { ciphers, repairKey: keys.slots[slot], layout: 'distinct' } as const
  replicaKeystream(layer, { replica, piece: 0 }, 0).xor(bytes)
  const cipher = frameCipherOf(ciphers, keyOf(keys, bytes.slice(0, OBJECT_LIST_SALT_SIZE_BYTES)), 0)
  const content = new Uint8Array(contentSize)
  const frames = framesOf(bytes)
  for (const [number, frame] of frames.entries()) {
    if (!cipher.open(frame, number, number === frames.length - 1)) return { ok: false, reason: 'not authentic' }
    content.set(frame.subarray(0, -FRAME_TAG_SIZE_BYTES), number * FRAME_CONTENT_SIZE_BYTES)
  }
  const parsed = objectListSchema.safeParse(decodePadded(content))
  if (!parsed.success) return { ok: false, reason: 'format' }
  return slotOf(parsed.data) === slot ? { ok: true, list: parsed.data } : { ok: false, reason: 'slot' }
}

function keyOf({ listKey }: ObjectListKeys, salt: Uint8Array): Uint8Array {
  return hkdf(sha256, listKey, salt, utf8ToBytes('holdfast/1/list piece'), OBJECT_SECRET_SIZE_BYTES)
}

/** Views of the frames behind the salt. */
function framesOf(piece: Uint8Array): Uint8Array[] {
  const sealed = piece.subarray(OBJECT_LIST_SALT_SIZE_BYTES)
  return Array.from({ length: Math.ceil(sealed.length / FRAME_SIZE_BYTES) }, (_, number) =>
    sealed.subarray(number * FRAME_SIZE_BYTES, (number + 1) * FRAME_SIZE_BYTES)
  )
}

/** uint32 length ‖ bytes ‖ zeros. */
function padded(bytes: Uint8Array): Uint8Array {
  const size = LENGTH_SIZE_BYTES + bytes.length
  const content = new Uint8Array(Math.ceil(size / SIZE_STEP_BYTES) * SIZE_STEP_BYTES)
  new DataView(content.buffer).setUint32(0, bytes.length)
  content.set(bytes, LENGTH_SIZE_BYTES)
  return content
}

function decodePadded(content: Uint8Array): unknown {
  if (content.length < LENGTH_SIZE_BYTES) return undefined
  const size = new DataView(content.buffer).getUint32(0)
  if (LENGTH_SIZE_BYTES + size > content.length) return undefined
  try {
    return decode(content.subarray(LENGTH_SIZE_BYTES, LENGTH_SIZE_BYTES + size))
  } catch {
    return undefined // authentic, but no dag-cbor
  }
}
