/** PROTOCOLS.md §6: deals, pieces, openings and hand-over. */
import type { Command, CommandOf } from '../../../../src/ledger/commands.ts'
import type { RefusalCode } from '../../../../src/ledger/refusal.ts'
import type { Address } from '../../../../src/schema.ts'
import { giveNotice } from './boundary.ts'
import type { CommandFacts, PieceFacts } from './facts.ts'
import { bytesHeld, least, leavesHeld, noticeEscrow, partsPerMillion, priceHeld, priceOf } from './money.ts'
import { account, credit, findDeal, isRunning, type ModelAsk, type ModelDeal, type ModelState } from './state.ts'

const PIECE_BYTES_MAX = 1_065_353_216

/** Changes the state, also where it then refuses: the caller drops it. */
export function applyDealRule(state: ModelState, command: Command, facts: CommandFacts): RefusalCode | undefined {
  switch (command.kind) {
    case 'DealOrder':
      return openDeal(state, command)
    case 'PiecesOrder':
      return addPieces(state, command, facts.pieces ?? [])
    case 'RemovePieces':
      return removePieces(state, command)
    case 'TopUp':
      return topUp(state, command)
    case 'EndDeal':
      return endDeal(state, command)
    case 'DemandOpening':
      return demandOpening(state, command)
    case 'TakeOverOrder':
      return orderTakeOver(state, command)
    case 'HandOver':
      return handOver(state, command)
    default:
      return undefined
  }
}

export function pay(state: ModelState, address: Address, amount: bigint): RefusalCode | undefined {
  if (account(state, address).free < amount) return 'BALANCE_TOO_SMALL'
  credit(state, address, -amount)
  return undefined
}

/** The ask that counts now. */
export function askInForce(state: ModelState, provider: Address): ModelAsk | undefined {
  const asks = state.asks.find(one => one.provider === provider)
  return asks?.next !== undefined && asks.next.from <= state.openings ? asks.next : asks?.now
}

function openDeal(state: ModelState, { statement }: CommandOf<'DealOrder'>): RefusalCode | undefined {
  const { client, provider, leavesPerRound, escrow, pricePerLeafRound } = statement
  const ask = askInForce(state, provider)
  if (ask === undefined) return 'NO_ASK'
  if (leavesPerRound < 1 || leavesPerRound > state.parameters.proving.leavesPerRoundMax) return 'TOO_MANY_LEAVES'
  const unpaid = pay(state, client, escrow)
  if (unpaid !== undefined) return unpaid
  enterDeal(state, { client, provider, operator: ask.operator, pricePerLeafRound, leavesPerRound, escrow })
  return undefined
}

type Terms = Pick<ModelDeal, 'client' | 'provider' | 'operator' | 'pricePerLeafRound' | 'leavesPerRound' | 'escrow'>

function enterDeal(state: ModelState, terms: Terms): ModelDeal {
  const deal: ModelDeal = {
    ...terms,
    id: state.deals.length + 1,
    status: 'active',
    lastRound: 0,
    pieces: [],
    nextPieceId: 0,
    repairEscrow: 0n,
    collateral: 0n,
    reward: 0n,
    budget: 0n,
    budgetUntil: 0,
    takeOver: undefined,
    successor: undefined,
    docket: [],
    answerFrom: undefined,
    demand: undefined,
    funded: terms.escrow,
    toProvider: 0n,
    toVerifiers: 0n,
    refunded: 0n,
    burned: 0n,
    proved: 0,
    faulted: 0,
    voided: 0
  }
  state.deals.push(deal)
  return deal
}

/** The active deal of a client. */
function active(state: ModelState, dealId: number, client: Address): ModelDeal | RefusalCode {
  const deal = findDeal(state, dealId)
  if (deal === undefined) return 'NO_DEAL'
  if (deal.client !== client) return 'NOT_A_PARTY'
  return deal.status === 'active' ? deal : 'DEAL_NOT_ACTIVE'
}

function addPieces(
  state: ModelState,
  { statement }: CommandOf<'PiecesOrder'>,
  added: readonly PieceFacts[]
): RefusalCode | undefined {
  const { client, dealId, labels, deposit } = statement
  const deal = active(state, dealId, client)
  if (typeof deal === 'string') return deal
  if (labels.length !== added.length) return 'WRONG_LABELS'
  for (const { name, isPiece, rawSize, leafCount } of added) {
    if (!isPiece || rawSize < 1 || rawSize > PIECE_BYTES_MAX) return 'BAD_PIECE'
    if (deal.pieces.some(piece => piece.name === name && piece.until === undefined)) return 'PIECE_ALREADY_IN_DEAL'
    const id = deal.nextPieceId
    deal.pieces.push({ id, name, rawSize, leafCount, from: state.openings + 2, until: undefined, gone: false })
    deal.nextPieceId += 1
  }
  const unpaid = pay(state, client, deposit)
  if (unpaid !== undefined) return unpaid
  deal.escrow += deposit
  deal.funded += deposit
  if (deal.escrow < noticeEscrow(state.parameters, priceHeld(state, deal))) return 'ESCROW_TOO_SMALL'
  return isCapped(state, deal) ? 'UNCOLLATERALISED_CAP' : undefined
}

/** What a deal holds, and what its provider's others hold that have not their full collateral, is more than is allowed. */
function isCapped(state: ModelState, deal: ModelDeal): boolean {
  const { collateralRounds, uncollateralisedBytesMax } = state.parameters.money
  const others = state.deals.filter(
    other =>
      other.id !== deal.id &&
      other.provider === deal.provider &&
      isRunning(other) &&
      other.collateral < BigInt(collateralRounds) * priceHeld(state, other)
  )
  return [deal, ...others].reduce((sum, one) => sum + bytesHeld(one), 0) > uncollateralisedBytesMax
}

function removePieces(state: ModelState, { statement }: CommandOf<'RemovePieces'>): RefusalCode | undefined {
  const deal = active(state, statement.dealId, statement.client)
  if (typeof deal === 'string') return deal
  for (const pieceId of statement.pieceIds) {
    const piece = deal.pieces.find(({ id }) => id === pieceId)
    if (piece === undefined || piece.until !== undefined) return 'NO_PIECE'
    piece.until = state.openings + 1
  }
  return undefined
}

function topUp(state: ModelState, { statement }: CommandOf<'TopUp'>): RefusalCode | undefined {
  const { client, dealId, amount } = statement
  const deal = active(state, dealId, client)
  if (typeof deal === 'string') return deal
  deal.escrow += amount
  deal.funded += amount
  return pay(state, client, amount)
}

function endDeal(state: ModelState, { statement: { party, dealId } }: CommandOf<'EndDeal'>): RefusalCode | undefined {
  const deal = findDeal(state, dealId)
  if (deal === undefined) return 'NO_DEAL'
  if (deal.client !== party && deal.provider !== party) return 'NOT_A_PARTY'
  if (deal.status !== 'active') return 'DEAL_NOT_ACTIVE'
  giveNotice(state, deal, state.round)
  return undefined
}

function demandOpening(state: ModelState, { statement }: CommandOf<'DemandOpening'>): RefusalCode | undefined {
  const { client, dealId, bond } = statement
  const deal = findDeal(state, dealId)
  if (deal === undefined) return 'NO_DEAL'
  if (deal.client !== client) return 'NOT_A_PARTY'
  if (!isRunning(deal)) return 'DEAL_NOT_ACTIVE'
  if (deal.demand !== undefined) return 'ALREADY_DEMANDED'
  if (bond < state.parameters.money.openingBond) return 'BOND_TOO_SMALL'
  deal.demand = { bond, from: state.openings + 1 }
  return pay(state, client, bond)
}

function orderTakeOver(state: ModelState, { statement }: CommandOf<'TakeOverOrder'>): RefusalCode | undefined {
  const { client, dealId, pricePerLeafRoundMax, reward, regions } = statement
  const deal = findDeal(state, dealId)
  if (deal === undefined) return 'NO_DEAL'
  if (deal.client !== client) return 'NOT_A_PARTY'
  if (deal.status === 'ended') return 'DEAL_NOT_ACTIVE'
  if (deal.successor !== undefined) return 'ALREADY_TAKEN_OVER'
  deal.takeOver = { priceMax: pricePerLeafRoundMax, reward, regions }
  return undefined
}

function handOver(state: ModelState, { statement }: CommandOf<'HandOver'>): RefusalCode | undefined {
  const { provider, dealId, pricePerLeafRound } = statement
  const failed = findDeal(state, dealId)
  if (failed === undefined) return 'NO_DEAL'
  if (failed.successor !== undefined) return 'ALREADY_TAKEN_OVER'
  if (failed.status !== 'failed' || state.round > failed.budgetUntil) return 'NOT_REPAIRABLE'
  const { takeOver, budget, client, leavesPerRound, nextPieceId } = failed
  if (takeOver === undefined) return 'NO_TAKE_OVER_ORDER'
  const ask = askInForce(state, provider)
  if (ask === undefined) return 'NO_ASK'
  if ([provider, ask.operator].some(one => one === failed.provider || one === failed.operator)) return 'SAME_PROVIDER'
  if (takeOver.regions.length > 0 && !takeOver.regions.includes(ask.region)) return 'WRONG_REGION'
  if (pricePerLeafRound > takeOver.priceMax) return 'PRICE_TOO_HIGH'
  const deal = enterDeal(state, {
    client,
    provider,
    operator: ask.operator,
    pricePerLeafRound,
    leavesPerRound,
    escrow: 0n
  })
  deal.pieces = failed.pieces
    .filter(({ until }) => until === undefined)
    .map(piece => ({ ...piece, from: state.openings + 2 }))
  deal.nextPieceId = nextPieceId
  deal.takeOver = takeOver
  const { parameters } = state
  const escrow = noticeEscrow(parameters, priceOf(parameters, pricePerLeafRound, leavesHeld(deal)))
  if (escrow > budget) return 'ESCROW_TOO_SMALL'
  deal.escrow = escrow
  deal.repairEscrow = escrow
  deal.funded = escrow
  deal.reward = least(takeOver.reward, partsPerMillion(budget, parameters.money.repairRewardPpm), budget - escrow)
  failed.budget = budget - escrow - deal.reward
  failed.successor = deal.id
  return isCapped(state, deal) ? 'UNCOLLATERALISED_CAP' : undefined
}
