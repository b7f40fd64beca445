/** Rules about deals: opening, adding pieces, funding, giving notice. */
import { decodePieceCid, leafCountOf, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { Address } from '../schema.ts'
import { refuseOverdraft } from './account-rules.ts'
import { collateralTarget, escrowNeeded, priceOfDeal, pricePerRound } from './price.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import { type Deal, type DealPiece, type LedgerState, openAccount } from './state.ts'

export const openDeal: Rule<'DealOrder'> = (state, { statement }) => {
  const { client, provider, pricePerLeafRound, leavesPerRound, escrow } = statement
  if (!state.asks.has(provider))
    return refuse('NO_ASK', `${provider} has no ask on this ledger, so nobody would find it`, { provider })
  const { leavesPerRoundMax } = state.parameters.proving
  if (leavesPerRound < 1 || leavesPerRound > leavesPerRoundMax) {
    return refuse(
      'TOO_MANY_LEAVES',
      `a deal is asked for 1 to ${leavesPerRoundMax} leaves a round, not ${leavesPerRound}`,
      { leavesPerRoundMax, got: leavesPerRound }
    )
  }
  const overdraft = refuseOverdraft(state, client, escrow)
  if (overdraft !== undefined) return overdraft
  const id = state.nextDealId
  state.nextDealId += 1
  openAccount(state, client).free -= escrow
  state.deals.set(id, {
    id,
    orderId: statement.id,
    client,
    provider,
    pricePerLeafRound,
    leavesPerRound,
    status: 'active',
    endsAfterRound: 0,
    pieces: [],
    leafCount: 0,
    escrow,
    collateral: 0n,
    repairBudget: 0n,
    repairUntilRound: 0,
    docket: [],
    mustOpen: false,
    totals: { funded: escrow, paidToProvider: 0n, paidToVerifiers: 0n, refunded: 0n },
    rounds: { proved: 0, faulted: 0, void: 0 }
  })
  return applied({ kind: 'dealOpened', dealId: id, client, provider })
}

export const addPieces: Rule<'PiecesOrder'> = (state, { statement: { client, dealId, root, pieces, deposit } }) => {
  const found = findActiveDeal(state, dealId, client)
  if ('refusal' in found) return found
  const { deal } = found
  const read = readPieces(deal, root, pieces)
  if ('refusal' in read) return read
  const overdraft = refuseOverdraft(state, client, deposit)
  if (overdraft !== undefined) return overdraft
  const { money } = state.parameters
  const leafCount = read.pieces.reduce((sum, piece) => sum + piece.leafCount, deal.leafCount)
  const price = pricePerRound(money, deal.pricePerLeafRound, leafCount)
  const needed = escrowNeeded(money, price)
  if (deal.escrow + deposit < needed) {
    return refuse(
      'ESCROW_TOO_SMALL',
      `these pieces need ${needed} atto in escrow, and the deal would have ${deal.escrow + deposit}`,
      {
        needed: `${needed}`,
        escrow: `${deal.escrow + deposit}`
      }
    )
  }
  const capped = refuseUncollateralised(state, deal, read.pieces)
  if (capped !== undefined) return capped
  openAccount(state, client).free -= deposit
  deal.escrow += deposit
  deal.totals.funded += deposit
  deal.pieces = [...deal.pieces, ...read.pieces]
  deal.leafCount = leafCount
  return applied({ kind: 'piecesAdded', dealId, pieces: read.pieces.length, pricePerRound: price })
}

export const topUp: Rule<'TopUp'> = (state, { statement: { client, dealId, amount } }) => {
  const found = findActiveDeal(state, dealId, client)
  if ('refusal' in found) return found
  const overdraft = refuseOverdraft(state, client, amount)
  if (overdraft !== undefined) return overdraft
  openAccount(state, client).free -= amount
  found.deal.escrow += amount
  found.deal.totals.funded += amount
  return applied({ kind: 'toppedUp', dealId, amount })
}

export const endDeal: Rule<'EndDeal'> = (state, { statement: { party, dealId } }) => {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (party !== deal.client && party !== deal.provider) return refuseStranger(dealId, party)
  if (deal.status !== 'active') return refuseInactive(deal)
  const endsAfterRound = giveNotice(state, deal)
  return applied({ kind: 'dealEnding', dealId, endsAfterRound, reason: 'notice' })
}

/** Starts the notice period; @returns the last round in which the deal is challenged and paid. */
export function giveNotice(state: LedgerState, deal: Deal): number {
  deal.status = 'ending'
  deal.endsAfterRound = state.round + state.parameters.money.noticeRounds
  return deal.endsAfterRound
}

function findActiveDeal(state: LedgerState, dealId: number, client: Address): { deal: Deal } | Refused {
  const deal = state.deals.get(dealId)
  if (deal === undefined) return refuseNoDeal(dealId)
  if (deal.client !== client) return refuseStranger(dealId, client)
  return deal.status === 'active' ? { deal } : refuseInactive(deal)
}

export function refuseNoDeal(dealId: number): Refused {
  return refuse('NO_DEAL', `there is no deal ${dealId}`, { dealId })
}

export function refuseStranger(dealId: number, address: Address): Refused {
  return refuse('NOT_A_PARTY', `${address} cannot do this in deal ${dealId}`, { dealId, address })
}

function refuseInactive(deal: Deal): Refused {
  return refuse('DEAL_NOT_ACTIVE', `deal ${deal.id} is ${deal.status}; open another one`, {
    dealId: deal.id,
    status: deal.status
  })
}

function readPieces(deal: Deal, root: CID, cids: readonly CID[]): { pieces: DealPiece[] } | Refused {
  const known = new Set(deal.pieces.map(piece => piece.cid.toString()))
  const pieces: DealPiece[] = []
  for (const cid of cids) {
    const text = cid.toString()
    const decoded = decodePieceCid(cid)
    if (!decoded.ok)
      return refuse('BAD_PIECE', `${text} is no piece: ${decoded.reason}`, { cid: text, reason: decoded.reason })
    const { rawSize } = decoded.commitment
    if (rawSize < 1 || rawSize > PIECE_SIZE_BYTES_MAX) {
      return refuse('BAD_PIECE', `a piece has 1 to ${PIECE_SIZE_BYTES_MAX} bytes, ${text} has ${rawSize}`, {
        cid: text,
        rawSize
      })
    }
    if (known.has(text))
      return refuse('PIECE_ALREADY_IN_DEAL', `${text} is already in deal ${deal.id}`, { cid: text, dealId: deal.id })
    known.add(text)
    pieces.push({ cid, root, rawSize, leafCount: leafCountOf(rawSize) })
  }
  return { pieces }
}

/** A provider without collateral may hold only so many bytes: what it could run away from stays small. */
function refuseUncollateralised(state: LedgerState, deal: Deal, added: readonly DealPiece[]): Refused | undefined {
  const { money } = state.parameters
  let bytes = sizeOf(added)
  for (const other of state.deals.values()) {
    const live = other.status === 'active' || other.status === 'ending'
    if (!live || other.provider !== deal.provider) continue
    if (other.id === deal.id || other.collateral < collateralTarget(money, priceOfDeal(money, other)))
      bytes += sizeOf(other.pieces)
  }
  if (bytes <= money.uncollateralisedBytesMax) return undefined
  return refuse(
    'UNCOLLATERALISED_CAP',
    `${deal.provider} would hold ${bytes} bytes without full collateral; the network allows ${money.uncollateralisedBytesMax}`,
    {
      bytes,
      allowed: money.uncollateralisedBytesMax
    }
  )
}

function sizeOf(pieces: readonly DealPiece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.rawSize, 0)
}
