/**
 * The ledger's state: a function of the log and nothing else.
 *
 * Only `apply` changes it, and only after every check of an entry has passed. Readers share the object and must not
 * write to it; its types say so.
 */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { CID } from 'multiformats/cid'
import { type NetworkParameters, networkIdOf } from '../network.ts'
import type { Docket } from '../rounds/docket.ts'
import { EMPTY_FREEZE, type Freeze } from '../rounds/freeze.ts'
import type { Verdict } from '../rounds/verdicts.ts'
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

export interface VerifierRecord {
  stake: bigint
  addresses: readonly string[]
}

export interface DealPiece {
  readonly cid: CID
  /** Root of the object that the piece is part of. */
  readonly root: CID
  readonly rawSize: number
  /** Leaves that hold data: what is challenged, counted and paid. */
  readonly leafCount: number
}

/**
 * `active` deals are challenged; `ending` ones too, up to and including the round `endsAfterRound`, and then wait for
 * an empty docket. `ended` and `failed` absorb: the first returned all money, the second lost its collateral.
 */
export type DealStatus = 'active' | 'ending' | 'ended' | 'failed'

export interface Deal {
  readonly id: number
  /** Id of the order that opened it: how its client finds it. */
  readonly orderId: string
  readonly client: Address
  readonly provider: Address
  readonly pricePerLeafRound: bigint
  readonly leavesPerRound: number
  status: DealStatus
  endsAfterRound: number
  pieces: readonly DealPiece[]
  /** Sum over the pieces. */
  leafCount: number
  escrow: bigint
  collateral: bigint
  repairBudget: bigint
  /** The last round in which the repair budget may be used; 0 while there is none. */
  repairUntilRound: number
  docket: Docket
  /** A verifier saw a bad proof: the next round that is frozen must be opened on the ledger. */
  mustOpen: boolean
  /** Everything that ever entered the escrow, and where it went. */
  totals: { funded: bigint; paidToProvider: bigint; paidToVerifiers: bigint; refunded: bigint }
  rounds: { proved: number; faulted: number; void: number }
}

/** What the open round has seen so far. */
export interface OpenRound {
  /** 32 bytes, SHA-256 of the beacon's signature. */
  readonly seed: Uint8Array
  /** What this round challenges: the state as it stood when the last round before it was opened. */
  readonly freeze: Freeze
  readonly verdicts: Map<Address, ReadonlyMap<number, Verdict>>
  readonly selfProved: Set<number>
}

export interface LedgerState {
  readonly parameters: NetworkParameters
  readonly networkId: Uint8Array
  /** Of the next entry; 0 before genesis. */
  sequence: number
  timeMs: number
  /** Number of the newest round, open or void; 0 before the first. */
  round: number
  /** Open, non-void rounds that have closed: the age of debts, which no outage makes older. */
  countedRounds: number
  /** Absent before the first round and after void ones. */
  open: OpenRound | undefined
  /** What the next opened round will challenge. */
  nextFreeze: Freeze
  readonly accounts: Map<Address, Account>
  readonly asks: Map<Address, Statement<'Ask'>>
  readonly verifiers: Map<Address, VerifierRecord>
  readonly deals: Map<number, Deal>
  nextDealId: number
  /** Signer and id of each statement that may still be valid, with the hash of its command and where it was applied. */
  readonly usedIds: Map<
    string,
    { readonly commandHash: string; readonly sequence: number; readonly validUntilRound: number }
  >
  /** Forfeits that no repair used. */
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
    countedRounds: 0,
    open: undefined,
    nextFreeze: EMPTY_FREEZE,
    accounts,
    asks: new Map(),
    verifiers: new Map(),
    deals: new Map(),
    nextDealId: 1,
    usedIds: new Map(),
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

/** SHA-256 over the canonical form of the whole state, in hex: equal on every machine that applied the same log. */
export function hashState(state: LedgerState): string {
  return bytesToHex(sha256(encode(canonical(state))))
}

/** Maps and sets as sorted lists, amounts as decimal strings, absent fields as null: one form for one state. */
function canonical(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value instanceof Uint8Array) return value
  if (CID.asCID(value) !== null) return value
  if (Array.isArray(value)) return value.map(canonical)
  if (value instanceof Set) return [...value].sort(byKey).map(canonical)
  if (value instanceof Map) return [...value].sort(([a], [b]) => byKey(a, b)).map(canonical)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, canonical(field)]))
}

function byKey(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : 1
}
