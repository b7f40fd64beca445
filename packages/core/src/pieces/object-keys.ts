/**
 * All keys of a private object, from one secret of 32 random bytes:
 *
 *     secret ─┬─ read key ──── piece key (piece)               seals the inner frames, the same for all replicas
 *             └─ repair key ─┬─ replica key (replica, piece)   keystream of the outer layer
 *                            └─ label key (replica, piece)     its address is the label on the ledger
 *
 * HKDF-SHA256 with a label of its own for each. Who has the repair key alone can find replicas, turn one into another
 * and fetch them, and reads nothing; from the read key nothing of the right-hand branch follows.
 *
 * A secret encrypts one sequence of bytes. Content that changed is another object and gets another secret.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { createSigner } from '../identity.ts'
import { labelOfAddress } from './label.ts'

/** Bytes of an object's secret, and of every key that encrypts. */
export const OBJECT_SECRET_SIZE_BYTES = 32

/** Replicas of an object are numbered from 0 to below this. */
export const REPLICAS_PER_OBJECT_MAX = 256

/** Pieces of an object: 64 TiB, and a manifest that stays below a megabyte. */
export const PIECES_PER_OBJECT_MAX = 65_536

declare const purpose: unique symbol
/** Opens the frames of an object's pieces. */
export type ReadKey = Uint8Array & { readonly [purpose]: 'read' }
/** Finds, fetches and converts replicas, and reads none. */
export type RepairKey = Uint8Array & { readonly [purpose]: 'repair' }

export interface ObjectKeys {
  readonly readKey: ReadKey
  readonly repairKey: RepairKey
}

/** Which replica of which piece of an object, both from 0. */
export interface ReplicaPlace {
  readonly replica: number
  readonly piece: number
}

/** @param secret - 32 random bytes */
export function deriveObjectKeys(secret: Uint8Array): ObjectKeys {
  expectKey('a secret', secret)
  return { readKey: derive(secret, 'read') as ReadKey, repairKey: derive(secret, 'repair') as RepairKey }
}

/** Takes 32 bytes that were kept as what they are: a repair key that was handed to somebody. */
export function asRepairKey(bytes: Uint8Array): RepairKey {
  expectKey('a repair key', bytes)
  return bytes as RepairKey
}

/** @returns the 32 bytes that seal the frames of a piece, whatever the replica */
export function derivePieceKey(readKey: ReadKey, piece: number): Uint8Array {
  return derive(readKey, 'piece', expectBelow('piece', piece, PIECES_PER_OBJECT_MAX))
}

/** @returns the 32 bytes whose keystream makes a replica's piece another one than every other replica's */
export function deriveReplicaKey(repairKey: RepairKey, place: ReplicaPlace): Uint8Array {
  return derive(repairKey, 'replica', ...numbersOf(place))
}

/** @returns a secp256k1 private key; signs read permissions for this piece of this replica and nothing else */
export function deriveLabelKey(repairKey: RepairKey, place: ReplicaPlace): Uint8Array {
  const seed = hkdf(sha256, repairKey, undefined, infoOf('label', numbersOf(place)), secp256k1.lengths.seed!)
  return secp256k1.utils.randomSecretKey(seed)
}

/** The label under which a piece of a replica stands on the ledger: 20 bytes. */
export function deriveLabel(repairKey: RepairKey, place: ReplicaPlace): Uint8Array {
  return labelOfAddress(createSigner(deriveLabelKey(repairKey, place)).address)
}

/** HKDF-SHA256 without salt; info is `holdfast/1/` ‖ name ‖ each number as uint32. */
export function derive(key: Uint8Array, name: string, ...numbers: number[]): Uint8Array {
  return hkdf(sha256, key, undefined, infoOf(name, numbers), OBJECT_SECRET_SIZE_BYTES)
}

function infoOf(name: string, numbers: readonly number[]): Uint8Array {
  const text = utf8ToBytes(`holdfast/1/${name}`)
  const info = new Uint8Array(text.length + 4 * numbers.length)
  info.set(text)
  const view = new DataView(info.buffer)
  for (const [index, number] of numbers.entries()) view.setUint32(text.length + 4 * index, number)
  return info
}

function numbersOf({ replica, piece }: ReplicaPlace): [number, number] {
  return [expectBelow('replica', replica, REPLICAS_PER_OBJECT_MAX), expectBelow('piece', piece, PIECES_PER_OBJECT_MAX)]
}

function expectBelow(name: string, value: number, bound: number): number {
  if (Number.isInteger(value) && value >= 0 && value < bound) return value
  throw new RangeError(`${name} is a number from 0 to ${bound - 1}, got ${value}`)
}

function expectKey(name: string, bytes: Uint8Array): void {
  if (bytes.length === OBJECT_SECRET_SIZE_BYTES) return
  throw new RangeError(`${name} has ${OBJECT_SECRET_SIZE_BYTES} bytes, got ${bytes.length}`)
}
