import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { mustBeOpened } from '../../src/rounds/opening.ts'

const deal = (dealId: number, mustOpen = false) => ({ dealId, mustOpen })
const seedOf = (round: number) => sha256(Uint8Array.of(round, round >> 8))

describe('drawn openings', () => {
  it.each([1, 4, 64])('come once in %i', oneIn => {
    const draws = 8000
    let opened = 0
    for (let index = 0; index < draws; index += 1) {
      if (mustBeOpened(seedOf(index % 200), deal(index), oneIn)) opened += 1
    }
    const expected = draws / oneIn
    expect(Math.abs(opened - expected)).toBeLessThanOrEqual(4 * Math.sqrt(expected * (1 - 1 / oneIn)))
  })

  it('hit deals apart from each other, and rounds apart from each other', () => {
    const hits = (round: number) =>
      Array.from({ length: 200 }, (_, id) => (mustBeOpened(seedOf(round), deal(id), 2) ? '1' : '0')).join('')
    expect(hits(1)).not.toBe(hits(2))
    expect(hits(1)).toContain('0')
    expect(hits(1)).toContain('1')
  })

  it('follow a bad proof, whatever the draw', () => {
    expect(mustBeOpened(seedOf(1), deal(1, true), 2 ** 32)).toBe(true)
    expect(mustBeOpened(seedOf(1), deal(1), 2 ** 32)).toBe(false)
  })
})
