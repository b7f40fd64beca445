import { describe, expect, test } from 'vitest'
import { deriveChallenges, locateLeaves, proveEachLeaf, proveLeaves, verifyLeaf, verifyLeaves } from '../src/index.ts'
import { nativeNodeHasher, pieceOf } from './pieces.ts'
import { commitments, fromHex, generate, pdp, toHex } from './vectors.ts'

const inNodes = (bytes: Uint8Array) => toHex(bytes).match(/.{64}/g) ?? []

describe('leaf proofs of other implementations', () => {
  for (const vector of commitments.proofs) {
    test(`leaf ${vector.leafIndex} of ${vector.rawSize} bytes`, async () => {
      const piece = pieceOf(generate(vector.generator, vector.rawSize))
      const [proof] = await proveEachLeaf({ ...piece.source, leafIndices: [vector.leafIndex] })
      expect(toHex(proof!.leaf)).toBe(vector.leaf)
      expect(inNodes(proof!.siblings)).toEqual(vector.proof)
    })
  }
})

describe('proofs that PDPVerifier accepted', () => {
  for (const vector of pdp.accepted) {
    test(`version ${vector.version}`, async () => {
      const pieces = vector.pieces.map(({ generator, rawSize }) => pieceOf(generate(generator, rawSize)))
      expect(pieces.map(piece => piece.digest.cid.toString())).toEqual(vector.pieces.map(piece => piece.pieceCidV2))
      const challenges = deriveChallenges({
        seed: fromHex(vector.seed),
        dealId: BigInt(vector.setId),
        range: BigInt(vector.leafCount),
        count: vector.challenges.length
      })
      expect(challenges).toEqual(vector.challenges.map(challenge => BigInt(challenge.leafIndex)))
      const locations = locateLeaves(
        vector.pieces.map(piece => Number(piece.leafCount)),
        challenges
      )
      for (const [i, { pieceIndex, leafIndex }] of locations.entries()) {
        const expected = vector.challenges[i]!
        expect([pieceIndex, leafIndex]).toEqual([Number(expected.pieceId), Number(expected.offset)])
        const { source, digest } = pieces[pieceIndex]!
        const [proof] = await proveEachLeaf({ ...source, leafIndices: [leafIndex] })
        expect(`0x${toHex(proof!.leaf)}`).toBe(expected.leaf)
        expect(inNodes(proof!.siblings).map(node => `0x${node}`)).toEqual(expected.proof)
        const claim = { commitment: digest, leafIndex, proof: proof!, nodeHasher: nativeNodeHasher }
        expect(verifyLeaf(claim)).toEqual({ ok: true })
        const leafIndices = [leafIndex, 0, digest.layer.nodes.length / 32 - 1]
        const multi = await proveLeaves({ ...source, leafIndices })
        expect(verifyLeaves({ commitment: digest, leafIndices, proof: multi, nodeHasher: nativeNodeHasher })).toEqual({
          ok: true
        })
      }
    })
  }
})
