import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asRepairKey,
  formatReference,
  formatRepairReference,
  type ObjectReference,
  parseReference,
  parseRepairReference
} from '../../src/pieces/index.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { SECRET } from './private-objects.ts'

const REFERENCE: ObjectReference = { root: rootOf('object'), secret: SECRET, layout: 'distinct', pieceCount: 300 }
const REPAIR = { repairKey: asRepairKey(SECRET), layout: 'identical', pieceCount: 1 } as const
const TEXT = formatReference(REFERENCE)

describe('a reference', () => {
  it('is text that says all', () => {
    expect(TEXT).toMatch(/^hf1[a-z2-7]{118,124}$/)
    expect(parseReference(TEXT)).toEqual({ ok: true, reference: REFERENCE })
    expect(parseReference(` ${TEXT.toUpperCase()}\n`)).toEqual({ ok: true, reference: REFERENCE })
  })

  it('goes both ways', () => {
    const reference = fc.record({
      root: fc.string().map(rootOf),
      secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      layout: fc.constantFrom('distinct', 'identical'),
      pieceCount: fc.integer({ min: 1, max: 65_536 })
    })
    fc.assert(
      fc.property(reference, one => {
        expect(parseReference(formatReference(one))).toEqual({ ok: true, reference: one })
      })
    )
  })

  it('with any character changed, left out or added is refused', () => {
    const characters = 'abcdefghijklmnopqrstuvwxyz234567'
    const slip = fc.record({
      at: fc.integer({ min: 3, max: TEXT.length }),
      character: fc.constantFrom(...characters, ''),
      removed: fc.nat(2)
    })
    fc.assert(
      fc.property(slip, ({ at, character, removed }) => {
        const text = TEXT.slice(0, at) + character + TEXT.slice(at + removed)
        fc.pre(text !== TEXT)
        expect(parseReference(text)).toEqual({ ok: false, reason: 'checksum' })
      })
    )
  })

  it.each([
    ['nothing', '', 'not a reference'],
    ['a CID', 'bafkqaaa', 'not a reference'],
    ['a repair reference', formatRepairReference(REPAIR), 'other kind of reference'],
    ['its first letters', 'hf1', 'checksum'],
    ['text of other letters', `${TEXT.slice(0, 20)}0${TEXT.slice(21)}`, 'characters'],
    ['a book', `hf1${'a'.repeat(100_000)}`, 'checksum']
  ])('is not %s', (_, text, reason) => {
    expect(parseReference(text)).toEqual({ ok: false, reason })
  })

  it('of no pieces, or with a secret of another size, is none', () => {
    expect(() => formatReference({ ...REFERENCE, pieceCount: 0 })).toThrow(RangeError)
    expect(() => formatReference({ ...REFERENCE, secret: SECRET.subarray(1) })).toThrow(RangeError)
  })
})

describe('a repair reference', () => {
  it('says how to repair and not what', () => {
    const text = formatRepairReference(REPAIR)
    expect(text).toMatch(/^hfr1[a-z2-7]{60,64}$/)
    expect(parseRepairReference(text)).toEqual({ ok: true, reference: REPAIR })
    expect(parseRepairReference(TEXT)).toEqual({ ok: false, reason: 'other kind of reference' })
  })
})
