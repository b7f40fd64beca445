import { describe, expect, test } from 'vitest'
import {
  deriveChallenges,
  type LeafProof,
  type LeafProofClaim,
  leafCountOf,
  locateLeaves,
  type PieceSource,
  portableNodeHasher,
  proveEachLeaf,
  verifyEachLeaf,
  verifyLeaf
} from '../src/index.ts'
import { nativeNodeHasher, nodeHashers, pieceOf, pieceOfSize } from './pieces.ts'
import { bitFlips, resizings } from './proof-mutations.ts'
import { assertProperty, fc } from './property.ts'
import { wholeTree } from './reference.ts'
import { commitments, counterBytes, fromHex, generate, pdp, toHex } from './vectors.ts'

const inNodes = (bytes: Uint8Array) => toHex(bytes).match(/.{64}/g) ?? []

async function proveLeaf(source: PieceSource, leafIndex: number): Promise<LeafProof> {
  const [proof] = await proveEachLeaf({ ...source, leafIndices: [leafIndex] })
  return proof!
}

describe('leaf proofs of other implementations', () => {
  test.each(commitments.proofs)('leaf $leafIndex of $rawSize bytes', async vector => {
    const { source, digest } = pieceOf(generate(vector.generator, vector.rawSize))
    const proof = await proveLeaf(source, vector.leafIndex)
    expect(toHex(proof.leaf)).toBe(vector.leaf)
    expect(inNodes(proof.siblings)).toEqual(vector.proof)
    const claim = { commitment: digest, leafIndex: vector.leafIndex, proof, nodeHasher: nativeNodeHasher }
    expect(verifyLeaf(claim)).toEqual({ ok: true })
  })
})

describe('proofs that PDPVerifier accepted', () => {
  test.each(pdp.accepted)('version $version', async vector => {
    const pieces = vector.pieces.map(({ generator, rawSize }) => pieceOf(generate(generator, rawSize)))
    expect(pieces.map(piece => piece.digest.cid.toString())).toEqual(vector.pieces.map(piece => piece.pieceCidV2))
    const seed = fromHex(vector.seed)
    const range = BigInt(vector.leafCount)
    const challenges = deriveChallenges({ seed, dealId: BigInt(vector.setId), range, count: vector.challenges.length })
    expect(challenges).toEqual(vector.challenges.map(challenge => BigInt(challenge.leafIndex)))
    const locations = locateLeaves(
      pieces.map(piece => leafCountOf(piece.digest.rawSize)),
      challenges
    )
    for (const [i, { pieceIndex, leafIndex }] of locations.entries()) {
      const expected = vector.challenges[i]!
      expect([pieceIndex, leafIndex]).toEqual([Number(expected.pieceId), Number(expected.offset)])
      const proof = await proveLeaf(pieces[pieceIndex]!.source, leafIndex)
      expect(`0x${toHex(proof.leaf)}`).toBe(expected.leaf)
      expect(inNodes(proof.siblings).map(node => `0x${node}`)).toEqual(expected.proof)
    }
  })
})

/** A piece and some of its leaves, in any order, with repetitions. */
const anyPieceAndLeaves = fc
  .record({ rawSize: fc.integer({ min: 1, max: 20_000 }), layerHeight: fc.integer({ min: 2, max: 9 }) })
  .chain(({ rawSize, layerHeight }) =>
    fc.record({
      rawSize: fc.constant(rawSize),
      layerHeight: fc.constant(layerHeight),
      leafIndices: fc.array(fc.nat(leafCountOf(rawSize) - 1), { minLength: 1, maxLength: 12, size: 'max' })
    })
  )

describe('any leaf of any piece', () => {
  test('is proved by the path of the whole tree, whatever layer is cached', async () => {
    await assertProperty(
      fc.asyncProperty(anyPieceAndLeaves, async ({ rawSize, layerHeight, leafIndices }) => {
        const tree = wholeTree(counterBytes(rawSize))
        const { source, digest } = pieceOfSize(rawSize, layerHeight)
        const proofs = await proveEachLeaf({ ...source, leafIndices })
        expect(proofs).toEqual(
          leafIndices.map(leafIndex => ({
            leaf: new Uint8Array(tree[0]![leafIndex]!),
            siblings: new Uint8Array(
              Buffer.concat(tree.slice(0, -1).map((layer, level) => layer[(leafIndex >> level) ^ 1]!))
            )
          }))
        )
        const claims = leafIndices.map((leafIndex, i) => ({ commitment: digest, leafIndex, proof: proofs[i]! }))
        for (const nodeHasher of nodeHashers)
          expect(verifyEachLeaf({ claims, nodeHasher })).toEqual(claims.map(() => ({ ok: true })))
      }),
      { numRuns: 40 }
    )
  })
})

describe('a valid proof', async () => {
  const leafIndex = 37
  const { source, digest } = pieceOfSize(3000, 3)
  const proof = await proveLeaf(source, leafIndex)
  const verify = (spoiled: Partial<LeafProofClaim>) =>
    verifyLeaf({ commitment: digest, leafIndex, proof, nodeHasher: nativeNodeHasher, ...spoiled })

  test('is taken', () => {
    expect(verify({})).toEqual({ ok: true })
  })

  test('is refused with any bit changed', () => {
    for (const leaf of bitFlips(proof.leaf)) expect(verify({ proof: { ...proof, leaf } })).toEqual(wrongRoot)
    for (const siblings of bitFlips(proof.siblings))
      expect(verify({ proof: { ...proof, siblings } })).toEqual(wrongRoot)
    for (const root of bitFlips(digest.root)) expect(verify({ commitment: { ...digest, root } })).toEqual(wrongRoot)
  })
  const wrongRoot = { ok: false, reason: 'wrong-root' }

  test('is refused at any other size', () => {
    for (const leaf of resizings(proof.leaf))
      expect(verify({ proof: { ...proof, leaf } })).toEqual({ ok: false, reason: 'wrong-data-size' })
    for (const siblings of resizings(proof.siblings))
      expect(verify({ proof: { ...proof, siblings } })).toEqual({ ok: false, reason: 'wrong-node-count' })
  })

  test('is refused for any other leaf', () => {
    for (let other = 0; other < leafCountOf(3000); other++)
      if (other !== leafIndex) expect(verify({ leafIndex: other })).toEqual(wrongRoot)
  })

  test('is refused for a piece of another height', () => {
    expect(verify({ commitment: { ...digest, rawSize: 127 * 64 } })).toEqual({ ok: false, reason: 'wrong-node-count' })
  })

  test('does not pass an inner node off as a leaf', () => {
    const { siblings } = proof
    const inner = { leaf: siblings.subarray(32, 64), siblings: siblings.subarray(64) }
    expect(verify({ proof: inner })).toEqual({ ok: false, reason: 'wrong-node-count' })
  })

  test('is refused, not thrown at, when it is no proof', () => {
    for (const foreign of [undefined, null, 5, 'proof', [], {}, { leaf: proof.leaf }, { ...proof, siblings: [1, 2] }])
      expect(verify({ proof: foreign as never })).toEqual({ ok: false, reason: 'malformed' })
  })

  test('is not weighed for a leaf, a root or a size that the verifier cannot mean', () => {
    expect(() => verify({ leafIndex: leafCountOf(3000) })).toThrow(RangeError)
    expect(() => verify({ leafIndex: -1 })).toThrow(RangeError)
    expect(() => verify({ commitment: { ...digest, root: new Uint8Array(31) } })).toThrow(RangeError)
    expect(() => verify({ commitment: { ...digest, rawSize: 0.5 } })).toThrow(RangeError)
    expect(() => verify({ commitment: undefined as never })).toThrow(TypeError)
  })
})

describe('verifyEachLeaf', () => {
  test('judges each proof by itself, over pieces of all heights', async () => {
    const leafProofs: (LeafProofClaim & { valid: boolean })[] = []
    for (const [i, rawSize] of [1, 100, 128, 5000, 20_000, 20_000, 300, 65_536].entries()) {
      const { source, digest } = pieceOfSize(rawSize, 4)
      const leafIndex = leafCountOf(rawSize) - 1
      const proof = await proveLeaf(source, leafIndex)
      const valid = i % 3 !== 2
      if (!valid) proof.siblings[40]! ^= 1
      leafProofs.push({ commitment: digest, leafIndex, proof, valid })
      leafProofs.push({ commitment: digest, leafIndex, proof: { ...proof, leaf: new Uint8Array(5) }, valid: false })
    }
    const verdicts = verifyEachLeaf({ claims: leafProofs, nodeHasher: portableNodeHasher })
    expect(verdicts.map(verdict => verdict.ok)).toEqual(leafProofs.map(claim => claim.valid))
  })

  test('of no claims gives no verdicts', () => {
    expect(verifyEachLeaf({ claims: [], nodeHasher: nativeNodeHasher })).toEqual([])
    expect(() => verifyEachLeaf({ claims: undefined as never, nodeHasher: nativeNodeHasher })).toThrow(TypeError)
    expect(() => verifyEachLeaf({ claims: [], nodeHasher: {} as never })).toThrow(TypeError)
  })
})
