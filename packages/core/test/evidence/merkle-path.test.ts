import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { merklePath, verifyMerklePath } from '../../src/evidence/merkle-path.ts'
import { hashMerkleLeaf, merkleRoot } from '../../src/evidence/merkle-root.ts'

/** Leaves and paths of the reference test of the certificate-transparency project. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  hexToBytes
)
const PATHS: readonly (readonly [index: number, size: number, path: readonly string[]])[] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'
    ]
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'
    ]
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'
    ]
  ]
]

const trees = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 70 })

function claimOf(leaves: readonly Uint8Array[], index: number) {
  return {
    root: merkleRoot(leaves),
    leafHash: hashMerkleLeaf(leaves[index]!),
    index,
    size: leaves.length,
    path: merklePath(leaves, index)
  }
}

describe('a Merkle path', () => {
  it.each(PATHS)('of leaf %i of %i is that of the reference test', (index, size, path) => {
    expect(merklePath(LEAVES.slice(0, size), index).map(bytesToHex)).toEqual(path)
  })

  it('leads from every leaf of every small tree to its root', () => {
    for (let size = 1; size <= LEAVES.length; size += 1)
      for (let index = 0; index < size; index += 1)
        expect(verifyMerklePath(claimOf(LEAVES.slice(0, size), index)), `${index} of ${size}`).toBe(true)
  })

  it('proves its own place and no other, whatever is changed', () => {
    fc.assert(
      fc.property(trees, fc.nat(), fc.nat(), fc.nat(255), (leaves, place, position, flip) => {
        const index = place % leaves.length
        const claim = claimOf(leaves, index)
        expect(verifyMerklePath(claim)).toBe(true)
        const { path, leafHash, root, size } = claim
        const changed = (bytes: Uint8Array) =>
          bytes.map((byte, at) => (at === position % 32 ? byte ^ (flip || 1) : byte))
        const node = path.length === 0 ? 0 : position % path.length
        const others = [
          { leafHash: changed(leafHash) },
          { root: changed(root) },
          { path: [...path, root] },
          { path: [root, ...path] },
          ...(path.length > 0
            ? [
                { path: path.slice(1) },
                { path: path.slice(0, -1) },
                { path: path.map((one, at) => (at === node ? changed(one) : one)) },
                { path: path.map((one, at) => (at === node ? one.subarray(1) : one)) }
              ]
            : []),
          { index: -1 },
          { index: size },
          { index: index + 0.5 },
          { index: Number.NaN },
          { size: 0 },
          { size: Number.POSITIVE_INFINITY }
        ]
        for (const change of others) expect(verifyMerklePath({ ...claim, ...change })).toBe(false)
      })
    )
  })

  it('of a leaf proves nothing at another place of the tree', () => {
    const leaves = Array.from({ length: 37 }, (_, index) => Uint8Array.of(index))
    for (const index of leaves.keys()) {
      const claim = claimOf(leaves, index)
      for (const other of leaves.keys())
        expect(verifyMerklePath({ ...claim, index: other }), `${index} at ${other}`).toBe(other === index)
    }
  })

  it('is not made of a leaf that the tree does not have', () => {
    for (const index of [-1, 8, 1.5, Number.NaN]) expect(() => merklePath(LEAVES, index)).toThrow(RangeError)
    expect(() => merklePath([], 0)).toThrow(RangeError)
  })
})
