/**
 * How a provider looks after what it has, before somebody else finds out: pure decisions, carried out by the peer.
 *
 * Two ways that complement each other. Each round a deal is asked for leaves by the rule of a round, under a seed of the
 * provider's own: what a verifier may find tomorrow is found today, as likely. And over a longer time every byte of every
 * piece is read and compared with its commitment, in the order of the pieces' names, so that a restart goes on there.
 */

import { hexToBytes } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import { newestAskOf } from '../ledger/asks.ts'
import { isRunning } from '../ledger/live-deals.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { Deal, DealPiece, LedgerState } from '../ledger/state.ts'
import { rootOfLabel } from '../pieces/label.ts'
import { challengesOf, type PieceChallenge } from '../rounds/challenge.ts'
import { frozenDealOf } from '../rounds/freeze.ts'
import type { Address } from '../schema.ts'

/** Where the reading of all pieces stands. */
export interface AuditCursor {
  /** The piece that is being read, PieceCIDv2 as text; the empty text before the first. */
  readonly piece: string
  /** Raw bytes of it that were compared. */
  readonly offset: number
  /** When this pass over all pieces began, milliseconds of Unix time. */
  readonly passStartedMs: number
  /** Passes that came to their end. */
  readonly passes: number
}

/** Readings that are as fast as this are no longer in the background. */
export const AUDIT_BYTES_PER_SECOND_MAX = 16 * 1024 * 1024

/** Part of the time that a pass is planned for, so that it is over in time although a machine sleeps now and then. */
const PLANNED_PERMILLE = 800

/**
 * How long to rest after a step, so that a pass over everything takes no longer than it may.
 *
 * A store that is too large for its time is read as fast as reading in the background goes, and takes longer.
 */
export function auditPauseMs(stepBytes: number, totalBytes: number, periodMs: number): number {
  const plannedMs = (periodMs * PLANNED_PERMILLE) / 1000
  const evenly = totalBytes === 0 ? plannedMs : (stepBytes / Math.max(totalBytes, stepBytes)) * plannedMs
  return Math.max(evenly, (stepBytes * 1000) / AUDIT_BYTES_PER_SECOND_MAX)
}

/** The piece at or after the cursor; undefined when the pass is over. @param pieces - sorted by their text */
export function pieceAtCursor<Piece extends { readonly name: string }>(
  pieces: readonly Piece[],
  cursor: Pick<AuditCursor, 'piece'>
): Piece | undefined {
  return pieces.find(({ name }) => name >= cursor.piece)
}

/** A piece that this provider is paid to hold, and what the ledger says of it. */
export interface PaidPiece {
  /** PieceCIDv2 as text. */
  readonly name: string
  readonly cid: CID
  readonly rawSize: number
  readonly deals: readonly { readonly dealId: number; readonly piece: DealPiece }[]
  /** The root of a public object that it is part of; undefined for a piece that is private in all of its deals. */
  readonly publicRoot: CID | undefined
}

/** Every piece of a provider's running deals, once, sorted by name. */
export function paidPiecesOf(state: LedgerState, provider: Address): PaidPiece[] {
  const held = new Map<string, { cid: CID; rawSize: number; deals: { dealId: number; piece: DealPiece }[] }>()
  for (const dealId of state.dealsByProvider.get(provider) ?? []) {
    for (const piece of state.deals.get(dealId)!.pieces.filter(isPresent)) {
      const name = piece.cid.toString()
      const known = held.get(name)
      if (known === undefined) held.set(name, { cid: piece.cid, rawSize: piece.rawSize, deals: [{ dealId, piece }] })
      else known.deals.push({ dealId, piece })
    }
  }
  return [...held]
    .map(([name, piece]) => ({ name, ...piece, publicRoot: publicRootIn(piece.deals.map(deal => deal.piece)) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function publicRootIn(pieces: readonly DealPiece[]): CID | undefined {
  for (const { label } of pieces) {
    const root = rootOfLabel(hexToBytes(label))
    if (root !== undefined) return root
  }
  return undefined
}

/** What a round with this seed would ask of a deal that is challenged now; undefined for one without pieces to challenge. */
export function ownChallengesOf(seed: Uint8Array, deal: Deal, opening: number): PieceChallenge[] | undefined {
  const frozen = frozenDealOf(deal, opening)
  return frozen.leafCount === 0 ? undefined : challengesOf(seed, frozen)
}

/** Somebody else who is paid to hold the very same piece, and shows it. */
export interface HealingSource {
  readonly provider: Address
  readonly addresses: readonly string[]
}

/**
 * Who may have a public piece that was lost here: those first who owe nothing and missed least.
 *
 * Looks at every deal of the ledger: for the rare case, not for every round.
 */
export function healingSourcesOf(state: LedgerState, provider: Address, cid: CID): HealingSource[] {
  const others = [...state.deals.values()].filter(
    deal =>
      deal.provider !== provider &&
      isRunning(deal) &&
      deal.pieces.some(
        piece => isPresent(piece) && piece.cid.equals(cid) && rootOfLabel(hexToBytes(piece.label)) !== undefined
      )
  )
  others.sort((a, b) => a.docket.length - b.docket.length || a.rounds.faulted - b.rounds.faulted || a.id - b.id)
  const providers = [...new Set(others.map(deal => deal.provider))]
  return providers.map(other => ({ provider: other, addresses: newestAskOf(state, other)?.addresses ?? [] }))
}

const RETRY_MS_FIRST = 5_000
const RETRY_MS_MAX = 6 * 60 * 60_000

/** How long to wait after so many failed tries to heal a piece, the first of them included: twice as long each time. */
export function healingPauseMs(tries: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.max(0, tries - 1))
}
