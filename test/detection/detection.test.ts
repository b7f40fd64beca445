/** The short mode; `npm run detection` plays every cell 20,000 times. */
import { portableNodeHasher } from '@holdfast/proofs'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { describe, expect, it } from 'vitest'
import { CELLS, chanceOf, makePieces, playCell } from './cells.ts'

const SEED = process.env.HOLDFAST_SEED ?? String(Date.now())
const ROUNDS = process.env.HOLDFAST_LONG === '1' ? 20_000 : 20
const NODE_HASHER = await loadNativeNodeHasher().catch(() => portableNodeHasher)
const STORED = makePieces(SEED, NODE_HASHER)
/** Once in two billion cells by chance: this mode looks for what is plainly wrong. */
const Z_MAX = 6

describe(`a loss (HOLDFAST_SEED=${SEED})`, () => {
  it.each(CELLS)(
    'of $lostPermille ‰ is found by $leavesPerRound leaves as often as the formula says, and never where there is none',
    { timeout: 1_200_000 },
    async cell => {
      const { detected, expected, wrongVerdicts } = await playCell(STORED, SEED, cell, ROUNDS, NODE_HASHER)
      expect(wrongVerdicts).toBe(0)
      // In so few rounds counts near none and all are not normal: half a round more or less.
      const spread = Math.sqrt(ROUNDS * expected * (1 - expected)) + 0.5
      expect(Math.abs(detected - expected * ROUNDS) / spread, `${detected} of ${ROUNDS}`).toBeLessThan(Z_MAX)
    }
  )

  it('is never found in a deal that has lost nothing', async () => {
    const whole = { lostPermille: 0, leavesPerRound: 100 }
    expect(chanceOf(whole)).toBe(0)
    expect(await playCell(STORED, SEED, whole, 20, NODE_HASHER)).toMatchObject({ detected: 0, wrongVerdicts: 0 })
  })
})
