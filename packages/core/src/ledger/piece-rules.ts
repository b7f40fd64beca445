/** Rules about the pieces of a deal: what joins it, and what leaves it. */
import { decodePieceCid, leafCountOf, PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import { bytesToHex } from '@noble/hashes/utils.js'
import { firstOpeningOfPiece, lastOpeningOfPiece } from '../rounds/boundaries.ts'
import { refuseOverdraft } from './account-rules.ts'
import { findActiveDeal } from './deal-rules.ts'
import { collateralTarget, escrowNeeded, priceOfDeal, pricePerRound } from './price.ts'
import { type Refused, refuse } from './refusal.ts'
import { applied, type Rule } from './rules.ts'
import { type Deal, type DealPiece, type LedgerState, openAccount } from './state.ts'
import type { Statement } from './statements.ts'

export const addPieces: Rule<'PiecesOrder'> = (state, { statement }) => {
  const { client, dealId, deposit } = statement
  const found = findActiveDeal(state, dealId, client)
  if ('refusal' in found) return found
  const { deal } = found
  const read = readPieces(deal, statement, firstOpeningOfPiece(state.openings))
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
  const addedBytes = sizeOf(read.pieces)
  const capped = refuseUncollateralised(state, deal, addedBytes)
  if (capped !== undefined) return capped
  openAccount(state, client).free -= deposit
  deal.escrow += deposit
  deal.totals.funded += deposit
  deal.pieces = [...deal.pieces, ...read.pieces]
  deal.nextPieceId += read.pieces.length
  deal.leafCount = leafCount
  deal.rawSize += addedBytes
  return applied({ kind: 'piecesAdded', dealId, pieces: read.pieces.length, pricePerRound: price })
}

/** What is frozen already is still challenged and paid; after that the pieces are gone, and their bytes may go. */
export const removePieces: Rule<'RemovePieces'> = (state, { statement: { client, dealId, pieceIds } }) => {
  const found = findActiveDeal(state, dealId, client)
  if ('refusal' in found) return found
  const { deal } = found
  const removed = new Set(pieceIds)
  const present = new Set(deal.pieces.filter(isPresent).map(({ id }) => id))
  const missing = pieceIds.find(id => !present.has(id))
  if (missing !== undefined || removed.size < pieceIds.length) {
    return refuse('NO_PIECE', `deal ${dealId} has no such piece to remove, or it is named twice`, {
      dealId,
      ...(missing !== undefined && { pieceId: missing })
    })
  }
  const untilOpening = lastOpeningOfPiece(state.openings)
  deal.pieces = deal.pieces.map(piece => (removed.has(piece.id) ? { ...piece, untilOpening } : piece))
  return applied({ kind: 'piecesRemoved', dealId, pieceIds, untilOpening })
}

/** Says whether nobody has removed a piece: what a deal is meant to hold from now on. */
export function isPresent({ untilOpening }: Pick<DealPiece, 'untilOpening'>): boolean {
  return untilOpening === undefined
}

function readPieces(
  deal: Deal,
  { pieces: cids, labels }: Statement<'PiecesOrder'>,
  fromOpening: number
): { pieces: DealPiece[] } | Refused {
  if (labels.length !== cids.length)
    return refuse('WRONG_LABELS', `${cids.length} pieces have one label each, not ${labels.length}`, {
      pieces: cids.length,
      labels: labels.length
    })
  const known = new Set(deal.pieces.filter(isPresent).map(piece => piece.cid.toString()))
  const pieces: DealPiece[] = []
  for (const [index, cid] of cids.entries()) {
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
    pieces.push({
      id: deal.nextPieceId + index,
      cid,
      label: bytesToHex(labels[index]!),
      rawSize,
      leafCount: leafCountOf(rawSize),
      fromOpening,
      untilOpening: undefined
    })
  }
  return { pieces }
}

/**
 * A provider without collateral may hold only so many bytes: what it could run away from stays small.
 *
 * @param deal - counts in any case, with what is added to it
 */
export function refuseUncollateralised(
  state: LedgerState,
  deal: Pick<Deal, 'id' | 'provider' | 'rawSize'>,
  addedBytes: number
): Refused | undefined {
  const { money } = state.parameters
  let bytes = deal.rawSize + addedBytes
  for (const id of state.dealsByProvider.get(deal.provider) ?? []) {
    const other = state.deals.get(id)!
    if (id !== deal.id && other.collateral < collateralTarget(money, priceOfDeal(money, other))) bytes += other.rawSize
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
