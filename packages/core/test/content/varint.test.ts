import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeVarint, encodeVarint } from '../../src/content/varint.ts'

describe('varint', () => {
  it('decodes what it encodes, at any offset, and reports the size', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(5), (value, offset) => {
        const bytes = encodeVarint(value)
        const placed = Uint8Array.from([...new Uint8Array(offset), ...bytes, 0xff])
        expect(decodeVarint(placed, offset)).toEqual({ ok: true, value, size: bytes.length })
      })
    )
  })

  it('re-encodes every accepted input to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), bytes => {
        const verdict = decodeVarint(bytes)
        if (verdict.ok) expect(encodeVarint(verdict.value)).toEqual(bytes.slice(0, verdict.size))
      })
    )
  })

  it.each([
    [[], 'incomplete'],
    [[0x80], 'incomplete'],
    [[0x80, 0x00], 'not-minimal'],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 'too-large'],
    [[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 'too-large']
  ])('refuses %j: %s', (bytes, reason) => {
    expect(decodeVarint(Uint8Array.from(bytes))).toEqual({ ok: false, reason })
  })

  it('encodes nothing but integers that a number holds exactly', () => {
    for (const value of [-1, 1.5, 2 ** 53, Number.NaN]) expect(() => encodeVarint(value)).toThrow(RangeError)
  })
})
