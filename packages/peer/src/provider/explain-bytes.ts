/**
 * Every byte that a provider gave to the network, by what it is for: what a donor sees when it asks where its disk went.
 *
 * The sums agree with the disk: all states but `free` and `reserved` together are the sizes of the files in the store's
 * directories.
 */
import { type Address, isPieceGone, type LedgerState } from '@holdfast/core'
import type { FileUsage, PieceStore, StoredPiece } from '../storage/index.ts'

/** Why bytes lie here that nobody pays for. */
export type UnpaidReason =
  /** Sent by a client who has not ordered yet. */
  | 'no order yet'
  /** Found on the disk; no deal has claimed it. */
  | 'nobody knows it'
  | 'deal ended'
  | 'deal failed'
  | 'removed'
  /** The deal owes proofs and earns nothing until it has given them. */
  | 'proofs are owed'
  /** The piece joined lately: the first round that pays for it has not been. */
  | 'not challenged yet'

export type ByteState =
  | { readonly state: 'paid'; readonly dealId: string }
  | { readonly state: 'unpaid'; readonly reason: UnpaidReason; readonly dealId: string; readonly untilMs?: number }

/** A piece's raw bytes and what they are for. */
export type ExplainedPiece = ByteState & { readonly piece: string; readonly bytes: number }

export interface ExplainedBytes {
  readonly capacityBytes: number
  readonly freeBytes: number
  /** Promised to uploads, and not written yet. */
  readonly reservedBytes: number
  readonly pieces: readonly ExplainedPiece[]
  readonly layerBytes: number
  /** Uploads under way and broken off, with their logs. */
  readonly incomingBytes: number
  /** Files that were not what their name said, for the operator to look at. */
  readonly damagedBytes: number
  /** Markers, and files that are not ours. */
  readonly otherBytes: number
  /** What the directories hold: everything but `freeBytes` and `reservedBytes`. */
  readonly diskBytes: number
}

/** Looks at the disk and at the ledger as they are now; exact while nothing is written. */
export async function explainBytes(
  store: Pick<PieceStore, 'list' | 'usage' | 'measure'>,
  state: LedgerState,
  provider: Address
): Promise<ExplainedBytes> {
  const pieces: ExplainedPiece[] = []
  for await (const piece of store.list()) {
    pieces.push({ piece: piece.cid.toString(), bytes: piece.rawSize, ...explainPiece(piece, state, provider) })
  }
  const { capacityBytes, freeBytes, unwrittenBytes } = store.usage()
  const files: FileUsage = await store.measure()
  const { layerBytes, incomingBytes, damagedBytes, otherBytes } = files
  return {
    capacityBytes,
    freeBytes,
    reservedBytes: unwrittenBytes,
    pieces,
    layerBytes,
    incomingBytes,
    damagedBytes,
    otherBytes,
    diskBytes: files.pieceBytes + layerBytes + incomingBytes + damagedBytes + otherBytes
  }
}

/**
 * A piece is paid for when any deal pays for it; else the reason that lasts longest is given.
 *
 * @param state - the ledger; what it does not know of is taken for what the index says
 */
export function explainPiece(
  { cid, holders }: Pick<StoredPiece, 'cid' | 'holders'>,
  state: LedgerState,
  provider: Address
): ByteState {
  let unpaid: ByteState | undefined
  for (const { dealId, untilMs } of holders) {
    const reason = whyUnpaid(cid.toString(), dealId, state, provider)
    if (reason === undefined) return { state: 'paid', dealId }
    const isLonger = unpaid === undefined || (untilMs ?? Infinity) > (endOf(unpaid) ?? Infinity)
    if (isLonger) unpaid = { state: 'unpaid', reason, dealId, ...(untilMs !== undefined && { untilMs }) }
  }
  return unpaid ?? { state: 'unpaid', reason: 'nobody knows it', dealId: '' }
}

function whyUnpaid(piece: string, dealId: string, state: LedgerState, provider: Address): UnpaidReason | undefined {
  const deal = state.deals.get(Number(dealId))
  if (dealId === '' || deal === undefined || deal.provider !== provider) return 'nobody knows it'
  if (deal.status === 'ended') return 'deal ended'
  if (deal.status === 'failed') return 'deal failed'
  const entries = deal.pieces.filter(({ cid }) => cid.toString() === piece)
  if (entries.length === 0) return 'no order yet'
  const held = entries.find(entry => !isPieceGone(entry, state.openings - 1))
  if (held === undefined) return 'removed'
  if (deal.docket.length > 0) return 'proofs are owed'
  return held.fromOpening > state.openings ? 'not challenged yet' : undefined
}

function endOf(unpaid: ByteState): number | undefined {
  return unpaid.state === 'unpaid' ? unpaid.untilMs : undefined
}
