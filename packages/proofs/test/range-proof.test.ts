import { describe, expect, test } from 'vitest'
import {
  enclosingQuads,
  expandFr32,
  leafCountOf,
  leafRangeOf,
  PIECE_SIZE_BYTES_MAX,
  proveLeafRange,
  proveLeaves,
  proveRange,
  type RangeClaim,
  rangeProofSizeBytes,
  verifyLeafRange,
  verifyRange
} from '../src/index.ts'
import { nativeNodeHasher, nodeHashers, pieceOf, pieceOfSize } from './pieces.ts'
import { bitFlips, resizings } from './proof-mutations.ts'
import { assertProperty, fc } from './property.ts'
import { toHex } from './vectors.ts'

const anyPieceAndRange = fc
  .record({ rawSize: fc.integer({ min: 1, max: 20_000 }), layerHeight: fc.integer({ min: 2, max: 9 }) })
  .chain(piece =>
    fc.record({
      piece: fc.constant(piece),
      offset: fc.nat(piece.rawSize - 1),
      length: fc.oneof(fc.nat(300), fc.nat(20_000))
    })
  )
  .map(({ piece, offset, length }) => ({
    ...piece,
    range: { offset, size: Math.max(1, Math.min(length, piece.rawSize - offset)) }
  }))

function leavesOf(bytes: Uint8Array): Uint8Array {
  const expanded = new Uint8Array(Math.ceil(bytes.length / 127) * 128)
  expandFr32(bytes, expanded)
  return expanded
}

describe('ranges', () => {
  test('lie in the quads around them', () => {
    expect(enclosingQuads({ offset: 127, size: 127 }, 1000)).toEqual({ offset: 127, size: 127 })
    expect(enclosingQuads({ offset: 126, size: 2 }, 1000)).toEqual({ offset: 0, size: 254 })
    expect(enclosingQuads({ offset: 990, size: 1 }, 1000)).toEqual({ offset: 889, size: 111 })
    expect(leafRangeOf({ offset: 130, size: 1 }, 1000)).toEqual({ start: 4, end: 8 })
    expect(leafRangeOf({ offset: 990, size: 10 }, 1000)).toEqual({ start: 28, end: 32 })
    expect(leafRangeOf({ offset: 0, size: 1 }, 32)).toEqual({ start: 0, end: 2 })
  })

  test.each([
    { offset: 0, size: 0 },
    { offset: 0, size: 1001 },
    { offset: 1000, size: 1 },
    { offset: -1, size: 5 },
    { offset: 1, size: 0.5 }
  ])('$offset + $size is none of 1000 bytes', range => {
    expect(() => enclosingQuads(range, 1000)).toThrow(RangeError)
    expect(() => leafRangeOf(range, 1000)).toThrow(RangeError)
  })

  test('are objects', () => {
    expect(() => enclosingQuads(undefined as never, 1000)).toThrow(
      new TypeError('range: expected object, got undefined')
    )
    expect(() => rangeProofSizeBytes({ rawSize: 1000, range: null as never })).toThrow(TypeError)
    expect(() => rangeProofSizeBytes({ rawSize: 1000, range: { start: 5, end: 5 } })).toThrow(RangeError)
    expect(() => rangeProofSizeBytes({ rawSize: 1000, range: { start: 5, end: 33 } })).toThrow(RangeError)
  })
})

describe('any range of any piece', () => {
  test('is proved, raw and by its leaves', async () => {
    await assertProperty(
      fc.asyncProperty(anyPieceAndRange, async ({ rawSize, layerHeight, range }) => {
        const { source, digest, bytes } = pieceOfSize(rawSize, layerHeight)
        const nodes = await proveRange({ ...source, range })
        const quads = enclosingQuads(range, rawSize)
        const raw = bytes.subarray(quads.offset, quads.offset + quads.size)
        const leafRange = leafRangeOf(range, rawSize)
        const leaves = leavesOf(raw).subarray(0, (leafRange.end - leafRange.start) * 32)
        expect(nodes).toHaveLength(rangeProofSizeBytes({ rawSize, range: leafRange }))
        for (const nodeHasher of nodeHashers) {
          const claim = { commitment: digest, nodes, nodeHasher }
          expect(verifyRange({ ...claim, range, bytes: raw })).toEqual({ ok: true })
          expect(verifyLeafRange({ ...claim, range: leafRange, leaves })).toEqual({ ok: true })
        }
      }),
      { numRuns: 60 }
    )
  })

  test('is proved as the multi-proof of its leaves, quads or not', async () => {
    await assertProperty(
      fc.asyncProperty(fc.integer({ min: 1, max: 9000 }), fc.nat(), fc.nat(40), async (rawSize, at, length) => {
        const { source } = pieceOfSize(rawSize, 3)
        const start = at % leafCountOf(rawSize)
        const end = Math.min(start + 1 + length, leafCountOf(rawSize))
        const leafIndices = Array.from({ length: end - start }, (_, i) => start + i)
        const { nodes } = await proveLeaves({ ...source, leafIndices })
        expect(toHex(await proveLeafRange({ ...source, range: { start, end } }))).toBe(toHex(nodes))
      }),
      { numRuns: 40 }
    )
  })
})

describe('a valid proof', async () => {
  const range = { offset: 500, size: 400 }
  const { source, digest, bytes } = pieceOfSize(5000, 3)
  const quads = enclosingQuads(range, 5000)
  const raw = bytes.subarray(quads.offset, quads.offset + quads.size)
  const nodes = await proveRange({ ...source, range })
  const verify = (spoiled: Partial<RangeClaim>) =>
    verifyRange({ commitment: digest, range, bytes: raw, nodes, nodeHasher: nativeNodeHasher, ...spoiled })
  const wrongRoot = { ok: false, reason: 'wrong-root' }

  test('is taken', () => {
    expect(verify({})).toEqual({ ok: true })
  })

  test('is refused with any bit changed', () => {
    for (const spoiled of bitFlips(raw)) expect(verify({ bytes: spoiled })).toEqual(wrongRoot)
    for (const spoiled of bitFlips(nodes)) expect(verify({ nodes: spoiled })).toEqual(wrongRoot)
    for (const root of bitFlips(digest.root)) expect(verify({ commitment: { ...digest, root } })).toEqual(wrongRoot)
  })

  test('is refused at any other size', () => {
    for (const spoiled of resizings(raw))
      expect(verify({ bytes: spoiled })).toEqual({ ok: false, reason: 'wrong-data-size' })
    for (const spoiled of resizings(nodes))
      expect(verify({ nodes: spoiled })).toEqual({ ok: false, reason: 'wrong-node-count' })
  })

  test('is refused at any other place', () => {
    for (let offset = 500 % 127; offset + range.size <= 5000; offset += 127)
      if (offset !== range.offset) expect(verify({ range: { offset, size: range.size } }).ok).toBe(false)
  })

  test('is refused, not thrown at, when it is none', () => {
    for (const foreign of [undefined, null, 5, 'bytes', [], {}]) {
      expect(verify({ bytes: foreign as never })).toEqual({ ok: false, reason: 'malformed' })
      expect(verify({ nodes: foreign as never })).toEqual({ ok: false, reason: 'malformed' })
    }
    const leafClaim = { commitment: digest, range: { start: 0, end: 1 }, nodes, nodeHasher: nativeNodeHasher }
    expect(verifyLeafRange({ ...leafClaim, leaves: 5 as never })).toEqual({ ok: false, reason: 'malformed' })
    expect(verifyLeafRange({ ...leafClaim, leaves: new Uint8Array(33) })).toEqual({
      ok: false,
      reason: 'wrong-data-size'
    })
  })

  test('is not weighed for a range, a root or a size that the verifier cannot mean', () => {
    expect(() => verify({ range: { offset: 4900, size: 200 } })).toThrow(RangeError)
    expect(() => verify({ commitment: { ...digest, root: new Uint8Array(1) } })).toThrow(RangeError)
    expect(() => verify({ commitment: 5 as never })).toThrow(new TypeError('commitment: expected object, got number 5'))
  })
})

test('1 MiB of the largest piece costs less than 1 % beside its bytes', () => {
  for (let offset = 0; offset < 2 ** 29; offset += 7_654_321) {
    const range = leafRangeOf({ offset, size: 2 ** 20 }, PIECE_SIZE_BYTES_MAX)
    expect(rangeProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, range })).toBeLessThan(2 ** 20 / 100)
  }
})

test('the whole piece needs no node', async () => {
  const { source, digest, bytes } = pieceOf(pieceOfSize(3000).bytes, 4)
  const range = { offset: 0, size: 3000 }
  const nodes = await proveRange({ ...source, range })
  expect(nodes).toHaveLength(0)
  expect(verifyRange({ commitment: digest, range, bytes, nodes, nodeHasher: nativeNodeHasher })).toEqual({ ok: true })
})
