import { describe, expect, test } from 'vitest'
import {
  heightOf,
  leafCountOf,
  type MultiProof,
  type MultiProofClaim,
  multiProofSizeBytes,
  PIECE_SIZE_BYTES_MAX,
  proveEachLeaf,
  proveLeaves,
  verifyEachMultiProof,
  verifyLeaf,
  verifyLeaves,
  zeroNode
} from '../src/index.ts'
import { nativeNodeHasher, nodeHashers, pieceOf, pieceOfSize } from './pieces.ts'
import { bitFlips, resizings } from './proof-mutations.ts'
import { assertProperty, fc } from './property.ts'
import { hashNode, wholeTree } from './reference.ts'
import { counterBytes, toHex } from './vectors.ts'

const anyPieceAndLeaves = fc
  .record({ rawSize: fc.integer({ min: 1, max: 20_000 }), layerHeight: fc.integer({ min: 2, max: 9 }) })
  .chain(({ rawSize, layerHeight }) =>
    fc.record({
      rawSize: fc.constant(rawSize),
      layerHeight: fc.constant(layerHeight),
      leafIndices: fc.array(fc.nat(leafCountOf(rawSize) - 1), { minLength: 1, maxLength: 30, size: 'max' })
    })
  )

/** The nodes of a multi-proof by its definition: at each level, the siblings that are neither known nor zero. */
function nodesByDefinition(rawSize: number, leafIndices: readonly number[]): Uint8Array {
  const nodes: Uint8Array[] = []
  let known = new Set(leafIndices)
  for (const [level, layer] of wholeTree(counterBytes(rawSize)).slice(0, -1).entries()) {
    const siblings = [...known].map(index => index ^ 1).filter(index => !known.has(index))
    const needed = siblings.filter(index => index * 2 ** level < leafCountOf(rawSize)).sort((a, b) => a - b)
    nodes.push(...needed.map(index => layer[index]!))
    known = new Set([...known].map(index => index >> 1))
  }
  return new Uint8Array(Buffer.concat(nodes))
}

describe('any leaves of any piece', () => {
  test('are proved by what the definition says, and no more', async () => {
    await assertProperty(
      fc.asyncProperty(anyPieceAndLeaves, async ({ rawSize, layerHeight, leafIndices }) => {
        const { source, digest } = pieceOfSize(rawSize, layerHeight)
        const proof = await proveLeaves({ ...source, leafIndices })
        expect(toHex(proof.nodes)).toBe(toHex(nodesByDefinition(rawSize, leafIndices)))
        expect(proof.leaves.length + proof.nodes.length).toBe(multiProofSizeBytes({ rawSize, leafIndices }))
        for (const nodeHasher of nodeHashers)
          expect(verifyLeaves({ commitment: digest, leafIndices, proof, nodeHasher })).toEqual({ ok: true })
      }),
      { numRuns: 40 }
    )
  })

  test('are proved as by single proofs', async () => {
    await assertProperty(
      fc.asyncProperty(anyPieceAndLeaves, async ({ rawSize, layerHeight, leafIndices }) => {
        const { source } = pieceOfSize(rawSize, layerHeight)
        const single = await proveEachLeaf({ ...source, leafIndices })
        const { leaves } = await proveLeaves({ ...source, leafIndices })
        const leafOf = new Map(leafIndices.map((leafIndex, i) => [leafIndex, single[i]!.leaf]))
        const ascending = [...leafOf.keys()].sort((a, b) => a - b)
        expect(toHex(leaves)).toBe(ascending.map(leafIndex => toHex(leafOf.get(leafIndex)!)).join(''))
      }),
      { numRuns: 40 }
    )
  })

  test('cannot be proved without the bytes of one of them, given every node of the tree', () => {
    assertProperty(
      fc.property(
        fc.integer({ min: 128, max: 5000 }),
        fc.nat(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (rawSize, pick, guess) => {
          const leafIndex = pick % leafCountOf(rawSize)
          const tree = wholeTree(counterBytes(rawSize))
          const { digest } = pieceOfSize(rawSize)
          const leaf = tree[0]![leafIndex]!
          // Every 32 bytes that the cheat has, and a guess, in the place of the leaf it lost.
          const substitutes = [...tree.flat().filter(node => !Buffer.from(node).equals(leaf)), guess]
          const siblings = new Uint8Array(
            Buffer.concat(tree.slice(0, -1).map((layer, level) => layer[(leafIndex >> level) ^ 1]!))
          )
          const nodes = nodesByDefinition(rawSize, [leafIndex])
          for (const substitute of substitutes) {
            const claim = { commitment: digest, leafIndex, nodeHasher: nativeNodeHasher }
            expect(verifyLeaf({ ...claim, proof: { leaf: substitute, siblings } }).ok).toBe(false)
            expect(verifyLeaves({ ...claim, leafIndices: [leafIndex], proof: { leaves: substitute, nodes } }).ok).toBe(
              false
            )
          }
        }
      ),
      { numRuns: 15 }
    )
  })
})

describe('a valid proof', async () => {
  const leafIndices = [5, 80, 6, 5, 33]
  const { source, digest } = pieceOfSize(3000, 3)
  const proof = await proveLeaves({ ...source, leafIndices })
  const verify = (spoiled: Partial<MultiProofClaim>) =>
    verifyLeaves({ commitment: digest, leafIndices, proof, nodeHasher: nativeNodeHasher, ...spoiled })
  const wrongRoot = { ok: false, reason: 'wrong-root' }

  test('is taken, for its leaves in any order', () => {
    expect(verify({})).toEqual({ ok: true })
    expect(verify({ leafIndices: [80, 33, 6, 5] })).toEqual({ ok: true })
  })

  test('is refused with any bit changed', () => {
    for (const leaves of bitFlips(proof.leaves)) expect(verify({ proof: { ...proof, leaves } })).toEqual(wrongRoot)
    for (const nodes of bitFlips(proof.nodes)) expect(verify({ proof: { ...proof, nodes } })).toEqual(wrongRoot)
    for (const root of bitFlips(digest.root)) expect(verify({ commitment: { ...digest, root } })).toEqual(wrongRoot)
  })

  test('is refused at any other size', () => {
    for (const leaves of resizings(proof.leaves))
      expect(verify({ proof: { ...proof, leaves } })).toEqual({ ok: false, reason: 'wrong-data-size' })
    for (const nodes of resizings(proof.nodes))
      expect(verify({ proof: { ...proof, nodes } })).toEqual({ ok: false, reason: 'wrong-node-count' })
  })

  test('is refused for other leaves', () => {
    for (const other of [
      [5, 6, 33, 81],
      [4, 6, 33, 80],
      [5, 6, 33],
      [5, 6, 33, 80, 94]
    ])
      expect(verify({ leafIndices: other }).ok).toBe(false)
  })

  test('is refused with two leaves swapped', () => {
    const { leaves } = proof
    const swapped = Uint8Array.of(...leaves.subarray(32, 64), ...leaves.subarray(0, 32), ...leaves.subarray(64))
    expect(verify({ proof: { ...proof, leaves: swapped } })).toEqual(wrongRoot)
  })

  test('is refused for a size that makes other nodes zero', () => {
    // The leaves behind 64 are data in truth; a smaller size would have them zero.
    expect(verify({ commitment: { ...digest, rawSize: 127 * 17 }, leafIndices: [5, 6, 33] }).ok).toBe(false)
  })

  test('is refused, not thrown at, when it is no proof', () => {
    for (const foreign of [undefined, null, 5, 'proof', [], {}, { leaves: proof.leaves }, { ...proof, nodes: [1, 2] }])
      expect(verify({ proof: foreign as never })).toEqual({ ok: false, reason: 'malformed' })
  })

  test('is not weighed for leaves, a root or a size that the verifier cannot mean', () => {
    expect(() => verify({ leafIndices: [] })).toThrow(new RangeError('leafIndices: expected at least 1, got 0'))
    expect(() => verify({ leafIndices: [1, leafCountOf(3000)] })).toThrow(
      new RangeError('leafIndices[1]: expected an integer from 0 to 94, got 95')
    )
    expect(() => verify({ leafIndices: 5 as never })).toThrow(TypeError)
    expect(() => verify({ commitment: { ...digest, root: new Uint8Array(33) } })).toThrow(RangeError)
    expect(() => verify({ commitment: { ...digest, rawSize: -1 } })).toThrow(RangeError)
  })
})

describe('verifyEachMultiProof', () => {
  test('judges each proof by itself, over pieces of all heights', async () => {
    const claims: MultiProofClaim[] = []
    for (const [i, rawSize] of [1, 128, 5000, 20_000, 300, 65_536].entries()) {
      const { source, digest } = pieceOfSize(rawSize, 4)
      const leafIndices = [0, leafCountOf(rawSize) - 1, Math.floor(leafCountOf(rawSize) / 3)]
      const proof = await proveLeaves({ ...source, leafIndices })
      if (i % 2 === 1) proof.leaves[5]! ^= 1
      claims.push(
        { commitment: digest, leafIndices, proof },
        { commitment: digest, leafIndices, proof: {} as MultiProof }
      )
    }
    const verdicts = verifyEachMultiProof({ claims, nodeHasher: nativeNodeHasher })
    expect(verdicts.map(verdict => verdict.ok || verdict.reason)).toEqual(
      claims.map((_, i) => (i % 2 === 1 ? 'malformed' : i % 4 === 0 || 'wrong-root'))
    )
    expect(verifyEachMultiProof({ claims: [], nodeHasher: nativeNodeHasher })).toEqual([])
    expect(() => verifyEachMultiProof({ claims: 5 as never, nodeHasher: nativeNodeHasher })).toThrow(TypeError)
  })
})

describe('sizes', () => {
  test('sends neither shared nor zero nodes', () => {
    // All of 24 leaves with data; the sibling of the lone last node at each level is zero.
    expect(multiProofSizeBytes({ rawSize: 762, leafIndices: Array.from({ length: 24 }, (_, i) => i) })).toBe(24 * 32)
    expect(multiProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, leafIndices: [0] })).toBe(26 * 32)
    expect(multiProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX, leafIndices: [0, 1] })).toBe(26 * 32)
    expect(multiProofSizeBytes({ rawSize: PIECE_SIZE_BYTES_MAX / 2 + 1, leafIndices: [2 ** 24] })).toBe(2 * 32)
    expect(() => multiProofSizeBytes({ rawSize: 5, leafIndices: [1] })).toThrow(RangeError)
  })

  test('leaves beyond 2^32 have proofs too', () => {
    const rawSize = Number.MAX_SAFE_INTEGER
    const leafIndex = 2 ** 45 + 2 ** 33 + 5
    const path = counterBytes(50 * 32)
    const nodes: Uint8Array[] = []
    let root = path.subarray(0, 32)
    for (let level = 0, index = BigInt(leafIndex); level < heightOf(rawSize); level++, index >>= 1n) {
      const isData = (index ^ 1n) << BigInt(level) < BigInt(leafCountOf(rawSize))
      const sibling = isData ? path.subarray(32 * level + 32, 32 * level + 64) : zeroNode(level)
      if (isData) nodes.push(sibling)
      root = (index & 1n) === 0n ? hashNode(root, sibling) : hashNode(sibling, root)
    }
    const claim = { commitment: { root, rawSize }, leafIndices: [leafIndex], nodeHasher: nativeNodeHasher }
    const proof = { leaves: path.subarray(0, 32), nodes: new Uint8Array(Buffer.concat(nodes)) }
    expect(verifyLeaves({ ...claim, proof })).toEqual({ ok: true })
    expect(verifyLeaves({ ...claim, leafIndices: [leafIndex + 1], proof }).ok).toBe(false)
  })
})

test('a wrong byte of the source gives a proof that does not verify', async () => {
  const { digest, bytes, source } = pieceOfSize(3000, 3)
  const spoiled = bytes.slice()
  spoiled[200]! ^= 1
  const { read } = pieceOf(spoiled, 3).source
  const proof = await proveLeaves({ ...source, read, leafIndices: [0, 6] })
  const claim = { commitment: digest, leafIndices: [0, 6], proof, nodeHasher: nativeNodeHasher }
  expect(verifyLeaves(claim)).toEqual({ ok: false, reason: 'wrong-root' })
})
