/**
 * Finds the blocks of a foreign CARv1 while its bytes stream by.
 *
 * Holds the header or the front of one section, never a block, whatever lengths the bytes announce: every bound is
 * checked on the varint, before anything is kept. Knows positions only: does not check that a block is what its CID
 * says, nor that the CIDs are of a kind anyone can read (see `checkBlock`).
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import {
  BLOCK_SIZE_BYTES_MAX,
  CAR_HEADER_SIZE_BYTES_MAX,
  CID_SIZE_BYTES_MAX,
  DIGEST_SIZE_BYTES_MAX,
  SECTION_BODY_SIZE_BYTES_MAX
} from './car.ts'
import { decodeVarint, VARINT_SIZE_BYTES_MAX } from './varint.ts'

export interface CarBlockPosition {
  readonly cid: CID
  /** Where the block's data begins in the CAR. */
  readonly offset: number
  /** Bytes of data. */
  readonly length: number
  /** Where the section begins: at its length varint. */
  readonly sectionOffset: number
  readonly sectionLength: number
}

export type CarFaultReason =
  | 'bad-varint'
  | 'bad-header'
  | 'header-too-large'
  | 'section-too-large'
  | 'section-without-cid'
  | 'bad-cid'
  | 'truncated'

/** `offset` says where in the CAR the header or section begins that is at fault. */
export type CarVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: CarFaultReason; readonly offset: number }

export interface CarSummary {
  readonly ok: true
  readonly roots: readonly CID[]
  readonly blockCount: number
  readonly sizeBytes: number
}

export interface CarScanner {
  /** The block whose data is under way: its front has come whole, its end has not. */
  readonly pending: CarBlockPosition | undefined
  /** Takes the next bytes, in chunks of any size. The first fault is final: later calls repeat it. */
  update(bytes: Uint8Array): CarVerdict
  /** Says that the CAR has ended; `truncated` in the middle of a header or section. */
  finish(): CarSummary | Exclude<CarVerdict, { ok: true }>
}

const OK: CarVerdict = { ok: true }

/**
 * What is kept of a section: its varint and CID. So many bytes of data can have come before a block is `pending`.
 */
export const SECTION_FRONT_SIZE_BYTES_MAX = VARINT_SIZE_BYTES_MAX + CID_SIZE_BYTES_MAX

/**
 * @param onBlock - called once a section is complete, in order. What it throws comes out of `update`
 */
export function createCarScanner({ onBlock }: { readonly onBlock: (block: CarBlockPosition) => void }): CarScanner {
  return new PushScanner(onBlock)
}

class PushScanner implements CarScanner {
  readonly #onBlock: (block: CarBlockPosition) => void
  /** The front of the frame (header or section) at `#frameOffset`, as far as it came. */
  #front = new Uint8Array(SECTION_FRONT_SIZE_BYTES_MAX)
  #frontSize = 0
  #frameOffset = 0
  /** Data bytes of the current block that are still to come. */
  #skip = 0
  #pending: CarBlockPosition | undefined
  #roots: readonly CID[] | undefined
  #blockCount = 0
  #fault: Exclude<CarVerdict, { ok: true }> | undefined

  constructor(onBlock: (block: CarBlockPosition) => void) {
    this.#onBlock = onBlock
  }

  get pending(): CarBlockPosition | undefined {
    return this.#pending
  }

  update(bytes: Uint8Array): CarVerdict {
    for (let at = 0; at < bytes.length && this.#fault === undefined; ) {
      at += this.#skip > 0 ? this.#skipData(bytes.length - at) : this.#takeFront(bytes, at)
    }
    return this.#fault ?? OK
  }

  finish(): CarSummary | Exclude<CarVerdict, { ok: true }> {
    if (
      this.#fault === undefined &&
      (this.#frontSize > 0 || this.#pending !== undefined || this.#roots === undefined)
    ) {
      this.#fail('truncated')
    }
    return this.#fault ?? { ok: true, roots: this.#roots!, blockCount: this.#blockCount, sizeBytes: this.#frameOffset }
  }

  #skipData(available: number): number {
    const size = Math.min(this.#skip, available)
    this.#skip -= size
    if (this.#skip === 0) this.#emit()
    return size
  }

  #emit(): void {
    const block = this.#pending!
    this.#pending = undefined
    this.#frameOffset = block.sectionOffset + block.sectionLength
    this.#blockCount += 1
    this.#onBlock(block)
  }

  /** Takes one byte of a front at a time until its length is known, then as many as the front lacks. */
  #takeFront(bytes: Uint8Array, at: number): number {
    const length = decodeVarint(this.#front.subarray(0, this.#frontSize))
    const wanted = length.ok ? this.#frontSizeFor(length) - this.#frontSize : 1
    const part = bytes.subarray(at, at + wanted)
    this.#front.set(part, this.#frontSize)
    this.#frontSize += part.length
    this.#parseFront()
    return part.length
  }

  #frontSizeFor({ value, size }: { readonly value: number; readonly size: number }): number {
    return size + (this.#roots === undefined ? value : Math.min(value, CID_SIZE_BYTES_MAX))
  }

  #parseFront(): void {
    const length = decodeVarint(this.#front.subarray(0, this.#frontSize))
    if (!length.ok) {
      if (length.reason !== 'incomplete' || this.#frontSize >= VARINT_SIZE_BYTES_MAX) this.#fail('bad-varint')
      return
    }
    if (this.#frontSize === length.size && !this.#admit(length.value, length.size)) return
    if (this.#frontSize < this.#frontSizeFor(length)) return
    if (this.#roots === undefined) this.#parseHeader(length.size)
    else this.#parseSection(length.size, length.value)
  }

  /** Checks an announced length, and makes room for a header. */
  #admit(value: number, size: number): boolean {
    if (this.#roots !== undefined) {
      if (value > SECTION_BODY_SIZE_BYTES_MAX) return this.#fail('section-too-large')
      if (value === 0) return this.#fail('section-without-cid')
      return true
    }
    if (value > CAR_HEADER_SIZE_BYTES_MAX) return this.#fail('header-too-large')
    if (value === 0) return this.#fail('bad-header')
    if (size + value > this.#front.length) {
      const front = new Uint8Array(size + value)
      front.set(this.#front.subarray(0, size))
      this.#front = front
    }
    return true
  }

  #parseHeader(varintSize: number): void {
    const roots = decodeHeader(this.#front.subarray(varintSize, this.#frontSize))
    if (roots === undefined) {
      this.#fail('bad-header')
      return
    }
    this.#roots = roots
    this.#frameOffset = this.#frontSize
    this.#frontSize = 0
    this.#front = new Uint8Array(SECTION_FRONT_SIZE_BYTES_MAX)
  }

  #parseSection(varintSize: number, bodySize: number): void {
    const cid = decodeCidAt(this.#front.subarray(varintSize, this.#frontSize))
    if (cid === undefined) {
      this.#fail('bad-cid')
      return
    }
    const length = bodySize - cid.byteLength
    if (length > BLOCK_SIZE_BYTES_MAX) {
      this.#fail('section-too-large')
      return
    }
    const sectionOffset = this.#frameOffset
    const frontOfData = this.#frontSize - varintSize - cid.byteLength
    this.#pending = {
      cid,
      offset: sectionOffset + varintSize + cid.byteLength,
      length,
      sectionOffset,
      sectionLength: varintSize + bodySize
    }
    this.#frontSize = 0
    this.#skip = length - frontOfData
    if (this.#skip === 0) this.#emit()
  }

  #fail(reason: CarFaultReason): false {
    this.#fault = { ok: false, reason, offset: this.#frameOffset }
    return false
  }
}

function decodeHeader(bytes: Uint8Array): readonly CID[] | undefined {
  try {
    const header = dagCbor.decode<unknown>(bytes)
    if (typeof header !== 'object' || header === null) return undefined
    const { version, roots, ...rest } = header as Record<string, unknown>
    if (version !== 1 || !Array.isArray(roots) || Object.keys(rest).length > 0) return undefined
    return roots.every(root => CID.asCID(root) !== null) ? (roots as CID[]) : undefined
  } catch {
    return undefined
  }
}

/** The CID at the front of `bytes`, its own copy; `undefined` unless every varint is minimal and the digest bounded. */
function decodeCidAt(bytes: Uint8Array): CID | undefined {
  const isV0 = bytes[0] === 0x12 && bytes[1] === 0x20
  let offset = 0
  const fields = isV0 ? 2 : 4
  let field = 0
  for (let i = 0; i < fields; i++) {
    const varint = decodeVarint(bytes, offset)
    if (!varint.ok || (i === 0 && !isV0 && varint.value !== 1)) return undefined
    offset += varint.size
    field = varint.value
  }
  const size = offset + field
  if (field > DIGEST_SIZE_BYTES_MAX || size > bytes.length) return undefined
  try {
    return CID.decode(bytes.slice(0, size))
  } catch {
    return undefined
  }
}
