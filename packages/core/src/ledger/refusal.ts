/** What a rule says to a command that it does not take: a value, the same on every machine, and nothing changed. */

export type RefusalCode =
  | 'BAD_ENTRY'
  | 'WRONG_SEQUENCE'
  | 'TIME_WENT_BACK'
  | 'WRONG_NETWORK'
  | 'WRONG_ROUND'
  | 'TOO_EARLY'
  | 'TOO_LATE'
  | 'BAD_BEACON'
  | 'BAD_SIGNATURE'
  | 'BAD_ACCEPTANCE'
  | 'EXPIRED'
  | 'VALID_TOO_LONG'
  | 'ALREADY_APPLIED'
  | 'ID_REUSED'
  | 'WRONG_NONCE'
  | 'BALANCE_TOO_SMALL'
  | 'ESCROW_TOO_SMALL'
  | 'NO_ASK'
  | 'NO_DEAL'
  | 'NOT_A_PARTY'
  | 'DEAL_NOT_ACTIVE'
  | 'TOO_MANY_LEAVES'
  | 'BAD_PIECE'
  | 'WRONG_LABELS'
  | 'NO_PIECE'
  | 'PIECE_ALREADY_IN_DEAL'
  | 'UNCOLLATERALISED_CAP'
  | 'STAKE_TOO_SMALL'
  | 'NOT_ASSIGNED'
  | 'ALREADY_ATTESTED'
  | 'BAD_VERDICTS'
  | 'NOT_CHALLENGED'
  | 'ALREADY_PROVED'
  | 'WRONG_LEAVES'
  | 'WRONG_PIECES'
  | 'BAD_PROOF'
  | 'BOND_TOO_SMALL'
  | 'ALREADY_DEMANDED'
  | 'NOTHING_TO_SETTLE'
  | 'TOO_MANY_PENDING'
  | 'NOT_DISPUTABLE'
  | 'NO_VERDICT'
  | 'NOT_DEMANDED'
  | 'ALREADY_ANSWERED'
  | 'ALREADY_REFUTED'
  | 'BAD_TRANSCRIPT'
  | 'NOT_REFUTED'
  | 'NOT_REPAIRABLE'
  | 'NO_TAKE_OVER_ORDER'
  | 'ALREADY_TAKEN_OVER'
  | 'SAME_PROVIDER'
  | 'WRONG_REGION'
  | 'PRICE_TOO_HIGH'
  | 'RESERVED'

export interface Refusal {
  readonly code: RefusalCode
  /** For people: what is wrong, and where it helps, what to do. */
  readonly message: string
  /** The facts; only JSON values. */
  readonly details: Readonly<Record<string, string | number>>
}

export interface Refused {
  readonly ok: false
  readonly refusal: Refusal
}

export function refuse(code: RefusalCode, message: string, details: Refusal['details'] = {}): Refused {
  return { ok: false, refusal: { code, message, details } }
}
