import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countLeaves, type PieceChallenge } from '../../src/rounds/challenge.ts'
import {
  clearLeaves,
  type Docket,
  docketChallenges,
  dropPieces,
  enterLeaves,
  isOverdue
} from '../../src/rounds/docket.ts'

const challengesOf = (...leaves: readonly (readonly [number, number])[]): PieceChallenge[] =>
  leaves.map(([pieceId, leafIndex]) => ({ pieceId, leafIndices: [leafIndex] }))

const challenges = fc
  .uniqueArray(fc.tuple(fc.nat(3), fc.nat(9)), { maxLength: 12, selector: String })
  .map(leaves => challengesOf(...leaves))

describe('the docket', () => {
  it('keeps the age of a leaf that is owed already', () => {
    const first = enterLeaves([], challengesOf([0, 1]), 5, 10)
    expect(enterLeaves(first, challengesOf([0, 1], [0, 2]), 7, 10)).toEqual([
      { pieceId: 0, leafIndex: 1, sinceCountedRound: 5 },
      { pieceId: 0, leafIndex: 2, sinceCountedRound: 7 }
    ])
  })

  it('is bounded, has no leaf twice, and stands in order of age', () => {
    fc.assert(
      fc.property(fc.array(challenges, { maxLength: 6 }), fc.integer({ min: 1, max: 20 }), (rounds, leavesMax) => {
        const docket = rounds.reduce<Docket>((owed, one, round) => enterLeaves(owed, one, round, leavesMax), [])
        expect(docket.length).toBeLessThanOrEqual(leavesMax)
        expect(new Set(docket.map(leaf => `${leaf.pieceId}/${leaf.leafIndex}`)).size).toBe(docket.length)
        const ages = docket.map(({ sinceCountedRound }) => sinceCountedRound)
        expect(ages).toEqual([...ages].sort((a, b) => a - b))
        expect(countLeaves(docketChallenges(docket, leavesMax))).toBe(docket.length)
        expect(clearLeaves(docket, docketChallenges(docket, leavesMax))).toEqual([])
      })
    )
  })

  it('is cleared in slices of its oldest leaves', () => {
    const docket = enterLeaves(enterLeaves([], challengesOf([1, 5], [0, 3]), 1, 9), challengesOf([0, 1]), 2, 9)
    const slice = docketChallenges(docket, 2)
    expect(slice).toEqual([
      { pieceId: 0, leafIndices: [3] },
      { pieceId: 1, leafIndices: [5] }
    ])
    expect(clearLeaves(docket, slice)).toEqual([{ pieceId: 0, leafIndex: 1, sinceCountedRound: 2 }])
    expect(clearLeaves(docket, challengesOf([9, 9]))).toEqual(docket)
  })

  it('loses the leaves of pieces that are gone, and keeps the others with their age', () => {
    const docket = enterLeaves(enterLeaves([], challengesOf([1, 5], [0, 3]), 1, 9), challengesOf([1, 6]), 2, 9)
    expect(dropPieces(docket, new Set([1]))).toEqual([{ pieceId: 0, leafIndex: 3, sinceCountedRound: 1 }])
    expect(dropPieces(docket, new Set([2]))).toBe(docket)
  })

  it('is overdue when its oldest leaf is as old as the time of cure', () => {
    const docket = enterLeaves([], challengesOf([0, 1]), 5, 10)
    expect(isOverdue(docket, 7, 3)).toBe(false)
    expect(isOverdue(docket, 8, 3)).toBe(true)
    expect(isOverdue([], 100, 1)).toBe(false)
  })
})
