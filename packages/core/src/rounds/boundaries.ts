/**
 * When what somebody does begins to count, and when it ceases: the one table of boundaries, as pure functions.
 *
 * Openings count the rounds that were really opened. Whoever acts while opening n is the newest can only change what
 * opening n + 2 challenges, however late the host is and whatever rounds were void meanwhile: the beacon of opening n + 1
 * may be out already.
 *
 * @see PROTOCOLS.md, Boundaries
 */

/** A piece as far as its time in its deal is concerned. */
export interface PieceTime {
  /** First opening that challenges it. */
  readonly fromOpening: number
  /** Last opening that challenges it; undefined while nobody has removed it. */
  readonly untilOpening: number | undefined
}

/** A deal as far as its time is concerned. */
export interface DealTime {
  readonly status: 'active' | 'ending' | 'ended' | 'failed'
  /** The last round that challenges an ending deal. */
  readonly endsAfterRound: number
  readonly pieces: readonly PieceTime[]
}

/** A piece that joins while opening n is the newest is challenged and paid from here on. */
export function firstOpeningOfPiece(opening: number): number {
  return opening + 2
}

/** A piece that is removed while opening n is the newest is challenged and paid up to here. */
export function lastOpeningOfPiece(opening: number): number {
  return opening + 1
}

/** An ask that is made while opening n is the newest is in force from here on: before the first opening at once. */
export function firstOpeningOfAsk(opening: number): number {
  return opening === 0 ? 0 : opening + 1
}

/** A bad proof that is reported, or an opening that is demanded, while opening n is the newest is answered from here on. */
export function firstOpeningToAnswer(opening: number): number {
  return opening + 1
}

/**
 * Stake that is taken back while opening n is the newest is released from here on: the verifier may still be drawn in
 * opening n + 1, which can be disputed and answered for that long.
 */
export function firstOpeningToRelease(
  opening: number,
  { disputeRounds, answerRounds }: { readonly disputeRounds: number; readonly answerRounds: number }
): number {
  return opening + disputeRounds + answerRounds + 2
}

/** Says whether what was said in an opening can still be disputed. */
export function isDisputable(opening: number, newestOpening: number, disputeRounds: number): boolean {
  return newestOpening - opening <= disputeRounds
}

/**
 * The last round that challenges and pays a deal of which somebody gives notice. A deal that nothing can challenge any
 * more need not wait.
 */
export function lastRoundOfNotice(round: number, noticeRounds: number, leafCount: number): number {
  return leafCount === 0 ? round : round + noticeRounds
}

export function isPieceChallenged(piece: PieceTime, opening: number): boolean {
  return piece.fromOpening <= opening && (piece.untilOpening === undefined || piece.untilOpening >= opening)
}

/** Says whether nothing can challenge a piece any more once an opening has closed. */
export function isPieceGone(piece: PieceTime, closedOpening: number): boolean {
  return piece.untilOpening !== undefined && piece.untilOpening <= closedOpening
}

/** Says whether an opening challenges a deal. */
export function isDealChallenged(deal: DealTime, opening: number, round: number): boolean {
  const runs = deal.status === 'active' || (deal.status === 'ending' && round <= deal.endsAfterRound)
  return runs && deal.pieces.some(piece => isPieceChallenged(piece, opening))
}
