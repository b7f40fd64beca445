import { crc32 } from 'node:zlib'
import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'
import {
  areSpansRight,
  createSpanSummer,
  SPAN_SIZE_BYTES,
  spanCountOf,
  spansAround
} from '../../src/storage/span-checksums.ts'
import { randomBytes } from './open-test-store.ts'

function sumsOf(bytes: Uint8Array, chunkSizeBytes = bytes.length): Uint8Array {
  const summer = createSpanSummer()
  for (let at = 0; at < bytes.length; at += chunkSizeBytes) summer.update(bytes.subarray(at, at + chunkSizeBytes))
  return summer.finish()
}

it('are CRC-32 as everybody computes it, one for each subtree of the cached layer', () => {
  expect(SPAN_SIZE_BYTES).toBe(16_256)
  expect(Buffer.from(sumsOf(Buffer.from('123456789'))).toString('hex')).toBe('cbf43926')
  const bytes = randomBytes(1, SPAN_SIZE_BYTES + 10)
  const sums = Buffer.from(sumsOf(bytes))
  expect(sums.readUInt32BE(0)).toBe(crc32(bytes.subarray(0, SPAN_SIZE_BYTES)))
  expect(sums.readUInt32BE(4)).toBe(crc32(bytes.subarray(SPAN_SIZE_BYTES)))
  expect([0, 1, SPAN_SIZE_BYTES, SPAN_SIZE_BYTES + 1].map(spanCountOf)).toEqual([0, 1, 1, 2])
})

const SIZE = fc.integer({ min: 1, max: 4 * SPAN_SIZE_BYTES })

test.prop([SIZE, fc.integer({ min: 1, max: 2 * SPAN_SIZE_BYTES })], { numRuns: 30 })(
  'are the same however the bytes come',
  (sizeBytes, chunkSizeBytes) => {
    const bytes = randomBytes(sizeBytes, sizeBytes)
    const sums = sumsOf(bytes, chunkSizeBytes)
    expect(Buffer.compare(sums, sumsOf(bytes))).toBe(0)
    expect(sums).toHaveLength(4 * spanCountOf(sizeBytes))
  }
)

test.prop([SIZE, fc.nat(), fc.nat(), fc.nat(), fc.nat({ max: 7 })], { numRuns: 100 })(
  'show a flipped bit to whoever reads its span, and to nobody else',
  (sizeBytes, from, to, flipped, bit) => {
    const bytes = randomBytes(sizeBytes, sizeBytes)
    const sums = sumsOf(bytes)
    const offset = from % sizeBytes
    const end = offset + 1 + (to % (sizeBytes - offset))
    const spans = spansAround(offset, end, sizeBytes)
    expect(spans.offset <= offset && spans.offset + spans.sizeBytes >= end).toBe(true)
    const at = flipped % sizeBytes
    bytes[at]! ^= 1 << bit
    const read = bytes.subarray(spans.offset, spans.offset + spans.sizeBytes)
    const isRead = at >= spans.offset && at < spans.offset + spans.sizeBytes
    expect(areSpansRight(read, spans.first, sums)).toBe(!isRead)
  }
)

it('agree with nothing where the piece has no such span', () => {
  const bytes = randomBytes(1, 2 * SPAN_SIZE_BYTES)
  const sums = sumsOf(bytes)
  expect(areSpansRight(bytes, 0, sums)).toBe(true)
  expect(areSpansRight(bytes, 1, sums)).toBe(false)
  expect(areSpansRight(bytes, 0, sums.subarray(0, 4))).toBe(false)
})
