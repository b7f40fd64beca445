import {
  type CachedLayer,
  createPieceHasher,
  decodePieceCid,
  proveEachLeaf,
  proveLeaves,
  verifyLeaves
} from '@holdfast/proofs'
import { describe, expect, it } from 'vitest'
import { createLayerTops } from '../../src/storage/layer-tops.ts'
import { nodeHasher, randomBytes } from './open-test-store.ts'

const MIB = 1024 * 1024
/** An odd number of parts, the last of them short. */
const BYTES = randomBytes(1, 36 * MIB + 12_345)
const hasher = createPieceHasher({ nodeHasher })
hasher.update(BYTES)
const { cid, layer } = hasher.digest()
const verdict = decodePieceCid(cid)
if (!verdict.ok) throw new Error(verdict.reason)
const { commitment } = verdict
const LEAVES = [
  0,
  1,
  511,
  512,
  131_071,
  131_072,
  700_000,
  Math.floor(BYTES.length / 32),
  Math.floor((BYTES.length * 128) / 127 / 32)
]

/** A layer on a disk, what was read of it, and the damage that is done to it. */
function openLayer(damage: (nodes: Uint8Array) => Uint8Array = nodes => nodes) {
  const reads = { whole: 0, parts: 0 }
  const tops = createLayerTops(nodeHasher)
  const open = () =>
    tops.open('piece', {
      count: layer.nodes.length / 32,
      whole: async (): Promise<CachedLayer> => {
        reads.whole += 1
        return layer
      },
      part: async (first, count) => {
        reads.parts += 1
        return damage(layer.nodes.slice(first * 32, (first + count) * 32))
      }
    })
  return { reads, open }
}

const read = async (offset: number, size: number) => BYTES.subarray(offset, offset + size)
const source = { read, commitment, nodeHasher, leafIndices: LEAVES }

describe('a layer that is read in parts', () => {
  it('gives the proofs that the whole one gives, and is read whole once', async () => {
    const { reads, open } = openLayer()
    for (let round = 0; round < 3; round += 1) {
      const sparse = await open()
      expect(await proveLeaves({ ...source, layer: sparse })).toEqual(await proveLeaves({ ...source, layer }))
      expect(await proveEachLeaf({ ...source, layer: sparse })).toEqual(await proveEachLeaf({ ...source, layer }))
    }
    expect(reads.whole).toBe(1)
    expect(reads.parts).toBeGreaterThan(0)
  })

  it.each<[string, (nodes: Uint8Array) => Uint8Array]>([
    ['wrong', nodes => nodes.fill(1, 0, 5)],
    ['cut off', nodes => nodes.subarray(32)],
    ['gone', () => new Uint8Array()]
  ])('is read whole again where a part is %s', async (_, damage) => {
    const { reads, open } = openLayer(damage)
    const sparse = await open()
    const proof = await proveLeaves({ ...source, layer: sparse })
    expect(verifyLeaves({ commitment, leafIndices: LEAVES, proof, nodeHasher })).toEqual({ ok: true })
    expect(reads.whole).toBeGreaterThan(1)
  })
})
