/** What people ask about an object that they store: does it stand, who showed it and when, what does it cost, what is wrong. */
import type { CID } from 'multiformats/cid'
import { newestAskOf } from '../ledger/asks.ts'
import { pricePerRound, unitsIn } from '../ledger/price.ts'
import type { Deal, DealStatus, LedgerState } from '../ledger/state.ts'
import type { ObjectReference } from '../pieces/index.ts'
import type { RepairNotice } from '../protocols/definitions.ts'
import { roundOpensMs } from '../rounds/schedule.ts'
import type { Address } from '../schema.ts'
import { findObjectDeals, type ObjectDeal } from './object-deals.ts'
import type { DealHistory, ProofHistory } from './proof-history.ts'

const MONTH_MS = 30 * 24 * 60 * 60_000
/** A deal that is funded for fewer is a problem while there is still time: a week, where a round is an hour. */
const LOW_FUNDS_ROUNDS = 7 * 24

export interface ReplicaStatus extends DealHistory {
  /** Which replica; 0 where replicas are identical. */
  readonly replica: number
  readonly dealId: number
  readonly provider: Address
  readonly operator: Address
  /** As the provider calls it; empty when it names none. */
  readonly region: string
  readonly dealStatus: DealStatus
  /** Pieces of the object that the deal holds. */
  readonly pieces: number
  /** Rounds of the deal in which it was challenged. */
  readonly rounds: Readonly<Deal['rounds']>
  /** Leaves that the provider owes a proof for: while it does, it earns nothing. */
  readonly docketLeaves: number
  /** Of the object's share in the deal, in atto. */
  readonly pricePerRound: bigint
  /** The last round that the deal's escrow pays for at its present price, and about when that ends. */
  readonly fundedUntilRound: number
  readonly fundedUntilMs: number
}

export interface StatusProblem {
  readonly dealId: number | undefined
  readonly what: string
  readonly whatToDo: string
}

export interface ObjectStatus {
  readonly root: CID
  readonly isPrivate: boolean
  /** Whether the replicas are different bytes; only then does a proof of each show that there are several. */
  readonly areReplicasDistinct: boolean
  readonly replicas: readonly ReplicaStatus[]
  /** Of all replicas together, in atto. */
  readonly pricePerRound: bigint
  readonly pricePerMonth: bigint
  /** Number of the round that is open, and when the next one opens. */
  readonly round: number
  readonly nextRoundMs: number
  readonly problems: readonly StatusProblem[]
}

/**
 * Pure: reads the state and says what it means.
 *
 * @param client - the account whose deals are looked at; undefined for everybody's
 * @param notices - what their providers say that they lost
 */
export function statusOfObject(
  state: LedgerState,
  history: Pick<ProofHistory, 'of'>,
  name: CID | ObjectReference,
  client: Address | undefined,
  notices: readonly RepairNotice[] = []
): ObjectStatus {
  const { parameters, round } = state
  const isPrivate = 'secret' in name
  const found = findObjectDeals(state, name, client)
  const whole = isPrivate ? name.pieceCount : Math.max(0, ...found.map(({ pieces }) => pieces.length))
  const replicas = found.map(one => replicaStatus(state, history, one))
  const price = replicas.reduce((sum, replica) => sum + replica.pricePerRound, 0n)
  return {
    root: isPrivate ? name.root : name,
    isPrivate,
    areReplicasDistinct: isPrivate && name.layout === 'distinct',
    replicas,
    pricePerRound: price,
    pricePerMonth: (price * BigInt(MONTH_MS)) / BigInt(parameters.roundMs),
    round,
    nextRoundMs: roundOpensMs(parameters, round + 1),
    problems: [
      ...(replicas.length === 0 ? [NOT_STORED] : []),
      ...failuresOf(state, name, client, found),
      ...replicas.flatMap(replica => problemsOf(state, replica, replicas, whole, notices))
    ]
  }
}

const NOT_STORED: StatusProblem = {
  dealId: undefined,
  what: 'nobody is paid to store it',
  whatToDo: 'store it again while you still have it'
}

/**
 * Deals that failed, for as long as nothing stands in their place: of distinct replicas the number tells; of identical ones
 * nothing does, and they are named while a failed deal's pieces may still be taken over.
 */
function failuresOf(
  state: LedgerState,
  name: CID | ObjectReference,
  client: Address | undefined,
  running: readonly ObjectDeal[]
): StatusProblem[] {
  const isDistinct = 'secret' in name && name.layout === 'distinct'
  const standing = new Set(running.map(({ replica }) => replica))
  return findObjectDeals(state, name, client, ({ status }) => status === 'failed')
    .filter(({ replica, deal }) => (isDistinct ? !standing.has(replica) : state.round <= deal.repairUntilRound))
    .map(({ deal }) => ({
      dealId: deal.id,
      what: `failed: ${deal.provider} did not prove in time what it owed, and is paid no more`,
      whatToDo: 'store the object again while you still have it: another provider takes its place'
    }))
}

function replicaStatus(
  state: LedgerState,
  history: Pick<ProofHistory, 'of'>,
  { deal, replica, pieces }: ObjectDeal
): ReplicaStatus {
  const { money, roundMs } = state.parameters
  const priceOfAll = pricePerRound(money, deal.pricePerLeafRound, deal.leafCount)
  const leaves = pieces.reduce((sum, { leafCount }) => sum + leafCount, 0)
  // A deal at the least price costs that, whatever share of it this object has.
  const own = deal.leafCount === 0 ? 0n : (priceOfAll * BigInt(leaves)) / BigInt(deal.leafCount)
  const left = priceOfAll === 0n ? 0 : unitsIn(deal.escrow, priceOfAll)
  const ends = deal.status === 'ending' ? Math.min(deal.endsAfterRound, state.round + left) : state.round + left
  const ask = newestAskOf(state, deal.provider)
  return {
    ...history.of(deal.id),
    replica,
    dealId: deal.id,
    provider: deal.provider,
    operator: deal.operator,
    region: ask?.region ?? '',
    dealStatus: deal.status,
    pieces: pieces.length,
    rounds: { ...deal.rounds },
    docketLeaves: deal.docket.length,
    pricePerRound: own,
    fundedUntilRound: ends,
    fundedUntilMs: roundOpensMs(state.parameters, ends) + roundMs
  }
}

function problemsOf(
  state: LedgerState,
  replica: ReplicaStatus,
  replicas: readonly ReplicaStatus[],
  wholePieces: number,
  notices: readonly RepairNotice[]
): StatusProblem[] {
  const { dealId, docketLeaves, dealStatus, pieces, last } = replica
  const problems: StatusProblem[] = []
  const add = (what: string, whatToDo: string) => problems.push({ dealId, what, whatToDo })
  if (pieces < wholePieces)
    add(`holds ${pieces} of ${wholePieces} pieces`, 'store the object again: what is there is not sent twice')
  const lost = notices.find(notice => notice.dealId === dealId)?.pieces.length ?? 0
  const hasOthers = replicas.some(other => other.dealId !== dealId)
  if (lost > 0)
    add(
      `says itself that it has lost ${lost} ${lost === 1 ? 'piece' : 'pieces'} of this deal and cannot get them again`,
      hasOthers
        ? '`holdfast repair` with its reference makes them again from another replica and sends them there'
        : 'no other replica is left: store the object again while you still have it'
    )
  if (docketLeaves > 0)
    add(
      `owes a proof of ${docketLeaves} leaves and earns nothing meanwhile`,
      `it has ${state.parameters.proving.cureRounds} rounds to prove them; after that store the object again, and another provider takes its place`
    )
  else if (last?.outcome.kind === 'fault')
    add(`missed round ${last.round} (${last.outcome.reason})`, 'nothing yet: it has proved what it owed')
  if (dealStatus === 'ending')
    add(
      `ends after round ${replica.fundedUntilRound}`,
      'store the object again to have another replica before that, if you did not end it yourself'
    )
  else if (replica.fundedUntilRound - state.round < LOW_FUNDS_ROUNDS)
    add(`is funded until round ${replica.fundedUntilRound} only`, 'top it up')
  return problems
}
