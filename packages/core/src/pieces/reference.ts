/**
 * References: what somebody must keep, or is given, to read a private object (`hf1…`) or to repair it (`hfr1…`).
 *
 * A reference is a secret. Whoever has it reads the object for as long as the object is stored; it cannot be taken back.
 */
import { CID } from 'multiformats/cid'
import { decodeVarint, encodeVarint } from '../content/varint.ts'
import { cidSchema } from '../schema.ts'
import { formatChecked, parseChecked } from './checked-text.ts'
import { asRepairKey, OBJECT_SECRET_SIZE_BYTES, PIECES_PER_OBJECT_MAX, type RepairKey } from './object-keys.ts'
import type { ReplicaLayout } from './replica-layer.ts'

/** All that is needed to find, fetch, decrypt and check a private object. */
export interface ObjectReference {
  readonly root: CID
  /** 32 bytes; see `deriveObjectKeys`. */
  readonly secret: Uint8Array
  readonly layout: ReplicaLayout
  readonly pieceCount: number
}

/** All that is needed to turn one replica into another, and nothing to read one. */
export interface RepairReference {
  readonly repairKey: RepairKey
  readonly layout: ReplicaLayout
  readonly pieceCount: number
}

export type ReferenceVerdict<Reference> =
  | { readonly ok: true; readonly reference: Reference }
  | { readonly ok: false; readonly reason: ReferenceFault }

export type ReferenceFault =
  /** Begins with something else. */
  | 'not a reference'
  /** A repair reference where a reference was expected, or the other way round. */
  | 'other kind of reference'
  | 'characters'
  /** A character is wrong or missing. */
  | 'checksum'
  /** Made by a later version. */
  | 'version'
  | 'malformed'

const OBJECT_PREFIX = 'hf1'
const REPAIR_PREFIX = 'hfr1'
const VERSION = 1
const LAYOUTS: readonly ReplicaLayout[] = ['distinct', 'identical']
/** Version, layout, number of pieces, secret, and the longest CID. */
const PAYLOAD_SIZE_BYTES_MAX = 1 + 1 + 3 + OBJECT_SECRET_SIZE_BYTES + 128

export function formatReference({ root, secret, ...shape }: ObjectReference): string {
  return formatChecked(OBJECT_PREFIX, encodeReference({ root, secret, ...shape }))
}

/** Never throws: what people paste is foreign. */
export function parseReference(text: string): ReferenceVerdict<ObjectReference> {
  return parse(OBJECT_PREFIX, REPAIR_PREFIX, text, decodeReference)
}

export function formatRepairReference(reference: RepairReference): string {
  return formatChecked(REPAIR_PREFIX, encodePayload(reference, reference.repairKey, new Uint8Array()))
}

export function parseRepairReference(text: string): ReferenceVerdict<RepairReference> {
  return parse(REPAIR_PREFIX, OBJECT_PREFIX, text, payload => {
    const decoded = decodePayload(payload)
    if (!decoded.ok) return decoded
    const { shape, key, rest } = decoded
    if (rest.length > 0) return { ok: false, reason: 'malformed' }
    return { ok: true, reference: { ...shape, repairKey: asRepairKey(key) } }
  })
}

/** The bytes of a reference, as they stand in an object list. */
export function encodeReference({ root, secret, ...shape }: ObjectReference): Uint8Array {
  return encodePayload(shape, secret, root.bytes)
}

export function decodeReference(payload: Uint8Array): ReferenceVerdict<ObjectReference> {
  const decoded = decodePayload(payload)
  if (!decoded.ok) return decoded
  const root = decodeCid(decoded.rest)
  if (root === undefined) return { ok: false, reason: 'malformed' }
  return { ok: true, reference: { ...decoded.shape, secret: decoded.key, root } }
}

type Shape = Pick<ObjectReference, 'layout' | 'pieceCount'>

function encodePayload({ layout, pieceCount }: Shape, key: Uint8Array, rest: Uint8Array): Uint8Array {
  if (key.length !== OBJECT_SECRET_SIZE_BYTES || pieceCount < 1 || pieceCount > PIECES_PER_OBJECT_MAX) {
    throw new RangeError(
      `a reference has a key of ${OBJECT_SECRET_SIZE_BYTES} bytes and 1 to ${PIECES_PER_OBJECT_MAX} pieces, ` +
        `got ${key.length} and ${pieceCount}`
    )
  }
  return Uint8Array.of(VERSION, LAYOUTS.indexOf(layout), ...encodeVarint(pieceCount), ...key, ...rest)
}

type DecodedPayload = {
  readonly ok: true
  readonly shape: Shape
  readonly key: Uint8Array
  readonly rest: Uint8Array
}

function decodePayload(payload: Uint8Array): DecodedPayload | { readonly ok: false; readonly reason: ReferenceFault } {
  if (payload[0] !== VERSION) return { ok: false, reason: 'version' }
  const layout = LAYOUTS[payload[1] ?? LAYOUTS.length]
  const pieceCount = decodeVarint(payload, 2)
  if (layout === undefined || !pieceCount.ok) return { ok: false, reason: 'malformed' }
  const key = payload.slice(2 + pieceCount.size, 2 + pieceCount.size + OBJECT_SECRET_SIZE_BYTES)
  const isCount = pieceCount.value >= 1 && pieceCount.value <= PIECES_PER_OBJECT_MAX
  if (!isCount || key.length < OBJECT_SECRET_SIZE_BYTES) return { ok: false, reason: 'malformed' }
  const rest = payload.slice(2 + pieceCount.size + OBJECT_SECRET_SIZE_BYTES)
  return { ok: true, shape: { layout, pieceCount: pieceCount.value }, key, rest }
}

function parse<Reference>(
  prefix: string,
  otherPrefix: string,
  text: string,
  decode: (payload: Uint8Array) => ReferenceVerdict<Reference>
): ReferenceVerdict<Reference> {
  const checked = parseChecked(prefix, text, PAYLOAD_SIZE_BYTES_MAX)
  if (checked.ok) return decode(checked.payload)
  if (checked.reason !== 'prefix') return { ok: false, reason: checked.reason }
  const isOther = text.trim().toLowerCase().startsWith(otherPrefix)
  return { ok: false, reason: isOther ? 'other kind of reference' : 'not a reference' }
}

function decodeCid(bytes: Uint8Array): CID | undefined {
  try {
    const cid = CID.decode(bytes)
    // A CID has other spellings, with longer varints, that decode all the same.
    const isSpelledSo = cid.bytes.length === bytes.length && cid.bytes.every((byte, index) => byte === bytes[index])
    return isSpelledSo && cidSchema.safeParse(cid).success ? cid : undefined
  } catch {
    return undefined // a stranger's bytes
  }
}
