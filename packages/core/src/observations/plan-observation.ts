/**
 * What a verifier looks at next, and when: pure decisions over the ledger, chance and a budget.
 *
 * Pauses are drawn from an exponential distribution, so that what was seen so far tells a provider nothing about when
 * the next look comes. Providers are drawn alike, whatever they hold, then one of their public objects by its size.
 */

import { hexToBytes } from '@noble/hashes/utils.js'
import type { CID } from 'multiformats/cid'
import { newestAskOf } from '../ledger/asks.ts'
import { isPresent } from '../ledger/piece-rules.ts'
import type { DealPiece, LedgerState } from '../ledger/state.ts'
import { PRIVATE_LABEL_SIZE_BYTES, rootOfLabel } from '../pieces/label.ts'
import { isPieceChallenged } from '../rounds/boundaries.ts'
import type { Draw } from '../rounds/draw.ts'
import { roundAtMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'
import { drawWeighted, fractionOf } from './walk.ts'

const HOUR_MS = 3_600_000

/** A public object in a deal. */
export interface ObservedObject {
  readonly dealId: number
  readonly provider: Address
  readonly addresses: readonly string[]
  readonly root: CID
  /** The pieces of the object that the deal holds and the newest opening challenges. */
  readonly pieces: readonly CID[]
}

/**
 * Only pieces that are challenged already, so that their client has had the time to order all of the object, and that nobody
 * has removed.
 *
 * @param self - whose own deals are left out: nobody needs to look at itself
 * @returns undefined when nobody stores anything public
 */
export function drawObject(state: LedgerState, self: Address, draw: Draw): ObservedObject | undefined {
  const providers = [...state.dealsByProvider.keys()].filter(
    provider => provider !== self && newestAskOf(state, provider)?.operator !== self
  )
  while (providers.length > 0) {
    const [provider] = providers.splice(draw.below(providers.length), 1) as [Address]
    const object = drawWeighted(publicObjectsOf(state, provider), ({ rawSize }) => rawSize, draw)
    if (object !== undefined) {
      const { dealId, root, pieces } = object
      const addresses = newestAskOf(state, provider)?.addresses ?? []
      return { dealId, provider, addresses, root, pieces: pieces.map(({ cid }) => cid) }
    }
  }
  return undefined
}

/** Labels in hex are decoded once an object, and private ones, which most are, not at all. */
function publicObjectsOf(state: LedgerState, provider: Address) {
  return [...(state.dealsByProvider.get(provider) ?? [])].flatMap(dealId => {
    const pieces = challengedPublicPieces(state, dealId)
    return [...Map.groupBy(pieces, ({ label }) => label)].flatMap(([label, own]) => {
      const root = rootOfLabel(hexToBytes(label))
      if (root === undefined) return []
      return [{ dealId, root, pieces: own, rawSize: own.reduce((sum, { rawSize }) => sum + rawSize, 0) }]
    })
  })
}

function challengedPublicPieces({ deals, openings }: LedgerState, dealId: number): DealPiece[] {
  const { pieces = [] } = deals.get(dealId) ?? {}
  return pieces.filter(
    piece =>
      piece.label.length !== 2 * PRIVATE_LABEL_SIZE_BYTES && isPresent(piece) && isPieceChallenged(piece, openings)
  )
}

/**
 * Whether the ledger is as far as the clock says: one that is behind has lost its network, and so have looks, which would be
 * held against providers.
 */
export function isCurrent({ parameters, round }: LedgerState, nowMs: number): boolean {
  return roundAtMs(parameters, nowMs) <= round + 1
}

/** The longest that timers wait, three weeks and a half; beyond it they do not wait at all. */
const PAUSE_MS_MAX = 2 ** 31 - 1

/** @param perHour - on average; above 0 */
export function drawPauseMs(perHour: number, draw: Draw): number {
  return Math.min(PAUSE_MS_MAX, (-Math.log1p(-fractionOf(draw)) * HOUR_MS) / perHour)
}

/** Reads of small and large ranges alike: as likely between 256 and 512 KiB as between 2 and 4 MiB. */
export const READ_SIZE_BYTES_MIN = 256 * 1024
export const READ_SIZE_BYTES_MAX = 4 * 1024 * 1024

/** @returns whole bytes between `READ_SIZE_BYTES_MIN` and `READ_SIZE_BYTES_MAX` */
export function drawReadSize(draw: Draw): number {
  const ratio = READ_SIZE_BYTES_MAX / READ_SIZE_BYTES_MIN
  return Math.floor(READ_SIZE_BYTES_MIN * ratio ** fractionOf(draw))
}

/** Bytes that may still be read: a bucket that an hour fills. */
export interface ByteBudget {
  readonly bytes: number
  readonly timeMs: number
}

/** The bucket at a later time; a clock that goes back fills nothing. */
export function refill(budget: ByteBudget, bytesPerHour: number, nowMs: number): ByteBudget {
  const passedMs = Math.max(0, nowMs - budget.timeMs)
  return { bytes: Math.min(bytesPerHour, budget.bytes + (bytesPerHour * passedMs) / HOUR_MS), timeMs: nowMs }
}

/** What was read may have been more than there was: then later looks wait for it. */
export function spend(budget: ByteBudget, bytes: number): ByteBudget {
  return { ...budget, bytes: budget.bytes - bytes }
}
