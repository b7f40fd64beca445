/** One hash for one state: how host, followers and replays find out whether they agree. */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import type { LedgerState } from './state.ts'

/** SHA-256 over the canonical form of the whole state, in hex: equal on every machine that applied the same log. */
export function hashState(state: LedgerState): string {
  return bytesToHex(sha256(encode(canonical(state))))
}

/** Maps and sets as sorted lists, amounts as decimal strings, absent fields as null: one form for one state. */
function canonical(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value instanceof Uint8Array) return value
  if (CID.asCID(value) !== null) return value
  if (Array.isArray(value)) return value.map(canonical)
  if (value instanceof Set) return [...value].sort(byKey).map(canonical)
  if (value instanceof Map) return [...value].sort(([a], [b]) => byKey(a, b)).map(canonical)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, canonical(field)]))
}

function byKey(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : 1
}
