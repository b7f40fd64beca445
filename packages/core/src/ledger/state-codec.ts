/**
 * State as bytes: what a snapshot is made of, whatever fields the state has.
 *
 * Structural: it knows maps, sets, arrays, plain objects, bigint, CID, bytes, text, numbers and `undefined`, and no field
 * by name, so that a new field needs nothing here. Iteration order of maps and sets is kept. A map that is a field of the
 * state becomes one item an entry, every other field one item; items are packed into records of bounded size, and one
 * that is larger runs on over several. Objects that are shared within the state come back as copies.
 */
import { decode, encode } from '@ipld/dag-cbor'
import { concatBytes } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import { equalBytes } from '../equal-bytes.ts'
import { CoreError } from '../error.ts'
import { type NetworkParameters, networkIdOf } from '../network.ts'
import { createLedgerState, type LedgerState } from './state.ts'

/**
 * Counts the forms that a state has had on disk: raise it whenever what stands inside a field of the state changes.
 * A field that comes or goes is noticed without it.
 */
export const STATE_FORM_VERSION = 1

/** One record: large enough that a database holds few, small enough to hold several in memory. */
export const STATE_RECORD_SIZE_BYTES_MAX = 256 * 1024

/** First byte of an item's part: whether the item goes on in the next record. */
const WHOLE = 0
const CONTINUED = 1
const PART_HEADER_SIZE_BYTES = 5

/** What dag-cbor has no word for. An array in the encoded form is always one of these. */
const ARRAY = 0
const MAP = 1
const SET = 2
const BIGINT = 3
const UNDEFINED = 4

/** An item: a field's name and value, or a field's name, key and value when the field is a map; the first says what the state is. */
type Item = readonly [name: string, value: unknown] | readonly [name: string, key: unknown, value: unknown]

/**
 * Encodes a state that does not change meanwhile.
 *
 * @returns records of at most 256 KiB, in an order that `decodeState` needs
 * @throws {TypeError} for a value of a kind that a state must not have
 */
export function* encodeState(state: LedgerState): Generator<Uint8Array, void> {
  let parts: Uint8Array[] = []
  let sizeBytes = 0
  for (const item of itemsOf(state)) {
    const bytes = encode(item.map(toPlain))
    for (let offset = 0; offset < bytes.length; ) {
      if (sizeBytes + PART_HEADER_SIZE_BYTES >= STATE_RECORD_SIZE_BYTES_MAX) {
        yield concatBytes(...parts)
        parts = []
        sizeBytes = 0
      }
      const end = Math.min(bytes.length, offset + STATE_RECORD_SIZE_BYTES_MAX - sizeBytes - PART_HEADER_SIZE_BYTES)
      const part = bytes.subarray(offset, end)
      parts.push(partHeader(end < bytes.length ? CONTINUED : WHOLE, part.length), part)
      sizeBytes += PART_HEADER_SIZE_BYTES + part.length
      offset = end
    }
  }
  yield concatBytes(...parts)
}

/**
 * Rebuilds a state of a network from its records, in the order in which they were made.
 *
 * Checks the form and that the state is of this network, and nothing of what it says: whoever kept the records must
 * know that they are unchanged.
 *
 * @throws {CoreError} `STATE_UNREADABLE` for records that are no whole state of this program's form and this network
 */
export async function decodeState(
  records: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  parameters: NetworkParameters
): Promise<LedgerState> {
  const expected = createLedgerState(parameters)
  const state: Record<string, unknown> = {}
  let version: unknown
  for await (const bytes of itemsIn(records)) {
    const item = decodeItem(bytes)
    if (item.length === 2 && item[0] === '') version = item[1]
    else if (item.length === 2) state[item[0]] = item[1]
    else addEntry(state, item[0], item[1], item[2])
  }
  if (version !== STATE_FORM_VERSION)
    throw unreadable(`its form is version ${String(version)}, not ${STATE_FORM_VERSION}`)
  for (const name of new Set([...Object.keys(expected), ...Object.keys(state)])) {
    const [got, wanted] = [name in state, name in expected]
    if (got !== wanted) throw unreadable(`field ${name} is ${got ? 'unknown' : 'missing'}`)
    if (!sameKind(state[name], Reflect.get(expected, name))) throw unreadable(`field ${name} is of another kind`)
  }
  const { networkId } = state
  if (!(networkId instanceof Uint8Array) || !equalBytes(networkId, networkIdOf(parameters)))
    throw unreadable('it is of another network')
  return Object.assign(expected, { ...state, parameters: expected.parameters, networkId: expected.networkId })
}

function* itemsOf(state: LedgerState): Generator<Item> {
  yield ['', STATE_FORM_VERSION]
  for (const [name, value] of Object.entries(state)) {
    if (name === 'parameters')
      yield [name, {}] // those of the network's description
    else if (!(value instanceof Map)) yield [name, value]
    else {
      yield [name, new Map()]
      for (const [key, entry] of value) yield [name, key, entry]
    }
  }
}

function toPlain(value: unknown): unknown {
  switch (typeof value) {
    case 'undefined':
      return [UNDEFINED]
    case 'bigint':
      return [BIGINT, value.toString()]
    case 'string':
    case 'boolean':
    case 'number':
      return value
    case 'object':
      return value === null ? null : objectToPlain(value)
    default:
      throw new TypeError(`expected plain data in the state, got a ${typeof value}`)
  }
}

function objectToPlain(value: object): unknown {
  if (value instanceof Uint8Array || CID.asCID(value) !== null) return value
  if (Array.isArray(value)) return [ARRAY, ...value.map(toPlain)]
  if (value instanceof Set) return [SET, ...Array.from(value, toPlain)]
  if (value instanceof Map)
    return [MAP, ...Array.from(value, ([key, entry]) => [toPlain(key), toPlain(entry)] as const).flat()]
  if (Object.getPrototypeOf(value) !== Object.prototype)
    throw new TypeError(`expected plain data in the state, got a ${value.constructor?.name}`)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]))
}

function fromPlain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return taggedFromPlain(value)
  if (CID.asCID(value) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, fromPlain(field)]))
}

function taggedFromPlain([tag, ...rest]: readonly unknown[]): unknown {
  switch (tag) {
    case ARRAY:
      return rest.map(fromPlain)
    case SET:
      return new Set(rest.map(fromPlain))
    case MAP: {
      const map = new Map<unknown, unknown>()
      for (let index = 0; index + 1 < rest.length; index += 2)
        map.set(fromPlain(rest[index]), fromPlain(rest[index + 1]))
      return map
    }
    case BIGINT:
      return BigInt(String(rest[0]))
    case UNDEFINED:
      return undefined
    default:
      throw unreadable(`there is no kind ${String(tag)}`)
  }
}

function partHeader(kind: number, length: number): Uint8Array {
  const header = new Uint8Array(PART_HEADER_SIZE_BYTES)
  header[0] = kind
  new DataView(header.buffer).setUint32(1, length)
  return header
}

/** The items' bytes, put together again where they ran over several records. */
async function* itemsIn(records: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let begun: Uint8Array[] = []
  for await (const record of records) {
    if (record.length > STATE_RECORD_SIZE_BYTES_MAX) throw unreadable(`a record has ${record.length} bytes`)
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    for (let offset = 0; offset < record.length; ) {
      if (record.length - offset < PART_HEADER_SIZE_BYTES) throw unreadable('a record is cut short')
      const length = view.getUint32(offset + 1)
      const isContinued = record[offset] === CONTINUED
      offset += PART_HEADER_SIZE_BYTES
      if (length > record.length - offset) throw unreadable('a record is cut short')
      begun.push(record.subarray(offset, offset + length))
      offset += length
      if (isContinued) continue
      yield begun.length === 1 ? begun[0]! : concatBytes(...begun)
      begun = []
    }
  }
  if (begun.length > 0) throw unreadable('the last record is missing')
}

function decodeItem(bytes: Uint8Array): Item {
  let item: unknown
  try {
    item = decode(bytes)
    if (Array.isArray(item)) item = item.map(fromPlain)
  } catch (cause) {
    throw unreadable('an item is no plain data', cause)
  }
  const [name, key, value]: unknown[] = Array.isArray(item) ? item : []
  if (!Array.isArray(item) || (item.length !== 2 && item.length !== 3) || typeof name !== 'string')
    throw unreadable('an item is neither a field nor an entry')
  return item.length === 2 ? [name, key] : [name, key, value]
}

function addEntry(state: Record<string, unknown>, name: string, key: unknown, value: unknown): void {
  const map = state[name]
  if (!(map instanceof Map)) throw unreadable(`${name} has entries and is no map`)
  map.set(key, value)
}

/** Fields that may be absent say nothing about their kind. */
function sameKind(got: unknown, wanted: unknown): boolean {
  if (got === undefined || wanted === undefined) return true
  return typeof got === typeof wanted && Object.getPrototypeOf(got) === Object.getPrototypeOf(wanted)
}

function unreadable(reason: string, cause?: unknown): CoreError<'STATE_UNREADABLE'> {
  return new CoreError(
    'STATE_UNREADABLE',
    `this is no state that this program can read: ${reason}`,
    { reason },
    { cause }
  )
}
