/** Whether each replica of an object was verified lately, when, by whom and how: from the ledger and its log alone. */
import type { CID } from 'multiformats/cid'
import { findObjectDeals, type ObjectDeal } from '../client/object-deals.ts'
import type { DealStatus, LedgerState } from '../ledger/state.ts'
import type { ObjectReference } from '../pieces/index.ts'
import { roundAtMs, roundOpensMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'
import type { DealVerification, VerificationHistory } from './verification-history.ts'

/**
 * A replica is verified while it was proved in one of so many rounds before the one that a clock says is open: the newest
 * that is over, and the one before it, because the host may just be closing that.
 */
export const VERIFIED_ROUNDS = 2

export interface ReplicaVerified extends DealVerification {
  /** Which replica; 0 where replicas are identical. */
  readonly replica: number
  readonly dealId: number
  readonly provider: Address
  readonly operator: Address
  readonly dealStatus: DealStatus
  /** Pieces of the object that the deal holds, and how many of them the round challenged in which it was last verified. */
  readonly pieces: number
  readonly piecesVerified: number
  readonly isVerified: boolean
  /** Why not; undefined for one that is. */
  readonly why: string | undefined
}

export interface ObjectVerified {
  readonly root: CID
  readonly isPrivate: boolean
  /** Whether the replicas are different bytes; only then does a proof of each show that there are several. */
  readonly areReplicasDistinct: boolean
  readonly replicas: readonly ReplicaVerified[]
  /** Whether there is a replica, and all of them are verified. */
  readonly isVerified: boolean
  /** The newest round of the ledger, and when the next one opens: what this one has proved is settled then. */
  readonly round: number
  readonly nextRoundMs: number
}

/**
 * Pure. A proof says that a deal's challenged leaves were there; that they hold this object, the labels say and binding checks
 * show for a public one, and its keys for a private one.
 *
 * @param nowMs - Unix time; a host that stopped long ago makes nothing verified
 */
export function verifiedObject(
  state: LedgerState,
  history: Pick<VerificationHistory, 'of'>,
  name: CID | ObjectReference,
  nowMs: number
): ObjectVerified {
  const { parameters, round } = state
  const isPrivate = 'secret' in name
  const found = findObjectDeals(state, name, undefined)
  const wholePieces = isPrivate ? name.pieceCount : Math.max(0, ...found.map(({ pieces }) => pieces.length))
  const facts = { state, history, wholePieces, clockRound: roundAtMs(parameters, nowMs) }
  const replicas = found.map(one => replicaVerified(one, facts))
  return {
    root: isPrivate ? name.root : name,
    isPrivate,
    areReplicasDistinct: isPrivate && name.layout === 'distinct',
    replicas,
    isVerified: replicas.length > 0 && replicas.every(({ isVerified }) => isVerified),
    round,
    nextRoundMs: roundOpensMs(parameters, round + 1)
  }
}

interface Facts {
  readonly state: LedgerState
  readonly history: Pick<VerificationHistory, 'of'>
  readonly wholePieces: number
  /** That is open now, by the clock: the ledger here may be behind it. */
  readonly clockRound: number
}

function replicaVerified({ deal, replica, pieces }: ObjectDeal, facts: Facts): ReplicaVerified {
  const past = facts.history.of(deal.id)
  const opening = past.lastVerified === undefined ? 0 : (past.lastVerified.opening ?? facts.state.openings)
  const piecesVerified = pieces.filter(({ fromOpening }) => fromOpening <= opening).length
  const why = whyNot(past, facts, {
    owed: deal.docket.length,
    pieces: pieces.length,
    piecesVerified,
    firstOpening: Math.min(...pieces.map(({ fromOpening }) => fromOpening))
  })
  return {
    ...past,
    replica,
    dealId: deal.id,
    provider: deal.provider,
    operator: deal.operator,
    dealStatus: deal.status,
    pieces: pieces.length,
    piecesVerified,
    isVerified: why === undefined,
    why
  }
}

interface Held {
  readonly owed: number
  readonly pieces: number
  readonly piecesVerified: number
  readonly firstOpening: number
}

function whyNot(
  { lastVerified, lastClosed }: DealVerification,
  { state, wholePieces, clockRound }: Facts,
  { owed, pieces, piecesVerified, firstOpening }: Held
): string | undefined {
  if (pieces < wholePieces) return `the deal holds ${pieces} of ${wholePieces} pieces`
  if (owed > 0) return `it owes a proof of ${owed} leaves`
  if (lastVerified === undefined) {
    if (lastClosed === undefined && firstOpening >= state.openings)
      return firstOpening > state.openings
        ? 'no round has challenged it yet'
        : 'the first round that challenges it is open'
    return 'no round has proved it'
  }
  if (lastClosed?.outcome.kind === 'fault') return `it missed round ${lastClosed.round} (${lastClosed.outcome.reason})`
  if (piecesVerified < pieces) return `${pieces - piecesVerified} of its pieces joined too lately to be challenged`
  if (lastVerified.round < clockRound - VERIFIED_ROUNDS)
    return `round ${lastVerified.round} is too long ago: by the clock, round ${clockRound} is open`
  return undefined
}
