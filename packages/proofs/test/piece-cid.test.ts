import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import {
  decodePieceCid,
  decodePieceCidV1,
  encodePieceCid,
  encodePieceCidV1,
  heightOf,
  type PieceCidReason,
  parsePieceCid
} from '../src/index.ts'
import { assertProperty, fc } from './property.ts'
import { commitments, counterBytes, fromHex, toHex } from './vectors.ts'

const root = counterBytes(32)
const rootHex = toHex(root)
/** A CID of these parts, each in hex. */
const cidOf = (...parts: string[]) => fromHex(parts.join(''))

describe('PieceCIDv2', () => {
  test('is that of the vectors, both ways', () => {
    for (const vector of commitments.vectors) {
      const commitment = { root: fromHex(vector.root), rawSize: vector.rawSize, height: vector.height }
      const cid = encodePieceCid(commitment)
      expect(toHex(cid.bytes)).toBe(vector.pieceCidV2Hex)
      expect(cid.toString()).toBe(vector.pieceCidV2)
      expect(decodePieceCid(cid)).toEqual({ ok: true, commitment })
      expect(decodePieceCid(fromHex(vector.pieceCidV2Hex))).toEqual({ ok: true, commitment })
      expect(parsePieceCid(vector.pieceCidV2)).toEqual({ ok: true, commitment })
    }
  })

  test('round-trips any size and root', () => {
    assertProperty(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (rawSize, anyRoot) => {
        const commitment = { root: anyRoot, rawSize, height: heightOf(rawSize) }
        expect(decodePieceCid(encodePieceCid(commitment))).toEqual({ ok: true, commitment })
      })
    )
  })

  const refused: [string, Uint8Array, PieceCidReason][] = [
    ['nothing', new Uint8Array(), 'not-a-piece-cid'],
    ['a CID of dag-pb', cidOf('0170', '9120', '22', '00', '02', rootHex), 'not-a-piece-cid'],
    ['a CID of sha2-256', cidOf('0155', '1220', rootHex), 'not-a-piece-cid'],
    ['a prefix alone', cidOf('0155', '9120'), 'wrong-length'],
    ['a digest without padding', cidOf('0155', '9120', '21', '02', rootHex), 'wrong-length'],
    ['a byte too many', cidOf('0155', '9120', '22', '00', '02', rootHex, '00'), 'wrong-length'],
    ['a byte too few', cidOf('0155', '9120', '22', '00', '02', rootHex.slice(2)), 'wrong-length'],
    ['a length that stops short', cidOf('0155', '9120', '22', '8001', '03', rootHex), 'wrong-length'],
    ['a length in two bytes', cidOf('0155', '9120', 'a200', '00', '02', rootHex), 'wrong-length'],
    ['padding that does not end', cidOf('0155', '9120', '22', '80', '02', rootHex), 'wrong-length'],
    ['padding that ends early', cidOf('0155', '9120', '23', '0100', '02', rootHex), 'wrong-length'],
    ['padding of eleven bytes', cidOf('0155', '9120', '2c', `${'80'.repeat(10)}01`, '02', rootHex), 'wrong-length'],
    ['padding with an idle byte', cidOf('0155', '9120', '23', '8000', '02', rootHex), 'varint-not-minimal'],
    ['height 1', cidOf('0155', '9120', '22', '00', '01', rootHex), 'height-out-of-range'],
    ['height 51', cidOf('0155', '9120', '22', '00', '33', rootHex), 'height-out-of-range'],
    ['more padding than tree', cidOf('0155', '9120', '23', '8001', '02', rootHex), 'padding-not-canonical'],
    [
      'padding that a smaller tree would not need',
      cidOf('0155', '9120', '22', '7f', '03', rootHex),
      'padding-not-canonical'
    ],
    ['2^53 bytes and more', cidOf('0155', '9120', '22', '00', '32', rootHex), 'size-out-of-range']
  ]
  test.each(refused)('refuses %s', (_, bytes, reason) => {
    expect(decodePieceCid(bytes)).toEqual({ ok: false, reason })
  })

  test('takes the last byte of padding before a smaller tree would do', () => {
    expect(decodePieceCid(cidOf('0155', '9120', '22', '7e', '03', rootHex))).toMatchObject({
      ok: true,
      commitment: { rawSize: 128, height: 3 }
    })
  })

  test('refuses what is no CID at all', () => {
    for (const value of [undefined, null, 5, 'bafkzci', {}, [1, 0x55]])
      expect(decodePieceCid(value as never)).toEqual({ ok: false, reason: 'not-a-cid' })
  })

  test('refuses a v1 CID, and a v1 reader refuses v2', () => {
    expect(decodePieceCid(encodePieceCidV1(root))).toEqual({ ok: false, reason: 'not-a-piece-cid' })
    expect(decodePieceCidV1(encodePieceCid({ root, rawSize: 5 }))).toEqual({ ok: false, reason: 'not-a-piece-cid' })
  })

  test('decodes a copy: the caller may write to its bytes afterwards', () => {
    const bytes = encodePieceCid({ root, rawSize: 5 }).bytes.slice()
    const verdict = decodePieceCid(bytes)
    bytes.fill(0)
    expect(verdict).toMatchObject({ commitment: { root } })
  })

  test('refuses a root or a size that is none', () => {
    expect(() => encodePieceCid({ root: root.subarray(1), rawSize: 5 })).toThrow(
      new RangeError('root: expected 32 bytes, got 31')
    )
    expect(() => encodePieceCid({ root, rawSize: -1 })).toThrow(RangeError)
    expect(() => encodePieceCidV1(rootHex as never)).toThrow(TypeError)
  })
})

describe('text', () => {
  const text = encodePieceCid({ root, rawSize: 1000 }).toString()

  test.each([
    ['upper case', text.toUpperCase()],
    ['another base', `z${text.slice(1)}`],
    ['no base', text.slice(1)],
    ['padding characters', `${text}=`],
    ['a space', `${text} `],
    ['bits behind the last byte', `${text.slice(0, -1)}${text.endsWith('b') ? 'd' : 'b'}`],
    ['a megabyte', 'b'.repeat(1_000_000)],
    ['nothing', '']
  ])('refuses %s', (_, foreign) => {
    expect(parsePieceCid(foreign).ok && parsePieceCid(foreign)).toBe(false)
  })

  test('refuses what is no text', () => {
    expect(parsePieceCid(5 as never)).toEqual({ ok: false, reason: 'not-a-cid' })
  })
})

describe('PieceCIDv1', () => {
  test('is that of the vectors, both ways', () => {
    for (const vector of commitments.vectors) {
      const cid = encodePieceCidV1(fromHex(vector.root))
      expect(cid.toString()).toBe(vector.pieceCidV1)
      expect(decodePieceCidV1(CID.parse(vector.pieceCidV1))).toEqual({ ok: true, root: fromHex(vector.root) })
    }
  })

  test('is refused with another length, prefix or type', () => {
    const { bytes } = encodePieceCidV1(root)
    expect(decodePieceCidV1(bytes.subarray(0, -1))).toEqual({ ok: false, reason: 'wrong-length' })
    expect(decodePieceCidV1(Uint8Array.of(...bytes, 0))).toEqual({ ok: false, reason: 'wrong-length' })
    expect(decodePieceCidV1(bytes.subarray(1))).toEqual({ ok: false, reason: 'not-a-piece-cid' })
    expect(decodePieceCidV1('baga' as never)).toEqual({ ok: false, reason: 'not-a-cid' })
  })
})
