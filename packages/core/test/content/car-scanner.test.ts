import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import {
  BLOCK_SIZE_BYTES_MAX,
  CAR_HEADER_SIZE_BYTES_MAX,
  type CarBlockPosition,
  createCarScanner,
  encodeCarHeader,
  encodeSection,
  encodeSectionPrefix,
  PLACEHOLDER_ROOT,
  SECTION_BODY_SIZE_BYTES_MAX
} from '../../src/content/index.ts'
import { encodeVarint } from '../../src/content/varint.ts'

const HEADER = encodeCarHeader([PLACEHOLDER_ROOT])

const concat = (...parts: Array<Uint8Array | number[]>) =>
  new Uint8Array(Buffer.concat(parts.map(part => Uint8Array.from(part))))

async function rawCid(bytes: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(bytes))
}

function scan(bytes: Uint8Array, cuts: readonly number[] = [bytes.length]) {
  const blocks: CarBlockPosition[] = []
  const scanner = createCarScanner({ onBlock: block => blocks.push(block) })
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, cuts[i % cuts.length] ?? 1)
    scanner.update(bytes.subarray(at, at + size))
    at += size
  }
  return { end: scanner.finish(), blocks }
}

const CAR = fc
  .array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  .map(async blocks => concat(HEADER, ...(await Promise.all(blocks.map(async b => encodeSection(await rawCid(b), b))))))

const CUTS = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 })

describe('createCarScanner', () => {
  it('finds every block where it was put, however the bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), CUTS, async (datas, cuts) => {
        const cids = await Promise.all(datas.map(rawCid))
        const car = concat(HEADER, ...datas.map((data, i) => encodeSection(cids[i]!, data)))
        const { end, blocks } = scan(car, cuts)
        expect(end).toMatchObject({ ok: true, blockCount: datas.length, sizeBytes: car.length })
        expect(blocks.map(({ cid }) => cid.toString())).toEqual(cids.map(String))
        for (const [i, { offset, length, sectionOffset, sectionLength }] of blocks.entries()) {
          expect(car.slice(offset, offset + length)).toEqual(datas[i])
          expect(car.slice(sectionOffset, sectionOffset + sectionLength)).toEqual(encodeSection(cids[i]!, datas[i]!))
        }
      })
    )
  })

  it('says the same of damaged bytes however they are cut, and never throws', async () => {
    const damage = fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }), keep: fc.nat() })
    await fc.assert(
      fc.asyncProperty(CAR, damage, CUTS, async (made, { at, xor, keep }, cuts) => {
        const car = Uint8Array.from(await made)
        car[at % car.length]! ^= xor
        const cut = car.subarray(0, car.length - (keep % 20))
        const whole = scan(cut)
        expect(scan(cut, cuts)).toEqual(whole)
        expect(scan(cut, [1])).toEqual(whole)
      }),
      { numRuns: 300 }
    )
  })

  it('survives bytes of any kind', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.uint8Array({ maxLength: 200 }).map(b => concat(HEADER, b))
    )
    fc.assert(
      fc.property(hostile, CUTS, (bytes, cuts) => {
        expect(scan(bytes, cuts)).toEqual(scan(bytes))
      }),
      { numRuns: 1000 }
    )
  })

  it('reads the roots of a header', async () => {
    const roots = [await rawCid(Uint8Array.of(1)), await rawCid(Uint8Array.of(2))]
    expect(scan(encodeCarHeader(roots)).end).toMatchObject({ ok: true, roots, blockCount: 0 })
  })

  it('takes CIDv0 and identity CIDs, and a block of the largest size', async () => {
    const v0 = CID.createV0(await sha256.digest(Uint8Array.of(7)))
    const inline = CID.createV1(raw.code, identity.digest(Uint8Array.of(1, 2)))
    const big = new Uint8Array(BLOCK_SIZE_BYTES_MAX)
    const car = concat(HEADER, encodeSection(v0, Uint8Array.of(7)), encodeSection(inline, Uint8Array.of(1, 2)))
    const { end, blocks } = scan(concat(car, encodeSection(await rawCid(big), big)), [1000])
    expect(end).toMatchObject({ ok: true, blockCount: 3 })
    expect(blocks.map(block => block.length)).toEqual([1, 2, BLOCK_SIZE_BYTES_MAX])
    expect(blocks[0]!.cid.toString()).toBe(v0.toString())
  })

  const faults: Array<[string, Uint8Array, string, number]> = [
    ['no bytes', new Uint8Array(0), 'truncated', 0],
    ['a header of no bytes', Uint8Array.of(0), 'bad-header', 0],
    ['a header that is announced too large', encodeVarint(CAR_HEADER_SIZE_BYTES_MAX + 1), 'header-too-large', 0],
    ['a header of 4 GiB', encodeVarint(2 ** 32), 'header-too-large', 0],
    ['a header that is not CBOR', Uint8Array.of(2, 0xff, 0xff), 'bad-header', 0],
    ['CARv2', concat([0x0a], dagCbor.encode({ version: 2 })), 'bad-header', 0],
    ['a header with a key too many', headerOf({ version: 1, roots: [], more: 1 }), 'bad-header', 0],
    ['a root that is not a CID', headerOf({ version: 1, roots: ['x'] }), 'bad-header', 0],
    ['a varint longer than its value needs', concat(HEADER, [0xa5, 0x00]), 'bad-varint', HEADER.length],
    ['a varint of ten bytes', concat(HEADER, new Array(10).fill(0x80)), 'bad-varint', HEADER.length],
    ['a section of 4 GiB', concat(HEADER, encodeVarint(2 ** 32)), 'section-too-large', HEADER.length],
    [
      'one byte above',
      concat(HEADER, encodeVarint(SECTION_BODY_SIZE_BYTES_MAX + 1)),
      'section-too-large',
      HEADER.length
    ],
    ['a section of no bytes', concat(HEADER, [0]), 'section-without-cid', HEADER.length],
    ['a section shorter than its CID', concat(HEADER, [4, 1, 0x55, 0x12, 0x20]), 'bad-cid', HEADER.length],
    ['CID version 2', concat(HEADER, [4, 2, 0x55, 0, 0]), 'bad-cid', HEADER.length],
    [
      'an identity digest of 129 bytes',
      concat(HEADER, [0x86, 1, 1, 0x55, 0, 0x81, 1], new Uint8Array(129)),
      'bad-cid',
      HEADER.length
    ],
    ['a codec varint not minimal', concat(HEADER, [5, 1, 0xd5, 0x00, 0, 0]), 'bad-cid', HEADER.length],
    ['an end in a section', concat(HEADER, [4, 1, 0x55]), 'truncated', HEADER.length],
    ['an end in a block', concat(HEADER, [5, 1, 0x55, 0, 0]), 'truncated', HEADER.length]
  ]
  it.each(faults)('finds %s', (_, bytes, reason, offset) => {
    expect(scan(bytes).end).toEqual({ ok: false, reason, offset })
    expect(scan(bytes, [1]).end).toEqual({ ok: false, reason, offset })
  })

  it('repeats its first fault and reports no block after it', async () => {
    const blocks: CarBlockPosition[] = []
    const scanner = createCarScanner({ onBlock: block => blocks.push(block) })
    const fault = { ok: false, reason: 'section-without-cid', offset: HEADER.length }
    expect(scanner.update(concat(HEADER, [0]))).toEqual(fault)
    expect(scanner.update(encodeSection(await rawCid(Uint8Array.of(1)), Uint8Array.of(1)))).toEqual(fault)
    expect(scanner.finish()).toEqual(fault)
    expect(blocks).toEqual([])
  })

  it('allocates nothing for what a varint only announces', () => {
    const announced = concat(HEADER, encodeVarint(SECTION_BODY_SIZE_BYTES_MAX))
    const before = process.memoryUsage().arrayBuffers
    const scanners = Array.from({ length: 500 }, () => {
      const scanner = createCarScanner({ onBlock: () => {} })
      scanner.update(announced)
      return scanner
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
    expect(scanners.every(scanner => !scanner.finish().ok)).toBe(true)
  })
})

describe('encodeSectionPrefix', () => {
  it('refuses a block that no reader takes', async () => {
    const cid = await rawCid(Uint8Array.of(1))
    expect(() => encodeSectionPrefix(cid, BLOCK_SIZE_BYTES_MAX + 1)).toThrow(RangeError)
  })
})

function headerOf(value: unknown): Uint8Array {
  const body = dagCbor.encode(value)
  return concat(encodeVarint(body.length), body)
}
