/** The `Type` of UnixFS's protobuf message. */
export const UnixfsType = { Raw: 0, Directory: 1, File: 2, Metadata: 3, Symlink: 4, HamtShard: 5 } as const

/** UnixFS's `Data` message, as far as content needs it; mode and time are skipped. */
export interface UnixfsMessage {
  readonly type: number
  readonly data: Uint8Array
  readonly fileSize: bigint | undefined
  readonly blockSizes: readonly bigint[]
  readonly hashType: bigint | undefined
  readonly fanout: bigint | undefined
}

const FIELD = { type: 1, data: 2, fileSize: 3, blockSizes: 4, hashType: 5, fanout: 6 } as const
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/**
 * Decodes a UnixFS message. `data` is a view of `bytes`.
 *
 * @param blockSizeCountMax - how many block sizes the node has use for; more of them are refused before they are kept
 * @throws {Error} when the bytes are not one; for callers that turn it into a verdict
 */
export function decodeUnixfsMessage(bytes: Uint8Array, blockSizeCountMax: number): UnixfsMessage {
  const reader = new ProtobufReader(bytes)
  const blockSizes: bigint[] = []
  const numbers = new Map<number, bigint>()
  let data = new Uint8Array(0)
  while (!reader.done) {
    const key = Number(reader.varint())
    const field = Math.floor(key / 8)
    const wire = key % 8
    if (field === FIELD.data && wire === WIRE.bytes) data = reader.bytes()
    else if (field === FIELD.blockSizes && wire === WIRE.varint) blockSizes.push(reader.varint())
    else if (field === FIELD.blockSizes && wire === WIRE.bytes)
      readPacked(reader.bytes(), blockSizes, blockSizeCountMax)
    else if (wire === WIRE.varint) numbers.set(field, reader.varint())
    else reader.skip(wire)
    if (blockSizes.length > blockSizeCountMax) throw new Error(`more than ${blockSizeCountMax} block sizes`)
  }
  const type = numbers.get(FIELD.type)
  if (type === undefined) throw new Error('a UnixFS message without a type')
  return {
    type: Number(type),
    data,
    fileSize: numbers.get(FIELD.fileSize),
    blockSizes,
    hashType: numbers.get(FIELD.hashType),
    fanout: numbers.get(FIELD.fanout)
  }
}

function readPacked(bytes: Uint8Array, into: bigint[], countMax: number): void {
  const reader = new ProtobufReader(bytes)
  while (!reader.done && into.length <= countMax) into.push(reader.varint())
}

class ProtobufReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#offset >= this.#bytes.length
  }

  /** Up to 64 bits. Protobuf allows longer forms than the shortest, so this does too. */
  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#offset]
      if (byte === undefined) throw new Error('a protobuf varint is cut off')
      this.#offset += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        if (value >= 1n << 64n) break
        return value
      }
    }
    throw new Error('a protobuf varint is longer than 64 bits')
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#take(this.varint())
  }

  skip(wire: number): void {
    if (wire === WIRE.bytes) this.bytes()
    else if (wire === WIRE.fixed64) this.#take(8n)
    else if (wire === WIRE.fixed32) this.#take(4n)
    else throw new Error(`protobuf wire type ${wire} is not one of UnixFS`)
  }

  #take(length: bigint): Uint8Array<ArrayBuffer> {
    if (length > BigInt(this.#bytes.length - this.#offset)) throw new Error('a protobuf field is cut off')
    const end = this.#offset + Number(length)
    const taken = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return taken as Uint8Array<ArrayBuffer>
  }
}
