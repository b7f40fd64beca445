import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeVerdicts, encodeVerdicts, type Verdict } from '../../src/rounds/verdicts.ts'

const verdicts = fc.array(fc.constantFrom<Verdict>('no answer', 'pass', 'bad proof'), { maxLength: 40 })

describe('verdicts', () => {
  it('take two bits each, the first in the lowest', () => {
    expect(encodeVerdicts(['pass', 'bad proof', 'no answer', 'pass', 'bad proof'])).toEqual(
      Uint8Array.of(0b01_00_10_01, 0b10)
    )
    expect(encodeVerdicts([])).toEqual(new Uint8Array())
  })

  it('come back as they were', () => {
    fc.assert(
      fc.property(verdicts, list => {
        expect(decodeVerdicts(encodeVerdicts(list), list.length)).toEqual(list)
      })
    )
  })

  it('have one encoding: whatever decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), fc.nat(26), (bytes, count) => {
        const decoded = decodeVerdicts(bytes, count)
        if (decoded === undefined) return
        expect(decoded).toHaveLength(count)
        expect(encodeVerdicts(decoded)).toEqual(bytes)
      }),
      { numRuns: 1000 }
    )
  })

  it.each([
    ['a byte too few', [], 1],
    ['a byte too many', [1, 0], 4],
    ['the reserved value', [0b11], 1],
    ['a stray bit past the last verdict', [0b0100], 1]
  ])('are refused with %s', (_, bytes, count) => {
    expect(decodeVerdicts(Uint8Array.from(bytes), count)).toBeUndefined()
  })
})
