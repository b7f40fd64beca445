import { beforeAll, describe, expect, test } from 'vitest'
import {
  CACHED_LAYER_HEIGHT,
  CACHED_LAYER_HEIGHT_MAX,
  createPieceHasher,
  encodePieceCidV1,
  LEAF_SIZE_BYTES,
  leafCountOf,
  PIECE_SIZE_BYTES_MAX,
  type PieceDigest,
  zeroNode
} from '../src/index.ts'
import { hashPiece, nativeNodeHasher, nodeHashers } from './pieces.ts'
import { assertProperty, fc } from './property.ts'
import { wholeTree } from './reference.ts'
import { commitments, counterBytes, generate, toHex } from './vectors.ts'

describe('commitments of other implementations', () => {
  beforeAll(() => {
    counterBytes(Math.max(...commitments.vectors.map(vector => vector.rawSize)))
  })

  test.each(commitments.vectors)('$generator of $rawSize bytes', vector => {
    const digest = hashPiece(generate(vector.generator, vector.rawSize))
    expect(toHex(digest.root)).toBe(vector.root)
    expect(digest.height).toBe(vector.height)
    expect(digest.cid.toString()).toBe(vector.pieceCidV2)
    expect(encodePieceCidV1(digest.root).toString()).toBe(vector.pieceCidV1)
  })
})

const anyRawSize = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 40_000 }))
const anyLayerHeight = fc.integer({ min: 2, max: CACHED_LAYER_HEIGHT_MAX })

function hashInChunks(bytes: Uint8Array, chunkSizes: readonly number[], cachedLayerHeight: number): PieceDigest {
  const hasher = createPieceHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight })
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const size = chunkSizes[i % chunkSizes.length]!
    hasher.update(bytes.subarray(offset, offset + size))
    offset += size
  }
  return hasher.digest()
}

describe('any piece', () => {
  test('has the root and the layer of its whole tree', () => {
    assertProperty(
      fc.property(anyRawSize, anyLayerHeight, (rawSize, layerHeight) => {
        const tree = wholeTree(counterBytes(rawSize))
        const { root, height, layer } = hashPiece(counterBytes(rawSize), layerHeight)
        expect(height).toBe(tree.length - 1)
        expect(root).toEqual(tree[height]![0])
        expect(layer.height).toBe(Math.min(layerHeight, height))
        const nodeCount = Math.ceil(leafCountOf(rawSize) / 2 ** layer.height)
        expect(layer.nodes).toEqual(new Uint8Array(Buffer.concat(tree[layer.height]!.slice(0, nodeCount))))
      }),
      { numRuns: 60 }
    )
  })

  test('has one digest, in chunks of any size and with either hasher', () => {
    const anyChunks = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 6 })
    assertProperty(
      fc.property(anyRawSize, anyChunks, anyLayerHeight, (rawSize, chunkSizes, layerHeight) => {
        const bytes = counterBytes(rawSize)
        const [portable, native] = nodeHashers.map(nodeHasher => hashPiece(bytes, layerHeight, nodeHasher))
        expect(native).toEqual(portable)
        expect(hashInChunks(bytes, chunkSizes, layerHeight)).toEqual(native)
      }),
      { numRuns: 60 }
    )
  })

  test('has one digest across slabs, in chunks of any size', () => {
    const bytes = counterBytes(3_000_001)
    const digest = hashPiece(bytes)
    assertProperty(
      fc.property(fc.integer({ min: 50_000, max: 2_500_000 }), fc.integer({ min: 1, max: 200 }), (large, small) => {
        expect(hashInChunks(bytes, [large, small], CACHED_LAYER_HEIGHT)).toEqual(digest)
      }),
      { numRuns: 8 }
    )
  })
})

test('keeps the layer that was named, 16 KiB subtrees by default', () => {
  const bytes = counterBytes(1_000_000)
  expect(hashPiece(bytes).layer.height).toBe(9)
  const { layer, root } = hashPiece(bytes, CACHED_LAYER_HEIGHT_MAX)
  expect(layer).toEqual({ height: 15, nodes: root })
})

test('reads shared memory', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(5000))
  shared.set(counterBytes(5000))
  expect(hashPiece(shared)).toEqual(hashPiece(counterBytes(5000)))
})

test('begins another piece after each digest', () => {
  const hasher = createPieceHasher({ nodeHasher: nativeNodeHasher })
  for (const rawSize of [1_500_000, 1, 0, 1_500_000]) {
    hasher.update(counterBytes(rawSize))
    expect(hasher.digest()).toEqual(hashPiece(counterBytes(rawSize)))
  }
})

test('an empty piece has a CID, but no leaf and an empty layer', () => {
  expect(hashPiece(new Uint8Array())).toMatchObject({ rawSize: 0, height: 2, root: zeroNode(2) })
  expect(hashPiece(new Uint8Array()).layer.nodes).toHaveLength(0)
})

test('takes the largest piece, and not a byte more', () => {
  const hasher = createPieceHasher({ nodeHasher: nativeNodeHasher })
  const zeros = new Uint8Array(127 * 2 ** 20)
  for (let size = 0; size < PIECE_SIZE_BYTES_MAX; size += zeros.length) hasher.update(zeros)
  expect(() => hasher.update(zeros.subarray(0, 1))).toThrow(
    new RangeError('bytes of the piece: expected an integer from 0 to 1065353216, got 1065353217')
  )
  const { rawSize, root, layer } = hasher.digest()
  expect(rawSize).toBe(PIECE_SIZE_BYTES_MAX)
  expect(root).toEqual(zeroNode(25))
  expect(layer.nodes).toHaveLength(2 ** 16 * LEAF_SIZE_BYTES)
})

test('refuses what it cannot hash', () => {
  const hasher = createPieceHasher({ nodeHasher: nativeNodeHasher })
  expect(() => hasher.update('text' as never)).toThrow(new TypeError('bytes: expected Uint8Array, got string'))
  expect(() => createPieceHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight: 1 })).toThrow(RangeError)
  expect(() => createPieceHasher({ nodeHasher: nativeNodeHasher, cachedLayerHeight: 18 })).toThrow(RangeError)
  expect(() => createPieceHasher({ nodeHasher: 'native' as never })).toThrow(
    new TypeError('nodeHasher: expected object, got string')
  )
})
