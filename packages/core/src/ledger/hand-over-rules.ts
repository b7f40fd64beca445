/**
 * Rules about deals that fail: their client says beforehand who may take the pieces over, and another provider takes them
 * over, paid from what the first one forfeited. Nobody has to be awake for it but the new provider.
 *
 * The new deal costs the client nothing until the repair budget is used up; what it does not use is burned, never paid
 * out. The reward is capped by `repairRewardPpm`, so that who fails and comes back under another name has lost by it.
 */
import { firstOpeningOfPiece } from '../rounds/boundaries.ts'
import { askOf } from './asks.ts'
import { newDeal, refuseInactive, refuseNoAsk, refuseNoDeal, refuseStranger } from './deal-rules.ts'
import { dropIfOver } from './live-deals.ts'
import { isPresent, refuseUncollateralised } from './piece-rules.ts'
import { escrowNeeded, pricePerRound } from './price.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import type { Deal, DealPiece, LedgerState, TakeOver } from './state.ts'
import type { Statement } from './statements.ts'

const PPM = 1_000_000n

/** A later order replaces the one before; also after the deal has failed, while nobody has taken it over. */
export const orderTakeOver: Rule<'TakeOverOrder'> = (state, { statement }) => {
  const { client, dealId, pricePerLeafRoundMax, reward, regions } = statement
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.client !== client) return refuseStranger(dealId, client)
  if (deal.status === 'ended') return refuseInactive(deal)
  if (deal.successor !== undefined) return refuseTakenOver(deal, deal.successor)
  deal.takeOver = { pricePerLeafRoundMax, reward, regions }
  return applied({ kind: 'takeOverOrdered', dealId })
}

/**
 * Opens the deal that goes on with a failed one: same client, same pieces under their numbers, challenged like pieces that
 * were added now. Its escrow is a notice period out of the repair budget, and so is the reward, as far as that reaches.
 */
export const handOver: Rule<'HandOver'> = (state, { statement }) => {
  const found = findRepairable(state, statement.dealId)
  if ('refusal' in found) return found
  const { deal, takeOver } = found
  const chosen = chooseTerms(state, deal, takeOver, statement)
  if ('refusal' in chosen) return chosen
  const { money } = state.parameters
  const pieces = piecesToTakeOver(deal, firstOpeningOfPiece(state.openings))
  const leafCount = pieces.reduce((sum, piece) => sum + piece.leafCount, 0)
  const rawSize = pieces.reduce((sum, piece) => sum + piece.rawSize, 0)
  const escrow = escrowNeeded(money, pricePerRound(money, statement.pricePerLeafRound, leafCount))
  if (escrow > deal.repairBudget)
    return refuse(
      'ESCROW_TOO_SMALL',
      `a notice period costs ${escrow} atto, and the repair budget is ${deal.repairBudget}`,
      {
        needed: `${escrow}`,
        escrow: `${deal.repairBudget}`
      }
    )
  const capped = refuseUncollateralised(state, { id: state.nextDealId, provider: statement.provider, rawSize }, 0)
  if (capped !== undefined) return capped
  const repairReward = rewardOf(deal.repairBudget, takeOver.reward, money.repairRewardPpm, deal.repairBudget - escrow)
  const { client, leavesPerRound } = deal
  const { provider, pricePerLeafRound, id: orderId } = statement
  const opened = newDeal(state, {
    orderId,
    client,
    provider,
    operator: chosen.operator,
    pricePerLeafRound,
    leavesPerRound
  })
  Object.assign(opened, { pieces, nextPieceId: deal.nextPieceId, leafCount, rawSize, takeOver, repairReward })
  opened.escrow = escrow
  opened.escrowFromRepair = escrow
  opened.totals.funded = escrow
  deal.repairBudget -= escrow + repairReward
  deal.successor = opened.id
  dropIfOver(state, deal)
  return applied({ kind: 'handedOver', dealId: deal.id, successor: opened.id, provider, escrow, reward: repairReward })
}

function findRepairable(state: LedgerState, dealId: number): { deal: Deal; takeOver: TakeOver } | Refused {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.successor !== undefined) return refuseTakenOver(deal, deal.successor)
  if (deal.status !== 'failed' || state.round > deal.repairUntilRound)
    return refuse('NOT_REPAIRABLE', `deal ${dealId} has not failed, or its time for repair is over`, {
      dealId,
      status: deal.status,
      repairUntilRound: deal.repairUntilRound
    })
  const { takeOver } = deal
  return takeOver === undefined
    ? refuse('NO_TAKE_OVER_ORDER', `the client of deal ${dealId} has not said that it may be taken over`, { dealId })
    : { deal, takeOver }
}

/** Says whether this provider may take the deal over, under this client's order. */
function chooseTerms(
  state: LedgerState,
  deal: Deal,
  { pricePerLeafRoundMax, regions }: TakeOver,
  { provider, pricePerLeafRound }: Statement<'HandOver'>
): { operator: Deal['operator'] } | Refused {
  const ask = askOf(state, provider)
  if (ask === undefined) return refuseNoAsk(provider)
  const failed = new Set([deal.provider, deal.operator])
  if (failed.has(provider) || failed.has(ask.operator))
    return refuse('SAME_PROVIDER', `${provider} is, or is run by, who has failed this deal`, {
      dealId: deal.id,
      provider
    })
  if (regions.length > 0 && !regions.includes(ask.region))
    return refuse('WRONG_REGION', `the client takes ${regions.join(', ')}, and the ask says “${ask.region}”`, {
      region: ask.region
    })
  if (pricePerLeafRound > pricePerLeafRoundMax)
    return refuse('PRICE_TOO_HIGH', `the client pays at most ${pricePerLeafRoundMax} atto for a leaf and round`, {
      pricePerLeafRoundMax: `${pricePerLeafRoundMax}`,
      got: `${pricePerLeafRound}`
    })
  return { operator: ask.operator }
}

function piecesToTakeOver({ pieces }: Deal, fromOpening: number): DealPiece[] {
  return pieces.filter(isPresent).map(piece => ({ ...piece, fromOpening }))
}

/** The least of what the client offers, of the share of the budget that the network allows, and of what is left of it. */
function rewardOf(budget: bigint, offered: bigint, sharePpm: number, left: bigint): bigint {
  const allowed = (budget * BigInt(sharePpm)) / PPM
  return [offered, allowed, left].reduce((least, amount) => (amount < least ? amount : least))
}

function refuseTakenOver({ id }: Deal, successor: number): Refused {
  return refuse('ALREADY_TAKEN_OVER', `deal ${successor} goes on with deal ${id}`, { dealId: id, successor })
}
