/** What storing costs: the one place where prices are computed. All amounts in atto, every division rounds down. */
import type { NetworkParameters } from '../network.ts'
import { leafCountIn } from '../rounds/freeze.ts'
import type { Deal } from './state.ts'

const PPM = 1_000_000n

type MoneyParameters = NetworkParameters['money']

/** Price of one round for a deal of so many leaves, verifiers' fee included. An empty deal costs nothing. */
export function pricePerRound(money: MoneyParameters, pricePerLeafRound: bigint, leafCount: number): bigint {
  if (leafCount === 0) return 0n
  const price = pricePerLeafRound * BigInt(leafCount)
  return price > money.pricePerRoundMin ? price : money.pricePerRoundMin
}

/** What must be in escrow before pieces may join: the notice period and the round in which the notice is given. */
export function escrowNeeded(money: MoneyParameters, price: bigint): bigint {
  return price * BigInt(money.noticeRounds + 1)
}

/** Collateral at which nothing is withheld from a provider's pay any more. */
export function collateralTarget(money: MoneyParameters, price: bigint): bigint {
  return price * BigInt(money.collateralRounds)
}

/** What one verifier earns in a round of a deal; what the division leaves stays with the provider's pay. */
export function feePerVerifier(money: MoneyParameters, price: bigint, verifiersPerDeal: number): bigint {
  return (price * BigInt(money.verifierFeePpm)) / PPM / BigInt(verifiersPerDeal)
}

/** Splits a provider's pay into what is credited and what is withheld as collateral. */
export function splitPay(
  money: MoneyParameters,
  pay: bigint,
  collateral: bigint,
  target: bigint
): { paid: bigint; withheld: bigint } {
  const missing = target > collateral ? target - collateral : 0n
  const share = (pay * BigInt(money.earnInPpm)) / PPM
  const withheld = share < missing ? share : missing
  return { paid: pay - withheld, withheld }
}

/** What one opening of a deal costs. */
export function priceOfOpening(money: MoneyParameters, deal: Deal, opening: number): bigint {
  return pricePerRound(money, deal.pricePerLeafRound, leafCountIn(deal.pieces, opening))
}

/** Whole units in an amount: how many places a stake has. */
export function unitsIn(amount: bigint, unit: bigint): number {
  return Number(amount / unit)
}

/** Price of a round of a deal with all pieces that joined it and are not gone: what its escrow has to cover. */
export function priceOfDeal(money: MoneyParameters, deal: Deal): bigint {
  return pricePerRound(money, deal.pricePerLeafRound, deal.leafCount)
}

/** What a store will cost; the debit is never more. */
export interface Quote {
  readonly pricePerRound: bigint
  /** Moved to escrow at once: the rounds asked for, and at least the notice period. What is not used comes back. */
  readonly escrow: bigint
  /** Rounds that the escrow pays for, notice included. */
  readonly fundedRounds: number
}

/** @param rounds - how long to fund, at least; never less than the notice period and one */
export function quoteDeal(money: MoneyParameters, pricePerLeafRound: bigint, leafCount: number, rounds: number): Quote {
  const price = pricePerRound(money, pricePerLeafRound, leafCount)
  const fundedRounds = Math.max(rounds, money.noticeRounds + 1)
  return { pricePerRound: price, escrow: price * BigInt(fundedRounds), fundedRounds }
}
