import { quoteName } from './entry-name.ts'

/** UnixFS: the widest shard that a reader must accept, and may not exceed. */
export const SHARD_FANOUT_MAX = 1024

/** The multicodec of murmur3-x64-64, the only hash of names that UnixFS knows. */
const MURMUR3_X64_64 = 0x22n

const FANOUT_MIN = 8

export interface ShardClaims {
  readonly fanout: bigint | undefined
  readonly hashType: bigint | undefined
  /** Which slots are taken. */
  readonly bitfield: Uint8Array
  /** Names of the node's links. */
  readonly names: readonly string[]
}

export type ShardVerdict =
  | { readonly ok: true; readonly fanout: number; readonly prefixLength: number }
  | { readonly ok: false; readonly fault: string }

/**
 * Checks a shard of a directory before anything is computed from it: a fanout of 0, 1 or 2^31 sends a naive walker
 * into an endless loop or out of memory.
 *
 * Each link's name begins with its slot as `prefixLength` uppercase hexadecimal digits; slots ascend, so a shard has
 * no more links than slots. Does not check that an entry's name hashes to its slot.
 */
export function checkShard({ fanout, hashType, bitfield, names }: ShardClaims): ShardVerdict {
  if (fanout === undefined || fanout < FANOUT_MIN || fanout > SHARD_FANOUT_MAX) return bad(`fanout ${fanout}`)
  const width = Number(fanout)
  if ((width & (width - 1)) !== 0) return bad(`fanout ${fanout}`)
  if (hashType !== MURMUR3_X64_64) return bad(`hash type ${hashType}`)
  if (bitfield.length > width / 8) return bad(`a bitfield of ${bitfield.length} bytes`)
  const prefixLength = (width - 1).toString(16).length
  let before = -1
  for (const name of names) {
    const slot = slotOf(name, prefixLength)
    if (slot === undefined || slot >= width) return bad(`link ${quoteName(name)} without a slot`)
    if (slot <= before) return bad(`link ${quoteName(name)} out of order`)
    before = slot
  }
  return { ok: true, fanout: width, prefixLength }
}

function slotOf(name: string, prefixLength: number): number | undefined {
  const prefix = name.slice(0, prefixLength)
  if (prefix.length !== prefixLength || !/^[0-9A-F]+$/.test(prefix)) return undefined
  return Number.parseInt(prefix, 16)
}

function bad(what: string): ShardVerdict {
  return { ok: false, fault: `a directory shard with ${what}` }
}
