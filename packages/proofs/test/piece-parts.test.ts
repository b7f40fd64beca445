import { describe, expect, test } from 'vitest'
import { createPartHasher, expandFr32, joinParts, type PiecePart, rawCapacityOf } from '../src/index.ts'
import { hashPiece, nativeNodeHasher } from './pieces.ts'
import { assertProperty, fc } from './property.ts'
import { counterBytes } from './vectors.ts'

function hashPart(bytes: Uint8Array, cachedLayerHeight = 4): PiecePart {
  const hasher = createPartHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight })
  hasher.update(bytes)
  return hasher.finish()
}

const join = (parts: readonly PiecePart[]) => joinParts({ parts, nodeHasher: nativeNodeHasher })

describe('parts of a piece', () => {
  test('hashed apart in any order and joined are the piece', () => {
    const anySplit = fc.record({
      layerHeight: fc.integer({ min: 2, max: 9 }),
      // How many cached subtrees each part but the last has.
      subtrees: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
      lastSize: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 40_000 }))
    })
    assertProperty(
      fc.property(anySplit, ({ layerHeight, subtrees, lastSize }) => {
        const sizes = [...subtrees.map(count => count * rawCapacityOf(layerHeight)), lastSize]
        const bytes = counterBytes(sizes.reduce((sum, size) => sum + size, 0))
        let offset = 0
        const cuts = sizes.map(size => {
          offset += size
          return bytes.subarray(offset - size, offset)
        })
        const backwards = cuts.toReversed().map(cut => hashPart(cut, layerHeight))
        expect(join(backwards.toReversed())).toEqual(hashPiece(bytes, layerHeight))
      })
    )
  })

  test('survive the way between threads', () => {
    const parts = [hashPart(counterBytes(508)), hashPart(counterBytes(100))]
    expect(join(structuredClone(parts))).toEqual(join(parts))
  })

  test('one part is a piece', () => {
    expect(join([hashPart(counterBytes(100))])).toEqual(hashPiece(counterBytes(100), 4))
  })

  const whole = hashPart(counterBytes(508))
  const refused: [string, readonly PiecePart[]][] = [
    ['no parts', []],
    ['a part off the grid before the last', [hashPart(counterBytes(509)), whole]],
    ['an empty part before the last', [hashPart(new Uint8Array()), whole]],
    ['parts of different layers', [whole, hashPart(counterBytes(508), 3)]],
    ['a small part first', [hashPart(counterBytes(127)), whole]],
    ['a layer that is too short', [{ ...whole, layer: { ...whole.layer, nodes: new Uint8Array(31) } }]],
    ['a layer above its part', [{ rawSize: 127, layer: { height: 3, nodes: new Uint8Array(32) } }]],
    [
      'more than the largest piece',
      [{ rawSize: 1_065_353_216, layer: { height: 17, nodes: new Uint8Array(2 ** 13) } }, hashPart(counterBytes(1), 17)]
    ]
  ]
  test.each(refused)('refuses %s', (_, parts) => {
    expect(() => join(parts)).toThrow(RangeError)
  })

  test('refuses what are no parts', () => {
    expect(() => join('parts' as never)).toThrow(TypeError)
    expect(() => join([undefined as never])).toThrow(new TypeError('parts[0]: expected object, got undefined'))
    expect(() => join([{ rawSize: 5 } as never])).toThrow(TypeError)
  })
})

describe('quads that were expanded before', () => {
  test('are hashed as what they were', () => {
    const cut = { quads: fc.integer({ min: 0, max: 3000 }), rest: fc.integer({ min: 0, max: 300 }) }
    assertProperty(
      fc.property(fc.record({ ...cut, atOnce: fc.integer({ min: 1, max: 700 }) }), ({ quads, rest, atOnce }) => {
        const raw = counterBytes(quads * 127 + rest)
        const hasher = createPartHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight: 4 })
        for (let at = 0; at < quads; at += atOnce) {
          const part = raw.subarray(at * 127, Math.min(at + atOnce, quads) * 127)
          const expanded = new Uint8Array((part.length / 127) * 128)
          expandFr32(part, expanded)
          hasher.updateExpanded(expanded)
        }
        hasher.update(raw.subarray(quads * 127))
        expect(hasher.finish()).toEqual(hashPart(raw))
      })
    )
  })

  test('are taken whole, and behind whole ones', () => {
    const hasher = createPartHasher({ nodeHasher: nativeNodeHasher })
    expect(() => hasher.updateExpanded(new Uint8Array(127))).toThrow(RangeError)
    hasher.update(new Uint8Array(5))
    expect(() => hasher.updateExpanded(new Uint8Array(128))).toThrow(RangeError)
  })
})
