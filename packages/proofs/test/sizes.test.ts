import { describe, expect, test } from 'vitest'
import {
  expandedSizeOf,
  HEIGHT_MAX,
  HEIGHT_MIN,
  heightOf,
  LEAF_SIZE_BYTES,
  LEAVES_PER_QUAD,
  leafCountOf,
  PIECE_SIZE_BYTES_MAX,
  paddedSizeOf,
  paddingOf,
  QUAD_PADDED_SIZE_BYTES,
  QUAD_RAW_SIZE_BYTES,
  quadCountOf,
  rawCapacityOf
} from '../src/index.ts'
import { assertProperty, fc } from './property.ts'
import { sizesOf } from './reference.ts'
import { commitments } from './vectors.ts'

const anyRawSize = fc.oneof(
  fc.nat(2000),
  fc.maxSafeNat(),
  // Around full trees, where a height begins.
  fc
    .tuple(fc.integer({ min: 2, max: 47 }), fc.integer({ min: -2, max: 2 }))
    .map(([height, off]) => 127 * 2 ** (height - 2) + off)
)

test('constants belong together', () => {
  expect(QUAD_PADDED_SIZE_BYTES).toBe(LEAVES_PER_QUAD * LEAF_SIZE_BYTES)
  expect(QUAD_RAW_SIZE_BYTES * 8).toBe(LEAVES_PER_QUAD * 254)
  expect(rawCapacityOf(HEIGHT_MIN)).toBe(QUAD_RAW_SIZE_BYTES)
  expect(paddedSizeOf(PIECE_SIZE_BYTES_MAX)).toBe(2 ** 30)
  expect(paddingOf(PIECE_SIZE_BYTES_MAX)).toBe(0)
})

test('sizes are those of the vectors', () => {
  for (const vector of commitments.vectors) {
    expect(heightOf(vector.rawSize)).toBe(vector.height)
    expect(paddedSizeOf(vector.rawSize)).toBe(vector.paddedSize)
    expect(paddingOf(vector.rawSize)).toBe(vector.padding)
    expect(leafCountOf(vector.rawSize)).toBe(vector.leafCount)
  }
})

test('sizes are exact up to 2^53 − 1', () => {
  assertProperty(
    fc.property(anyRawSize, rawSize => {
      const expected = sizesOf(BigInt(rawSize))
      expect(BigInt(heightOf(rawSize))).toBe(expected.height)
      expect(BigInt(paddingOf(rawSize))).toBe(expected.padding)
      expect(BigInt(leafCountOf(rawSize))).toBe(expected.leafCount)
      expect(BigInt(quadCountOf(rawSize))).toBe((BigInt(rawSize) + 126n) / 127n)
    }),
    { examples: [[Number.MAX_SAFE_INTEGER], [0], [1], [127], [128]] }
  )
})

test('the expanded size is that of the quads', () => {
  expect([0, 1, 127, 128, 254].map(expandedSizeOf)).toEqual([0, 128, 128, 256, 256])
})

describe('refuses what is no size', () => {
  test.each([quadCountOf, leafCountOf, heightOf, expandedSizeOf, paddedSizeOf, paddingOf])('%o', conversion => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => conversion(value)).toThrow(RangeError)
    expect(() => conversion('5' as never)).toThrow(new TypeError('rawSize: expected number, got string'))
  })

  test('rawCapacityOf', () => {
    expect(() => rawCapacityOf(HEIGHT_MIN - 1)).toThrow(RangeError)
    expect(() => rawCapacityOf(HEIGHT_MAX + 1)).toThrow(RangeError)
  })
})
