/**
 * EIP-712 digests, compiled once for each type: the ledger computes one for every command, so it may not cost more than
 * checking the signature does. Knows the field types that statements use and no nested structures.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'

const WORD_SIZE_BYTES = 32

/** A field of a structure: its name, and its type in Solidity. */
export interface TypedField {
  readonly name: string
  readonly type: string
}

/** Writes one value as the 32 bytes that stand for it in its structure's encoding. */
type Encode = (value: unknown, target: Uint8Array, offset: number) => void

/** The domain `{ name, version, salt }`, hashed. */
export function hashDomain(name: string, version: string, salt: Uint8Array): Uint8Array {
  const type = 'EIP712Domain(string name,string version,bytes32 salt)'
  return keccak_256(concatBytes(...[type, name, version].map(text => keccak_256(utf8ToBytes(text))), salt))
}

/**
 * Compiles the hash of one structure under one domain.
 *
 * @returns the digest to sign; takes amounts as bigint or number, `address` as 0x and hex, `bytesN` as bytes or hex without
 * 0x, `bytes` as bytes or CID. Values that are no such thing give another digest or throw: check them against their schema first.
 * @throws {TypeError} for a field type that statements do not use
 */
export function compileTypedData(
  kind: string,
  fields: readonly TypedField[],
  domainHash: Uint8Array
): (message: Readonly<Record<string, unknown>>) => Uint8Array {
  const type = `${kind}(${fields.map(field => `${field.type} ${field.name}`).join(',')})`
  const encoders = fields.map(field => [field.name, encoderOf(field.type)] as const)
  const structure = new Uint8Array((fields.length + 1) * WORD_SIZE_BYTES)
  structure.set(keccak_256(utf8ToBytes(type)))
  const signed = new Uint8Array(2 + 2 * WORD_SIZE_BYTES)
  signed.set([0x19, 0x01])
  signed.set(domainHash, 2)
  return message => {
    for (const [index, [name, encode]] of encoders.entries())
      encode(message[name], structure, (index + 1) * WORD_SIZE_BYTES)
    signed.set(keccak_256(structure), 2 + WORD_SIZE_BYTES)
    return keccak_256(signed)
  }
}

function encoderOf(type: string): Encode {
  if (type.endsWith('[]')) return listEncoder(encoderOf(type.slice(0, -2)))
  if (type.startsWith('uint')) return encodeNumber
  if (type === 'bool') return (value, target, offset) => encodeNumber(value === true ? 1 : 0, target, offset)
  if (type === 'address') return (value, target, offset) => setRight(hexToBytes(String(value).slice(2)), target, offset)
  if (type === 'string') return (value, target, offset) => target.set(keccak_256(utf8ToBytes(String(value))), offset)
  if (type === 'bytes') return (value, target, offset) => target.set(keccak_256(toBytes(value)), offset)
  if (type.startsWith('bytes')) return encodeFixed
  throw new TypeError(`expected a field type of a statement, got ${type}`)
}

function listEncoder(encode: Encode): Encode {
  return (value, target, offset) => {
    const items = value as readonly unknown[]
    const encoded = new Uint8Array(items.length * WORD_SIZE_BYTES)
    for (const [index, item] of items.entries()) encode(item, encoded, index * WORD_SIZE_BYTES)
    target.set(keccak_256(encoded), offset)
  }
}

function encodeNumber(value: unknown, target: Uint8Array, offset: number): void {
  const view = new DataView(target.buffer, target.byteOffset + offset, WORD_SIZE_BYTES)
  const number = BigInt(value as bigint | number)
  view.setBigUint64(0, 0n)
  view.setBigUint64(8, 0n)
  view.setBigUint64(16, number >> 64n)
  view.setBigUint64(24, number) // takes the low 64 bits
}

/** `bytesN` stand at the left of their word. */
function encodeFixed(value: unknown, target: Uint8Array, offset: number): void {
  target.fill(0, offset, offset + WORD_SIZE_BYTES)
  target.set(typeof value === 'string' ? hexToBytes(value) : (value as Uint8Array), offset)
}

function setRight(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  target.fill(0, offset, offset + WORD_SIZE_BYTES - bytes.length)
  target.set(bytes, offset + WORD_SIZE_BYTES - bytes.length)
}

function toBytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : (CID.asCID(value)?.bytes ?? new Uint8Array())
}
