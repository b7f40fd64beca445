import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  collateralTarget,
  escrowNeeded,
  feePerVerifier,
  pricePerRound,
  quoteDeal,
  splitPay
} from '../../src/ledger/price.ts'
import { PARAMETERS, parametersWith } from './network-fixture.ts'

const { money } = PARAMETERS
const amounts = fc.bigInt({ min: 0n, max: 2n ** 100n })

describe('prices', () => {
  it.each([
    [0n, 0, 0n],
    [100n, 0, 0n],
    [0n, 1, 1000n],
    [100n, 10, 1000n],
    [100n, 11, 1100n]
  ])('of %i atto a leaf and %i leaves are %i', (pricePerLeaf, leafCount, price) => {
    expect(pricePerRound(money, pricePerLeaf, leafCount)).toBe(price)
  })

  it('are quoted with at least the notice period', () => {
    expect(quoteDeal(money, 100n, 20, 1)).toEqual({ pricePerRound: 2000n, escrow: 10_000n, fundedRounds: 5 })
    expect(quoteDeal(money, 100n, 20, 30)).toEqual({ pricePerRound: 2000n, escrow: 60_000n, fundedRounds: 30 })
    expect(escrowNeeded(money, 2000n)).toBe(10_000n)
    expect(collateralTarget(money, 2000n)).toBe(2000n * BigInt(money.collateralRounds))
  })
})

describe('pay', () => {
  it('never loses or makes an atto', () => {
    const shares = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(amounts, amounts, amounts, shares, (pay, collateral, target, earnInPpm) => {
        const { paid, withheld } = splitPay({ ...money, earnInPpm }, pay, collateral, target)
        expect(paid + withheld).toBe(pay)
        expect(paid >= 0n && withheld >= 0n).toBe(true)
        expect(withheld <= (target > collateral ? target - collateral : 0n)).toBe(true)
      })
    )
  })

  it('of verifiers together is within their share, and short of it by less than an atto each and one', () => {
    const rows = fc.tuple(amounts, fc.integer({ min: 0, max: 500_000 }), fc.integer({ min: 1, max: 64 }))
    fc.assert(
      fc.property(rows, ([price, verifierFeePpm, verifiers]) => {
        const all =
          feePerVerifier(parametersWith({ money: { verifierFeePpm } }).money, price, verifiers) * BigInt(verifiers)
        const share = price * BigInt(verifierFeePpm)
        expect(all * 1_000_000n <= share).toBe(true)
        expect(share - all * 1_000_000n < 1_000_000n * BigInt(verifiers + 1)).toBe(true)
      })
    )
  })
})
