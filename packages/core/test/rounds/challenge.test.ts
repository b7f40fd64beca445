import { deriveChallenges, locateLeaves } from '@holdfast/proofs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DealPiece } from '../../src/ledger/state.ts'
import { challengesOf, countLeaves } from '../../src/rounds/challenge.ts'
import { frozenPiecesOf } from '../../src/rounds/freeze.ts'
import { pieceOf } from '../ledger/memory-pieces.ts'

const { cid } = pieceOf('any')

/** Pieces that are challenged from and up to these openings. */
const piecesOf = (leafCounts: readonly number[], from = 1, until?: number): DealPiece[] =>
  leafCounts.map((leafCount, id) => ({
    id,
    cid,
    label: '00',
    rawSize: 1,
    leafCount,
    fromOpening: from,
    untilOpening: until
  }))
const challenge = (seed: Uint8Array, pieces: readonly DealPiece[], opening: number, leavesPerRound = 20) =>
  challengesOf(seed, { dealId: 7, leavesPerRound, ...frozenPiecesOf(pieces, opening) })

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const leafCounts = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 })

describe('the leaves of a round', () => {
  it('are those of PDP’s formula, once each, gathered by piece', () => {
    fc.assert(
      fc.property(seeds, leafCounts, fc.integer({ min: 1, max: 30 }), (seed, counts, leavesPerRound) => {
        const challenges = challenge(seed, piecesOf(counts), 1, leavesPerRound)
        const drawn = deriveChallenges({ seed, dealId: 7n, range: BigInt(sum(counts)), count: leavesPerRound })
        const expected = new Set(locateLeaves(counts, drawn).map(at => `${at.pieceIndex}/${at.leafIndex}`))
        const got = challenges.flatMap(({ pieceId, leafIndices }) => leafIndices.map(leaf => `${pieceId}/${leaf}`))
        expect(new Set(got)).toEqual(expected)
        expect(countLeaves(challenges)).toBe(expected.size)
        const ascending = (list: readonly number[]) => list.every((value, i) => i === 0 || list[i - 1]! < value)
        expect(ascending(challenges.map(({ pieceId }) => pieceId))).toBe(true)
        for (const { leafIndices } of challenges) expect(ascending(leafIndices)).toBe(true)
      })
    )
  })

  it('do not move when pieces join or leave for a later opening', () => {
    fc.assert(
      fc.property(seeds, leafCounts, leafCounts, (seed, counts, later) => {
        const joining = piecesOf(later, 4).map(piece => ({ ...piece, id: piece.id + counts.length }))
        const asked = challenge(seed, piecesOf(counts), 3)
        expect(challenge(seed, [...piecesOf(counts), ...joining], 3)).toEqual(asked)
        expect(challenge(seed, [...piecesOf(counts, 1, 3), ...joining], 3)).toEqual(asked)
        expect(
          challenge(seed, [...piecesOf(counts, 1, 3), ...joining], 4).every(({ pieceId }) => pieceId >= counts.length)
        ).toBe(true)
      })
    )
  })
})
