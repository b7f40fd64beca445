/** The model's state: plain arrays and objects, written down from PROTOCOLS.md §§7–10. */
import type { NetworkParameters } from '../../../../src/network.ts'
import type { Address } from '../../../../src/schema.ts'
import type { DrawnFacts, FrozenPlaces, LeafFacts } from './facts.ts'

export interface ModelAccount {
  address: Address
  free: bigint
  nonce: number
  last: { text: string; sequence: number } | undefined
}

export interface ModelAsk {
  operator: Address
  region: string
}

export interface ModelVerifier {
  address: Address
  operator: Address
  stake: bigint
  leaving: { amount: bigint; opening: number }[]
}

export interface ModelPiece {
  id: number
  name: string
  rawSize: number
  leafCount: number
  from: number
  until: number | undefined
  gone: boolean
}

export interface ModelDeal {
  id: number
  client: Address
  provider: Address
  operator: Address
  pricePerLeafRound: bigint
  leavesPerRound: number
  status: 'active' | 'ending' | 'ended' | 'failed'
  lastRound: number
  pieces: ModelPiece[]
  nextPieceId: number
  escrow: bigint
  /** The part of the escrow that came from a repair budget. */
  repairEscrow: bigint
  collateral: bigint
  reward: bigint
  budget: bigint
  budgetUntil: number
  takeOver: { priceMax: bigint; reward: bigint; regions: readonly string[] } | undefined
  successor: number | undefined
  docket: (LeafFacts & { since: number })[]
  /** First opening in which a bad proof must be answered. */
  answerFrom: number | undefined
  demand: { bond: bigint; from: number } | undefined
  funded: bigint
  toProvider: bigint
  toVerifiers: bigint
  refunded: bigint
  burned: bigint
  proved: number
  faulted: number
  voided: number
}

export interface ModelRound {
  opening: number
  round: number
  verifiers: readonly FrozenPlaces[]
  deals: readonly DrawnFacts[]
  attested: { verifier: Address; verdicts: readonly ModelVerdict[]; root: string }[]
  selfProved: number[]
}

export type ModelVerdict = 'no answer' | 'pass' | 'bad proof'

/** A boundary that some deals have not passed yet. */
export interface ModelBoundary {
  /** Number of the round that it closes. */
  round: number | undefined
  late: boolean
  through: number
  dealIds: number[]
  /** How many of them were visited, and which of the others have passed because a command named them. */
  visited: number
  passed: number[]
}

export interface ModelDispute {
  verifier: Address
  round: number
  dealId: number
  demander: Address
  status: 'open' | 'answered' | 'refuted'
  bond: bigint
  since: number
}

export interface ModelState {
  parameters: NetworkParameters
  sequence: number
  timeMs: number
  round: number
  openings: number
  counted: number
  boundaries: number
  burned: bigint
  accounts: ModelAccount[]
  asks: { provider: Address; now: ModelAsk | undefined; next: (ModelAsk & { from: number }) | undefined }[]
  verifiers: ModelVerifier[]
  ready: readonly FrozenPlaces[]
  deals: ModelDeal[]
  open: ModelRound | undefined
  /** All rounds that were opened and have closed. */
  past: ModelRound[]
  boundary: ModelBoundary | undefined
  disputes: ModelDispute[]
  ids: { signer: Address; id: string; text: string; sequence: number; until: number }[]
}

export function beginModel(parameters: NetworkParameters): ModelState {
  const accounts: ModelAccount[] = []
  const state: ModelState = {
    parameters: Object.freeze(parameters),
    sequence: 0,
    timeMs: 0,
    round: 0,
    openings: 0,
    counted: 0,
    boundaries: 0,
    burned: 0n,
    accounts,
    asks: [],
    verifiers: [],
    ready: [],
    deals: [],
    open: undefined,
    past: [],
    boundary: undefined,
    disputes: [],
    ids: []
  }
  for (const { address, amount } of parameters.accounts) credit(state, address, amount)
  return state
}

/** A copy that shares nothing but what is frozen. */
export function copy<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (Array.isArray(value)) return value.map(copy) as Value
  const copied: Record<string, unknown> = {}
  for (const key in value) copied[key] = copy(value[key])
  return copied as Value
}

export function account(state: ModelState, address: Address): ModelAccount {
  const known = state.accounts.find(one => one.address === address)
  if (known !== undefined) return known
  const made: ModelAccount = { address, free: 0n, nonce: 0, last: undefined }
  state.accounts.push(made)
  return made
}

export function credit(state: ModelState, address: Address, amount: bigint): void {
  account(state, address).free += amount
}

export function findDeal(state: ModelState, dealId: number): ModelDeal | undefined {
  return state.deals.find(({ id }) => id === dealId)
}

export function isRunning({ status }: ModelDeal): boolean {
  return status === 'active' || status === 'ending'
}

/** Of the rounds that were ever opened. */
export function findRound(state: ModelState, round: number | undefined): ModelRound | undefined {
  return [...state.past, ...(state.open === undefined ? [] : [state.open])].find(one => one.round === round)
}

/** The deals that a verifier checks in a round, ascending: the order of its verdicts. */
export function dealsOf({ deals }: ModelRound, verifier: Address): number[] {
  return deals.filter(({ verifiers }) => verifiers.includes(verifier)).map(({ dealId }) => dealId)
}

/** What a verifier said about a deal; undefined when it was not assigned or did not attest. */
export function verdictOf(round: ModelRound, verifier: Address, dealId: number): ModelVerdict | undefined {
  const index = dealsOf(round, verifier).indexOf(dealId)
  return round.attested.find(one => one.verifier === verifier)?.verdicts[index]
}
