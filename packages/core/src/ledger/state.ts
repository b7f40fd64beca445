/**
 * The ledger's state: a function of the log and nothing else.
 *
 * Only `apply` changes it, and only after every check of an entry has passed. Readers share the object and must not
 * write to it; its types say so. Plain data throughout, so that one codec can write and read all of it.
 */
import type { CID } from 'multiformats/cid'
import { type NetworkParameters, networkIdOf } from '../network.ts'
import type { Docket } from '../rounds/docket.ts'
import type { FrozenVerifier } from '../rounds/freeze.ts'
import type { Address } from '../schema.ts'
import type { Statement } from './statements.ts'

export interface Account {
  /** Credits that the owner may spend. */
  free: bigint
  /** Of the next transfer. */
  nonce: number
  /** The newest transfer, so that its owner may ask again for a receipt that was lost. */
  lastTransfer: { readonly commandHash: string; readonly sequence: number } | undefined
}

/** An ask counts from an opening on: until then the one before it is in force. */
export interface AskRecord {
  readonly current: Statement<'Ask'> | undefined
  readonly next: { readonly ask: Statement<'Ask'>; readonly fromOpening: number } | undefined
}

/** Stake that its verifier has taken back: it can still be lost until it is released. */
export interface LeavingStake {
  readonly amount: bigint
  /** It is credited when this opening is made, if nobody holds its verifier to its word then. */
  readonly releaseOpening: number
}

export interface VerifierRecord {
  stake: bigint
  /** Oldest first. */
  leaving: readonly LeavingStake[]
  addresses: readonly string[]
  /** Whose machine it is. */
  operator: Address
}

export interface DealPiece {
  /** Its number in its deal: from 0, never used again. */
  readonly id: number
  readonly cid: CID
  /** What the client calls it, in hex; the ledger gives it no meaning. */
  readonly label: string
  readonly rawSize: number
  /** Leaves that hold data: what is challenged, counted and paid. */
  readonly leafCount: number
  /** First opening that challenges it. */
  readonly fromOpening: number
  /** Last opening that challenges it; undefined while nobody has removed it. */
  readonly untilOpening: number | undefined
}

/**
 * `active` deals are challenged; `ending` ones too, up to and including the round `endsAfterRound`, and then wait for
 * an empty docket. `ended` and `failed` absorb: the first returned all money, the second lost its collateral.
 */
export type DealStatus = 'active' | 'ending' | 'ended' | 'failed'

/** Who may take a deal's pieces over when it fails, and for what: the client's word, given beforehand. */
export interface TakeOver {
  readonly pricePerLeafRoundMax: bigint
  readonly reward: bigint
  /** Empty: any. */
  readonly regions: readonly string[]
}

export interface Deal {
  readonly id: number
  /** Id of the order that opened it: how its client finds it. */
  readonly orderId: string
  readonly client: Address
  readonly provider: Address
  /** Whose machine the provider's ask said that it is when the deal was opened: it checks nothing of this deal. */
  readonly operator: Address
  readonly pricePerLeafRound: bigint
  readonly leavesPerRound: number
  status: DealStatus
  endsAfterRound: number
  /** Ascending by id; those that are gone stay for as long as a round that challenged them can be disputed. */
  pieces: readonly DealPiece[]
  nextPieceId: number
  /** Sums over the pieces that are not gone. */
  leafCount: number
  rawSize: number
  escrow: bigint
  /** Part of the escrow that came from a repair budget: is spent first, and never goes to the client. */
  escrowFromRepair: bigint
  collateral: bigint
  /** What the provider earns with its first proved round for having taken the pieces over. */
  repairReward: bigint
  repairBudget: bigint
  /** The last round in which the repair budget may be used; 0 while there is none. */
  repairUntilRound: number
  takeOver: TakeOver | undefined
  /** The deal that took this one's pieces over. */
  successor: number | undefined
  docket: Docket
  /** A verifier saw a bad proof: the first opening that takes nothing but a self-proof. */
  mustOpenFrom: number | undefined
  /** The client demands an opening, from this one on, and has locked a bond for it. */
  demand: { readonly bond: bigint; readonly fromOpening: number } | undefined
  /** The last boundary that it has passed. */
  settledBoundary: number
  /** Everything that ever entered the escrow, and where it went. */
  totals: { funded: bigint; paidToProvider: bigint; paidToVerifiers: bigint; refunded: bigint; burned: bigint }
  rounds: { proved: number; faulted: number; void: number }
}

/** A verifier's attestation: two bits a deal, and the root over its transcripts. */
export interface RecordedAttestation {
  readonly verdicts: Uint8Array
  readonly transcripts: Uint8Array
}

/** A round that was opened, and what it has seen so far. */
export interface OpenRound {
  /** How many rounds had been opened with it. */
  readonly opening: number
  readonly round: number
  /** 32 bytes, SHA-256 of the beacon's signature. */
  readonly seed: Uint8Array
  /** As they stood when the opening before was made; by ascending address. */
  readonly verifiers: readonly FrozenVerifier[]
  /** The challenged deals, ascending. */
  readonly dealIds: readonly number[]
  readonly attestations: Map<Address, RecordedAttestation>
  readonly selfProved: Set<number>
}

/** A boundary that not all deals have passed yet. */
export interface Closing {
  /** Its number: they count from 1. */
  readonly boundary: number
  /** The round that it closes; none when only void rounds have passed. */
  readonly round: OpenRound | undefined
  /** Nobody could open the next round in time: what is not proved is void. */
  readonly late: boolean
  /** The last round that is over. */
  readonly through: number
  /** The deals that were live, ascending. */
  readonly dealIds: readonly number[]
  /** Those before this position have passed. */
  cursor: number
}

/** Somebody holds a verifier to what it attested of a deal in a round. */
export interface Dispute {
  readonly verifier: Address
  readonly round: number
  readonly dealId: number
  /** Who demanded or refuted. */
  readonly demander: Address
  /** `open` ones wait for an answer; the others stay until their round is forgotten, so that nothing is raised twice. */
  status: 'open' | 'answered' | 'refuted'
  bond: bigint
  /** Count of open, non-void rounds once the one in which it was raised has closed: its age. */
  readonly sinceCountedRound: number
}

/** An id that its signer has used, for as long as its statement is valid. */
export interface UsedId {
  readonly commandHash: string
  readonly sequence: number
  readonly validUntilRound: number
}

export interface LedgerState {
  readonly parameters: NetworkParameters
  readonly networkId: Uint8Array
  /** Of the next entry; 0 before genesis. */
  sequence: number
  timeMs: number
  /** Number of the newest round, open or void; 0 before the first. */
  round: number
  /** How many rounds were opened: the number of the newest opening. */
  openings: number
  /** Open, non-void rounds that have closed: the age of debts, which no outage makes older. */
  countedRounds: number
  /** How many times a round was opened or passed over. */
  boundaries: number
  /** Absent before the first round and after void ones. */
  open: OpenRound | undefined
  /** Those of the next opening. */
  nextVerifiers: readonly FrozenVerifier[]
  /** The newest boundary, while there are deals that have not passed it. */
  closing: Closing | undefined
  /** Rounds that have closed and can still be disputed, ascending. */
  readonly closed: Map<number, OpenRound>
  readonly accounts: Map<Address, Account>
  readonly asks: Map<Address, AskRecord>
  readonly verifiers: Map<Address, VerifierRecord>
  readonly deals: Map<number, Deal>
  nextDealId: number
  /** Deals that a boundary has to visit: all but the ended ones and the failed ones without a repair budget. */
  readonly liveDeals: Set<number>
  /** Active and ending deals of each provider that has any. */
  readonly dealsByProvider: Map<Address, Set<number>>
  /** By `disputeKey`. */
  readonly disputes: Map<string, Dispute>
  /** By `<signer>/<id>`: those of statements that may still be valid, and some that are waiting to be forgotten. */
  readonly usedIds: Map<string, UsedId>
  /** Keys of `usedIds` by the last round of their statements; and those whose round is over, to be forgotten bit by bit. */
  readonly idsByRound: Map<number, string[]>
  readonly expiredIds: string[][]
  /** What belongs to nobody any more. */
  burned: bigint
}

/** The state before the first entry: genesis balances and nothing else. */
export function createLedgerState(parameters: NetworkParameters): LedgerState {
  const accounts = new Map<Address, Account>()
  for (const { address, amount } of parameters.accounts) {
    accounts.set(address, { free: (accounts.get(address)?.free ?? 0n) + amount, nonce: 0, lastTransfer: undefined })
  }
  return {
    parameters,
    networkId: networkIdOf(parameters),
    sequence: 0,
    timeMs: 0,
    round: 0,
    openings: 0,
    countedRounds: 0,
    boundaries: 0,
    open: undefined,
    nextVerifiers: [],
    closing: undefined,
    closed: new Map(),
    accounts,
    asks: new Map(),
    verifiers: new Map(),
    deals: new Map(),
    nextDealId: 1,
    liveDeals: new Set(),
    dealsByProvider: new Map(),
    disputes: new Map(),
    usedIds: new Map(),
    idsByRound: new Map(),
    expiredIds: [],
    burned: 0n
  }
}

/** The account of an address; one that never received anything is empty. Writing to it needs `openAccount`. */
export function accountOf(state: LedgerState, address: Address): Readonly<Account> {
  return state.accounts.get(address) ?? { free: 0n, nonce: 0, lastTransfer: undefined }
}

/** The account of an address, made when it is not there yet. */
export function openAccount(state: LedgerState, address: Address): Account {
  const account = state.accounts.get(address) ?? { free: 0n, nonce: 0, lastTransfer: undefined }
  state.accounts.set(address, account)
  return account
}

/** Where a dispute stands in the state. */
export function disputeKey(verifier: Address, round: number, dealId: number): string {
  return `${verifier}/${round}/${dealId}`
}
