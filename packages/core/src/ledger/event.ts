/** What an applied entry did: for screens, daemons and tests. Derived from the log, never stored. */
import type { Outcome } from '../rounds/outcome.ts'
import type { Address } from '../schema.ts'

/** One deal in one closed round: what was asked, what came of it, and where every credit went. */
export interface DealResult {
  readonly dealId: number
  readonly client: Address
  readonly provider: Address
  /** Distinct leaves that the round asked for. */
  readonly leavesAsked: number
  readonly outcome: Outcome
  /** Pay of the provider: credited at once, and withheld as collateral until that is full. */
  readonly paid: bigint
  readonly withheld: bigint
  /** Fees of the verifiers together. */
  readonly fees: bigint
  /** Leaves that the deal owes after this round. */
  readonly docketLeaves: number
}

export type LedgerEvent =
  | { readonly kind: 'roundOpened'; readonly round: number }
  | {
      readonly kind: 'roundClosed'
      readonly round: number
      readonly late: boolean
      readonly results: readonly DealResult[]
    }
  | { readonly kind: 'roundsVoided'; readonly from: number; readonly to: number }
  | { readonly kind: 'transferred'; readonly from: Address; readonly to: Address; readonly amount: bigint }
  | { readonly kind: 'askSet'; readonly provider: Address }
  | { readonly kind: 'staked'; readonly verifier: Address; readonly stake: bigint }
  | { readonly kind: 'dealOpened'; readonly dealId: number; readonly client: Address; readonly provider: Address }
  | { readonly kind: 'piecesAdded'; readonly dealId: number; readonly pieces: number; readonly pricePerRound: bigint }
  | { readonly kind: 'toppedUp'; readonly dealId: number; readonly amount: bigint }
  | {
      readonly kind: 'dealEnding'
      readonly dealId: number
      readonly endsAfterRound: number
      readonly reason: 'notice' | 'empty escrow'
    }
  | {
      readonly kind: 'dealEnded'
      readonly dealId: number
      readonly refunded: bigint
      readonly collateralReturned: bigint
    }
  | { readonly kind: 'dealFailed'; readonly dealId: number; readonly forfeited: bigint; readonly refunded: bigint }
  | { readonly kind: 'attested'; readonly verifier: Address; readonly round: number }
  | {
      readonly kind: 'selfProved'
      readonly dealId: number
      readonly round: number
      readonly docketLeavesCleared: number
    }
  | { readonly kind: 'burned'; readonly dealId: number; readonly amount: bigint }
