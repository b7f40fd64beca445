import { describe, expect, test } from 'vitest'
import { compactFr32, createCompactor, createExpander, expandFr32, type Fr32Stream, ProofError } from '../src/index.ts'
import { anyBytes, assertProperty, fc } from './property.ts'
import { expandByBits } from './reference.ts'
import { commitments, fromHex, toHex } from './vectors.ts'

const anyRaw = anyBytes(1300)

function expand(raw: Uint8Array, byteOffset = 0): Uint8Array {
  const size = Math.ceil(raw.length / 127) * 128
  const expanded = new Uint8Array(new ArrayBuffer(size + byteOffset), byteOffset)
  expandFr32(raw, expanded)
  return expanded
}

function compact(expanded: Uint8Array): Uint8Array {
  const raw = new Uint8Array((expanded.length / 128) * 127)
  compactFr32(expanded, raw)
  return raw
}

describe('expandFr32', () => {
  test.each(commitments.fr32)('vector $name', vector => {
    expect(toHex(expand(fromHex(vector.in)))).toBe(vector.out)
  })

  test('puts two zero bits behind every 254, wherever its target lies', () => {
    assertProperty(
      fc.property(anyRaw, fc.nat(3), fc.nat(3), (bytes, rawOffset, byteOffset) => {
        const raw = bytes.subarray(rawOffset)
        expect(expand(raw, byteOffset)).toEqual(expandByBits(raw))
      })
    )
  })

  test('works at any quad, without those before it', () => {
    assertProperty(
      fc.property(anyRaw, fc.nat(9), (raw, quad) => {
        expect(expand(raw.subarray(127 * quad))).toEqual(expand(raw).subarray(128 * quad))
      })
    )
  })

  test('leaves nothing of what stood in its target', () => {
    const expanded = new Uint8Array(256).fill(0xff)
    expandFr32(new Uint8Array(130), expanded)
    expect(expanded).toEqual(new Uint8Array(256))
  })

  test('refuses a target of another size', () => {
    expect(() => expandFr32(new Uint8Array(128), new Uint8Array(128))).toThrow(
      new RangeError('expanded: expected 256 bytes, got 128')
    )
    expect(() => expandFr32([1] as never, new Uint8Array(128))).toThrow(
      new TypeError('raw: expected Uint8Array, got Array')
    )
  })
})

describe('compactFr32', () => {
  test('is the inverse', () => {
    assertProperty(
      fc.property(anyRaw, raw => {
        expect(compact(expand(raw)).subarray(0, raw.length)).toEqual(raw)
      })
    )
  })

  test.each([31, 63, 95, 127, 159])('refuses a bit above a leaf, in byte %i', offset => {
    for (const bit of [0x40, 0x80]) {
      const expanded = new Uint8Array(256)
      expanded[offset] = bit
      expect(() => compact(expanded)).toThrow(expect.objectContaining({ code: 'NOT_FR32', details: { offset } }))
    }
  })

  test('refuses what is no whole number of quads', () => {
    expect(() => compactFr32(new Uint8Array(129), new Uint8Array(127))).toThrow(RangeError)
    expect(() => compactFr32(new Uint8Array(128), new Uint8Array(128))).toThrow(RangeError)
  })
})

/** Feeds a stream in chunks of the sizes given, over and over. */
function feed(stream: Fr32Stream, bytes: Uint8Array, chunkSizes: readonly number[]): Uint8Array {
  const out: Uint8Array[] = []
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const size = chunkSizes[i % chunkSizes.length]!
    out.push(stream.update(bytes.subarray(offset, offset + size)))
    offset += size
  }
  out.push(stream.finish())
  return new Uint8Array(Buffer.concat(out))
}

const anyChunks = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 })

describe('streams', () => {
  test('expand in chunks of any size as all at once, again and again', () => {
    const stream = createExpander()
    assertProperty(
      fc.property(anyRaw, anyChunks, (raw, chunks) => {
        expect(feed(stream, raw, chunks)).toEqual(expand(raw))
      })
    )
  })

  test('compact in chunks of any size, without the zeros at the end', () => {
    assertProperty(
      fc.property(anyRaw, anyChunks, (raw, chunks) => {
        const stream = createCompactor(raw.length)
        expect(feed(stream, expand(raw), chunks)).toEqual(raw)
        expect(feed(stream, expand(raw), chunks)).toEqual(raw)
      })
    )
  })

  test('say when a source ends early', () => {
    const stream = createCompactor(200)
    stream.update(new Uint8Array(255))
    expect(() => stream.finish()).toThrow(ProofError)
    stream.update(new Uint8Array(255))
    expect(() => stream.finish()).toThrow(
      expect.objectContaining({ code: 'SOURCE_TOO_SHORT', details: { offset: 0, expected: 200, got: 127 } })
    )
  })

  test('refuse what is not bytes', () => {
    expect(() => createExpander().update('x' as never)).toThrow(TypeError)
    expect(() => createCompactor(1).update('x' as never)).toThrow(TypeError)
    expect(() => createCompactor(-1)).toThrow(RangeError)
  })
})
