/** What a donor asks about its own peer, as plain data: pure functions of the ledger, the credit book and the disk. */
import {
  type Address,
  accountOf,
  askOf,
  type Deal,
  feePerVerifier,
  type LedgerState,
  priceOfDeal,
  roundOpensMs
} from '@holdfast/core'
import type { CreditSummary } from '../ledger/credit-book.ts'
import type { ExplainedBytes } from '../provider/explain-bytes.ts'
import { type AuditView, describeDamage } from './audit-view.ts'
import { type DealView, viewDeal } from './ledger-views.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** The deals of a provider that run, oldest first. */
export function viewOwnDeals(state: LedgerState, provider: Address): DealView[] {
  return [...(state.dealsByProvider.get(provider) ?? [])].map(id => viewDeal(state, state.deals.get(id)!))
}

export interface EarningsBound {
  /** Nothing is earned for what is not proved. */
  readonly least: bigint
  /** When every round of the next day is proved, before what is withheld as collateral. Fees for checking others come on top. */
  readonly most: bigint
  readonly rounds: number
}

/** What the deals of a provider can bring within a day: never more than their escrow holds. */
export function boundTomorrow(state: LedgerState, provider: Address): EarningsBound {
  const { parameters } = state
  const rounds = Math.ceil(DAY_MS / parameters.roundMs)
  let most = 0n
  for (const id of state.dealsByProvider.get(provider) ?? []) most += mostOf(state, state.deals.get(id)!, rounds)
  return { least: 0n, most, rounds }
}

function mostOf({ parameters, round }: LedgerState, deal: Deal, rounds: number): bigint {
  const { money, proving } = parameters
  const price = priceOfDeal(money, deal)
  const left = deal.status === 'ending' ? Math.max(0, Math.min(rounds, deal.endsAfterRound - round + 1)) : rounds
  const pay = price - feePerVerifier(money, price, proving.verifiersPerDeal) * BigInt(proving.verifiersPerDeal)
  const sum = pay * BigInt(left)
  return (sum < deal.escrow ? sum : deal.escrow) + deal.repairReward
}

export interface EarningsView {
  readonly account: Address
  readonly free: bigint
  /** What every credit was for; adds up to `free`. */
  readonly sums: Readonly<Record<string, bigint>>
  /** Earned and kept as collateral so far, returned collateral included. */
  readonly withheld: bigint
  readonly rounds: readonly {
    readonly round: number
    readonly timeMs: number
    readonly paid: bigint
    readonly withheld: bigint
    readonly fees: bigint
    readonly unpaid: readonly { readonly reason: string; readonly deals: number }[]
  }[]
  readonly deals: readonly {
    readonly dealId: number
    readonly paid: bigint
    readonly withheld: bigint
    readonly roundsUnpaid: number
  }[]
  readonly tomorrow: EarningsBound
}

/** @param last - how many rounds, newest last */
export function viewEarnings(state: LedgerState, account: Address, summary: CreditSummary, last: number): EarningsView {
  return {
    account,
    free: accountOf(state, account).free,
    sums: Object.fromEntries(summary.sums),
    withheld: summary.withheld,
    rounds: summary.rounds.slice(Math.max(0, summary.rounds.length - last)).map(({ unpaid, ...round }) => ({
      ...round,
      unpaid: [...unpaid].map(([reason, deals]) => ({ reason, deals }))
    })),
    deals: [...summary.byDeal].map(([dealId, deal]) => ({ dealId, ...deal })),
    tomorrow: boundTomorrow(state, account)
  }
}

/** The bytes of a provider added up by state; all but `free` and `reserved` together are what `du` says. */
export interface BytesByState {
  readonly capacity: number
  readonly free: number
  readonly reserved: number
  readonly paid: number
  /** Kept for somebody who has not ordered yet, until its lease ends. */
  readonly leased: number
  readonly unpaid: number
  readonly layers: number
  readonly incoming: number
  readonly damaged: number
  readonly other: number
  readonly disk: number
}

export function addUpBytes(explained: ExplainedBytes): BytesByState {
  const sums = { paid: 0, leased: 0, unpaid: 0 }
  for (const piece of explained.pieces) {
    const state = piece.state === 'paid' ? 'paid' : piece.reason === 'no order yet' ? 'leased' : 'unpaid'
    sums[state] += piece.bytes
  }
  return {
    capacity: explained.capacityBytes,
    free: explained.freeBytes,
    reserved: explained.reservedBytes,
    ...sums,
    layers: explained.layerBytes,
    incoming: explained.incomingBytes,
    damaged: explained.damagedBytes,
    other: explained.otherBytes,
    disk: explained.diskBytes
  }
}

export interface PeerView {
  readonly address: Address
  readonly network: string
  readonly roles: readonly string[]
  readonly listening: readonly string[]
  readonly startedMs: number
  readonly round: number
  readonly nextRoundMs: number
  readonly free: bigint
  readonly collateral: bigint
  readonly stake: bigint
  readonly deals: { readonly running: number; readonly owing: number; readonly bytes: number }
  readonly bytes: BytesByState | undefined
  /** Undefined for a peer that does not audit itself. */
  readonly audit: AuditView | undefined
  /** What is wrong, and what to do about it. */
  readonly problems: readonly string[]
}

export interface PeerFacts {
  readonly address: Address
  readonly roles: readonly string[]
  readonly listening: readonly string[]
  readonly startedMs: number
  readonly nowMs: number
  readonly bytes: BytesByState | undefined
  readonly audit?: AuditView | undefined
  /** Files that prove that the ledger's host keeps two histories. */
  readonly forkProofs?: readonly string[]
}

export function viewPeer(state: LedgerState, facts: PeerFacts): PeerView {
  const { address, roles, listening, startedMs, bytes, audit } = facts
  const deals = [...(state.dealsByProvider.get(address) ?? [])].map(id => state.deals.get(id)!)
  return {
    address,
    network: state.parameters.name,
    roles,
    listening,
    startedMs,
    round: state.round,
    nextRoundMs: roundOpensMs(state.parameters, state.round + 1),
    free: accountOf(state, address).free,
    collateral: deals.reduce((sum, { collateral }) => sum + collateral, 0n),
    stake: state.verifiers.get(address)?.stake ?? 0n,
    deals: {
      running: deals.length,
      owing: deals.filter(({ docket }) => docket.length > 0).length,
      bytes: deals.reduce((sum, { rawSize }) => sum + rawSize, 0)
    },
    bytes,
    audit,
    problems: problemsOf(state, facts, deals)
  }
}

function problemsOf(
  state: LedgerState,
  { address, roles, nowMs, bytes, audit, forkProofs = [] }: PeerFacts,
  deals: readonly Deal[]
): string[] {
  const { parameters } = state
  const problems: string[] = forkProofs.map(
    file => `the ledger’s host has signed two histories: ${file} proves it; see \`holdfast doctor\``
  )
  const lateMs = nowMs - roundOpensMs(parameters, state.round + 1)
  if (lateMs > parameters.roundMs)
    problems.push('the ledger’s rounds stand still: see `holdfast doctor`; nobody is paid or faulted until they go on')
  for (const { id, docket } of deals) {
    if (docket.length > 0)
      problems.push(
        `deal ${id} owes ${docket.length} leaves and earns nothing until they are proved: is its piece whole? \`holdfast store check\` says so`
      )
  }
  if (audit !== undefined) problems.push(...describeDamage(audit))
  if (roles.includes('provider') && askOf(state, address) === undefined && state.asks.get(address) === undefined)
    problems.push('there is no ask on the ledger, so no client finds this peer: restart it')
  if (bytes !== undefined && bytes.damaged > 0)
    problems.push(`${bytes.damaged} bytes of damaged pieces were set aside: the disk may be failing`)
  const stake = state.verifiers.get(address)?.stake
  if (roles.includes('verifier') && stake !== undefined && stake < parameters.money.stakeUnit)
    problems.push('the stake is below one unit, so nothing is assigned to this verifier: stake more')
  return problems
}
