/** Entries of the log, and their bytes. The log is the ledger's only clock: `openRound` entries are the only time. */
import { decode, encode } from '@ipld/dag-cbor'
import { z } from 'zod'
import { BEACON_SIGNATURE_SIZE_BYTES } from '../beacon/beacon.ts'
import { bytesOfLength, naturalSchema } from '../schema.ts'
import { commandSchema } from './commands.ts'

const roundSchema = naturalSchema.min(1)

/** Deals that one entry settles at most. */
export const SETTLE_COUNT_MAX = 1024

export const entryBodySchema = z.discriminatedUnion('kind', [
  /** First of a log: ties it to its network. */
  z.strictObject({ kind: z.literal('genesis'), networkId: bytesOfLength(32) }),
  /** Closes the open round and opens the next. */
  z.strictObject({
    kind: z.literal('openRound'),
    round: roundSchema,
    beaconSignature: bytesOfLength(BEACON_SIGNATURE_SIZE_BYTES)
  }),
  /** Closes the open round late and passes over rounds that nobody opened. */
  z.strictObject({ kind: z.literal('voidRounds'), from: roundSchema, to: roundSchema }),
  /** Settles the next so many deals of the round that closed last: keeps every entry short, whatever their number. */
  z.strictObject({ kind: z.literal('settle'), count: naturalSchema.min(1).max(SETTLE_COUNT_MAX) }),
  z.strictObject({ kind: z.literal('command'), command: commandSchema })
])
export type EntryBody = z.output<typeof entryBodySchema>

export const entrySchema = z.strictObject({
  version: z.literal(1),
  /** Counts from 0 without gaps. */
  sequence: naturalSchema,
  /** The host's clock, milliseconds of Unix time, never decreasing. */
  timeMs: naturalSchema,
  body: entryBodySchema
})
export type Entry = z.output<typeof entrySchema>

/** Canonical dag-cbor. */
export function encodeEntry(entry: Entry): Uint8Array {
  return encode(z.encode(entrySchema, entry))
}

/** @returns undefined for bytes that are no entry; the caller says which one it was */
export function decodeEntry(bytes: Uint8Array): Entry | undefined {
  try {
    return entrySchema.parse(decode(bytes))
  } catch {
    return undefined
  }
}
