import { describe, expect, test } from 'vitest'
import {
  leafCountOf,
  type PieceSource,
  proveBlock,
  proveEachLeaf,
  proveLeafRange,
  proveLeaves,
  proveRange
} from '../src/index.ts'
import { pieceOfSize } from './pieces.ts'

/** The reads that provers make of a piece with subtrees of 508 raw bytes. */
function watchedPiece(rawSize: number) {
  const { source, bytes } = pieceOfSize(rawSize, 4)
  const reads: [number, number][] = []
  const read = (offset: number, size: number) => {
    reads.push([offset, size])
    return Promise.resolve(bytes.subarray(offset, offset + size))
  }
  return { source: { ...source, read }, reads }
}

describe('a prover reads', () => {
  test('one cached subtree for each challenge, ascending, shared where it is the same', async () => {
    const { source, reads } = watchedPiece(10_000)
    await proveLeaves({ ...source, leafIndices: [100, 5, 100, 6, 15, 16] })
    expect(reads).toEqual([
      [0, 508],
      [508, 508],
      [6 * 508, 508]
    ])
    reads.length = 0
    await proveEachLeaf({ ...source, leafIndices: [100, 5, 100] })
    expect(reads).toEqual([
      [0, 508],
      [6 * 508, 508]
    ])
  })

  test('never past the end of the piece', async () => {
    const { source, reads } = watchedPiece(1100)
    await proveLeaves({ ...source, leafIndices: [leafCountOf(1100) - 1] })
    expect(reads).toEqual([[1016, 84]])
  })

  test('nothing for a range that ends where subtrees end', async () => {
    const { source, reads } = watchedPiece(10_000)
    await proveRange({ ...source, range: { offset: 508, size: 1016 } })
    expect(reads).toEqual([])
  })

  test('the two edges of a range, not what lies between', async () => {
    const { source, reads } = watchedPiece(10_000)
    await proveRange({ ...source, range: { offset: 700, size: 5000 } })
    expect(reads).toEqual([
      [508, 508],
      [11 * 508, 508]
    ])
  })
})

type Prover = (source: PieceSource) => Promise<unknown>

const provers: [string, Prover][] = [
  ['proveLeaves', source => proveLeaves({ ...source, leafIndices: [0, 50] })],
  ['proveEachLeaf', source => proveEachLeaf({ ...source, leafIndices: [0, 50] })],
  ['proveLeafRange', source => proveLeafRange({ ...source, range: { start: 1, end: 50 } })],
  ['proveRange', source => proveRange({ ...source, range: { offset: 200, size: 1400 } })],
  ['proveBlock', source => proveBlock({ ...source, section: { offset: 200, size: 1400 } })]
]

describe.each(provers)('%s', (_, prove) => {
  const { source, bytes } = pieceOfSize(2000, 4)

  test('says when the source ends early', async () => {
    const read = (offset: number, size: number) =>
      Promise.resolve(bytes.subarray(0, 1500).subarray(offset, offset + size))
    await expect(prove({ ...source, read })).rejects.toMatchObject({ name: 'ProofError', code: 'SOURCE_TOO_SHORT' })
    const details = { offset: expect.any(Number), expected: expect.any(Number), got: 7 }
    await expect(prove({ ...source, read: () => Promise.resolve(bytes.subarray(0, 7)) })).rejects.toMatchObject({
      details
    })
  })

  test('refuses a source that reads too much, or no bytes', async () => {
    await expect(prove({ ...source, read: () => Promise.resolve(bytes) })).rejects.toThrow(RangeError)
    await expect(prove({ ...source, read: () => Promise.resolve('bytes' as never) })).rejects.toThrow(TypeError)
    await expect(prove({ ...source, read: undefined as never })).rejects.toThrow(
      new TypeError('read: expected function, got undefined')
    )
  })

  test('passes on what the source throws', async () => {
    const failure = new Error('disk')
    await expect(prove({ ...source, read: () => Promise.reject(failure) })).rejects.toBe(failure)
  })

  test('does not start when its signal is aborted', async () => {
    let reads = 0
    const read = (offset: number, size: number) => {
      reads += 1
      return source.read(offset, size)
    }
    await expect(prove({ ...source, read, signal: AbortSignal.abort('before') })).rejects.toBe('before')
    expect(reads).toBe(0)
  })

  test('stops in the middle when its signal is aborted, and reads no more', async () => {
    const controller = new AbortController()
    let reads = 0
    const read = (offset: number, size: number) => {
      reads += 1
      controller.abort('in the middle')
      return source.read(offset, size)
    }
    await expect(prove({ ...source, read, signal: controller.signal })).rejects.toBe('in the middle')
    expect(reads).toBe(1)
  })

  test('refuses a layer that is not of this piece', async () => {
    const { height, nodes } = source.layer
    for (const layer of [
      { height: 3, nodes },
      { height: 7, nodes },
      { height, nodes: nodes.subarray(32) },
      { height, nodes: new Uint8Array(nodes.length + 32) }
    ])
      await expect(prove({ ...source, layer })).rejects.toThrow(RangeError)
    await expect(prove({ ...source, layer: undefined as never })).rejects.toThrow(TypeError)
    await expect(prove({ ...source, nodeHasher: undefined as never })).rejects.toThrow(TypeError)
  })
})

describe('provers refuse what the piece does not have', () => {
  const { source } = pieceOfSize(2000, 4)
  test.each([[[]], [[-1]], [[64]], [[0.5]], [[0, Number.NaN]]])('leaves %j', async leafIndices => {
    await expect(proveLeaves({ ...source, leafIndices })).rejects.toThrow(RangeError)
    await expect(proveEachLeaf({ ...source, leafIndices })).rejects.toThrow(RangeError)
  })

  test('ranges and sections', async () => {
    await expect(proveLeafRange({ ...source, range: { start: 0, end: 65 } })).rejects.toThrow(RangeError)
    await expect(proveRange({ ...source, range: { offset: 0, size: 2001 } })).rejects.toThrow(RangeError)
    await expect(proveBlock({ ...source, section: { offset: 2000, size: 1 } })).rejects.toThrow(RangeError)
  })
})
