/** What an applied entry did: for screens, daemons and tests. Derived from the log, never stored. */
import type { Outcome } from '../rounds/outcome.ts'
import type { Address } from '../schema.ts'

/** One deal in one closed round: what was asked, what came of it, and where every credit went. */
export interface DealResult {
  readonly dealId: number
  readonly client: Address
  readonly provider: Address
  /** Leaves that the round drew, those that it drew twice included. */
  readonly leavesAsked: number
  readonly outcome: Outcome
  /** Pay of the provider: credited at once, and withheld as collateral until that is full. */
  readonly paid: bigint
  readonly withheld: bigint
  /** Fees of the verifiers together, and who earned them: each the same. */
  readonly fees: bigint
  readonly paidVerifiers: readonly Address[]
  /** Fees of those who said *no answer*, or nothing, of a round that was proved: nobody earned them. */
  readonly burned: bigint
  /** A reward for having taken the deal over, earned with its first proved round. */
  readonly reward: bigint
  /** Leaves that the deal owes after this round. */
  readonly docketLeaves: number
}

/** Which verdict an event about a dispute is about. */
export interface DisputedVerdict {
  readonly verifier: Address
  readonly round: number
  readonly dealId: number
}

export type LedgerEvent =
  | { readonly kind: 'roundOpened'; readonly round: number }
  /** A round has closed; `results` are those of the first deals, the others follow as `dealsSettled`. */
  | {
      readonly kind: 'roundClosed'
      readonly round: number
      readonly late: boolean
      readonly results: readonly DealResult[]
    }
  | {
      readonly kind: 'dealsSettled'
      readonly round: number
      readonly late: boolean
      readonly results: readonly DealResult[]
    }
  | { readonly kind: 'roundsVoided'; readonly from: number; readonly to: number }
  | { readonly kind: 'transferred'; readonly from: Address; readonly to: Address; readonly amount: bigint }
  | { readonly kind: 'askSet'; readonly provider: Address; readonly fromOpening: number }
  | { readonly kind: 'staked'; readonly verifier: Address; readonly stake: bigint }
  | {
      readonly kind: 'unstaked'
      readonly verifier: Address
      readonly amount: bigint
      readonly releaseOpening: number
    }
  | { readonly kind: 'stakeReleased'; readonly verifier: Address; readonly amount: bigint }
  | ({ readonly kind: 'transcriptDemanded'; readonly demander: Address; readonly bond: bigint } & DisputedVerdict)
  /** The transcript bears the verdict out; the demander's bond is burned. */
  | ({ readonly kind: 'transcriptAnswered'; readonly demander: Address; readonly bond: bigint } & DisputedVerdict)
  /** A verifier lost stake: `reward` of it to the refuter, the rest burned. A demander's bond went back. */
  | ({
      readonly kind: 'refuted'
      readonly refuter: Address
      /** Whose bond it was. */
      readonly demander: Address
      /** Why the verdict does not stand; `no answer` to a demand is one. */
      readonly reason: string
      readonly lost: bigint
      readonly reward: bigint
      readonly bond: bigint
    } & DisputedVerdict)
  /** A verifier was assigned deals of a round and did not attest. */
  | { readonly kind: 'silent'; readonly verifier: Address; readonly round: number; readonly penalty: bigint }
  | { readonly kind: 'dealOpened'; readonly dealId: number; readonly client: Address; readonly provider: Address }
  | { readonly kind: 'piecesAdded'; readonly dealId: number; readonly pieces: number; readonly pricePerRound: bigint }
  | {
      readonly kind: 'piecesRemoved'
      readonly dealId: number
      readonly pieceIds: readonly number[]
      /** The last opening that challenges them. */
      readonly untilOpening: number
    }
  /** Removed pieces that nothing challenges any more: their bytes may go. */
  | { readonly kind: 'piecesGone'; readonly dealId: number; readonly pieceIds: readonly number[] }
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
  | {
      readonly kind: 'openingDemanded'
      readonly dealId: number
      readonly bond: bigint
      readonly fromOpening: number
    }
  /** A demand for an opening is over; the bond went to this account. */
  | { readonly kind: 'bondPaid'; readonly dealId: number; readonly bond: bigint; readonly to: Address }
  | { readonly kind: 'takeOverOrdered'; readonly dealId: number }
  /** Another provider goes on with a failed deal; escrow and reward came from its repair budget. */
  | {
      readonly kind: 'handedOver'
      readonly dealId: number
      readonly successor: number
      readonly provider: Address
      readonly escrow: bigint
      readonly reward: bigint
    }
  | { readonly kind: 'burned'; readonly dealId: number; readonly amount: bigint }

/** The results of deals that an event tells of: all of a round's are in its `roundClosed` and in what follows it. */
export function resultsIn(event: LedgerEvent): readonly DealResult[] {
  return event.kind === 'roundClosed' || event.kind === 'dealsSettled' ? event.results : []
}
