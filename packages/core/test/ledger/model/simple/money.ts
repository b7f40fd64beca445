/** PROTOCOLS.md §10 in figures. */
import type { NetworkParameters } from '../../../../src/network.ts'
import type { ModelDeal, ModelState } from './state.ts'

/** Of one round of so many leaves. */
export function priceOf({ money }: NetworkParameters, pricePerLeafRound: bigint, leaves: number): bigint {
  if (leaves === 0) return 0n
  const price = pricePerLeafRound * BigInt(leaves)
  return price < money.pricePerRoundMin ? money.pricePerRoundMin : price
}

export function noticeEscrow({ money }: NetworkParameters, price: bigint): bigint {
  return BigInt(money.noticeRounds + 1) * price
}

/** Leaves of all pieces that have joined and are not gone. */
export function leavesHeld(deal: ModelDeal): number {
  return deal.pieces.filter(piece => !piece.gone).reduce((sum, piece) => sum + piece.leafCount, 0)
}

export function bytesHeld(deal: ModelDeal): number {
  return deal.pieces.filter(piece => !piece.gone).reduce((sum, piece) => sum + piece.rawSize, 0)
}

/** Price of a round of what a deal holds. */
export function priceHeld({ parameters }: ModelState, deal: ModelDeal): bigint {
  return priceOf(parameters, deal.pricePerLeafRound, leavesHeld(deal))
}

export function least(...amounts: readonly bigint[]): bigint {
  return amounts.reduce((smallest, amount) => (amount < smallest ? amount : smallest))
}

export function partsPerMillion(amount: bigint, ppm: number): bigint {
  return (amount * BigInt(ppm)) / 1_000_000n
}
