/**
 * Schemas of the values that every message, log entry and file is made of.
 *
 * In memory an amount is a `bigint`, on the wire and in JSON a decimal string; everything else is the same in both.
 * Every schema carries a bound, so that a decoder never allocates on a stranger's word.
 */
import { CID } from 'multiformats/cid'
import { z } from 'zod'

/** Largest amount: balances stay below 2^128 atto, so that a sum of all of them fits the uint256 of a settlement. */
export const AMOUNT_MAX = 2n ** 128n - 1n

/** An amount in attoFIL-style units, 1 credit = 10^18. */
export const amountSchema = z.codec(
  // Ends the parsing: refinements of what holds an amount must not meet one that is still text.
  z.string().regex(/^(0|[1-9][0-9]{0,38})$/, { error: 'a decimal amount', abort: true }),
  z.bigint().max(AMOUNT_MAX),
  {
    decode: text => BigInt(text),
    encode: amount => amount.toString()
  }
)

/** A 20-byte account address, `0x` and 40 lower-case hex digits: one spelling, so that it can be a key. */
export const addressSchema = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)])
export type Address = `0x${string}`

/** A non-negative integer that stays exact as a number. */
export const naturalSchema = z.int().min(0)

/** A multiaddr in text; parsed where it is dialled, because a ledger must not depend on which transports exist. */
export const multiaddrTextSchema = z
  .string()
  .max(256)
  .regex(/^\/[\x21-\x7e]+$/, 'a multiaddr')

/** At most this many addresses a peer, so that an ask cannot be a phone book. */
export const ADDRESSES_PER_PEER_MAX = 8
export const addressesSchema = z.array(multiaddrTextSchema).max(ADDRESSES_PER_PEER_MAX)

/** Bytes of exactly the given length. */
export function bytesOfLength(sizeBytes: number) {
  return z.custom<Uint8Array>(value => value instanceof Uint8Array && value.length === sizeBytes, `${sizeBytes} bytes`)
}

/** Bytes of a length within bounds, both included. */
export function bytesBetween(sizeBytesMin: number, sizeBytesMax: number) {
  return z.custom<Uint8Array>(
    value => value instanceof Uint8Array && value.length >= sizeBytesMin && value.length <= sizeBytesMax,
    `${sizeBytesMin} to ${sizeBytesMax} bytes`
  )
}

/** Bytes up to and including the given length. */
export function bytesUpTo(sizeBytesMax: number) {
  return z.custom<Uint8Array>(
    value => value instanceof Uint8Array && value.length <= sizeBytesMax,
    `at most ${sizeBytesMax} bytes`
  )
}

/** A CID of at most 128 bytes: long enough for every hash in use, short enough to be a key. */
export const cidSchema = z.custom<CID>(value => {
  const cid = CID.asCID(value)
  return cid !== null && cid.bytes.length <= 128
}, 'a CID of at most 128 bytes')
