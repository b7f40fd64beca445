/** The ledger as people ask about it: plain data, pure functions of the state. The command line and the local API show them. */
import {
  type Address,
  accountOf,
  askOf,
  asksInForce,
  type Deal,
  type DealResult,
  escrowNeeded,
  type LedgerState,
  priceOfDeal,
  roundOpensMs,
  sumOfCredits,
  unitsIn
} from '@holdfast/core'

export interface StatusView {
  readonly network: string
  readonly entries: number
  readonly round: number
  /** `open`, or `void` when nobody could open it. */
  readonly roundIs: 'open' | 'void' | 'not begun'
  readonly nextRoundMs: number
  readonly beacon: string
  readonly deals: Readonly<Record<Deal['status'], number>>
  readonly bytesStored: number
  readonly providers: number
  readonly verifiers: number
  readonly accounts: number
  readonly supply: bigint
  readonly inBalances: bigint
  readonly burned: bigint
}

export function viewStatus(state: LedgerState): StatusView {
  const { parameters, round } = state
  const deals = { active: 0, ending: 0, ended: 0, failed: 0 }
  let bytesStored = 0
  for (const { status, rawSize } of state.deals.values()) {
    deals[status] += 1
    if (status === 'active' || status === 'ending') bytesStored += rawSize
  }
  return {
    network: parameters.name,
    entries: state.sequence,
    round,
    roundIs: round === 0 ? 'not begun' : state.open === undefined ? 'void' : 'open',
    nextRoundMs: roundOpensMs(parameters, round + 1),
    beacon:
      parameters.beacon.source === 'host'
        ? 'one key of the ledger host, which can foresee every challenge'
        : 'drand, by the League of Entropy',
    deals,
    bytesStored,
    providers: [...asksInForce(state)].length,
    verifiers: [...state.verifiers.values()].filter(({ stake }) => stake >= parameters.money.stakeUnit).length,
    accounts: state.accounts.size,
    supply: parameters.accounts.reduce((sum, { amount }) => sum + amount, 0n),
    inBalances: sumOfCredits(state),
    burned: state.burned
  }
}

export interface DealView {
  readonly id: number
  readonly status: Deal['status']
  readonly client: Address
  readonly provider: Address
  readonly pieces: number
  readonly rawSize: number
  readonly pricePerRound: bigint
  readonly escrow: bigint
  /** Rounds that the escrow pays for at today's price; undefined while nothing is paid for. */
  readonly fundedRounds: number | undefined
  readonly collateral: bigint
  readonly docketLeaves: number
  readonly rounds: Deal['rounds']
  readonly endsAfterRound: number | undefined
}

export function viewDeal(state: LedgerState, deal: Deal): DealView {
  const price = priceOfDeal(state.parameters.money, deal)
  return {
    id: deal.id,
    status: deal.status,
    client: deal.client,
    provider: deal.provider,
    pieces: deal.pieces.filter(({ untilOpening }) => untilOpening === undefined).length,
    rawSize: deal.rawSize,
    pricePerRound: price,
    escrow: deal.escrow,
    fundedRounds: price === 0n ? undefined : unitsIn(deal.escrow, price),
    collateral: deal.collateral,
    docketLeaves: deal.docket.length,
    rounds: { ...deal.rounds },
    endsAfterRound: deal.status === 'ending' ? deal.endsAfterRound : undefined
  }
}

export interface PieceView {
  readonly id: number
  readonly cid: string
  readonly label: string
  readonly rawSize: number
  readonly challengedFromOpening: number
  readonly removed: boolean
}

export interface DealDetails extends DealView {
  readonly pricePerLeafRound: bigint
  readonly leavesPerRound: number
  readonly escrowNeeded: bigint
  readonly repairBudget: bigint
  readonly successor: number | undefined
  readonly totals: Deal['totals']
  readonly pieceList: readonly PieceView[]
}

export function viewDealDetails(state: LedgerState, deal: Deal): DealDetails {
  const { money } = state.parameters
  return {
    ...viewDeal(state, deal),
    pricePerLeafRound: deal.pricePerLeafRound,
    leavesPerRound: deal.leavesPerRound,
    escrowNeeded: escrowNeeded(money, priceOfDeal(money, deal)),
    repairBudget: deal.repairBudget,
    successor: deal.successor,
    totals: { ...deal.totals },
    pieceList: deal.pieces.map(({ id, cid, label, rawSize, fromOpening, untilOpening }) => ({
      id,
      cid: cid.toString(),
      label,
      rawSize,
      challengedFromOpening: fromOpening,
      removed: untilOpening !== undefined
    }))
  }
}

export interface AccountView {
  readonly address: Address
  readonly free: bigint
  /** In deals that this account pays for, bonds included. */
  readonly escrow: bigint
  /** Earned in deals that this account proves. */
  readonly collateral: bigint
  readonly stake: bigint
  /** Stake that was taken back and is not released yet. */
  readonly leaving: bigint
  readonly nonce: number
  readonly asClient: number
  readonly asProvider: number
  readonly ask:
    | {
        readonly pricePerLeafRound: bigint
        readonly capacityBytes: number
        readonly region: string
        readonly addresses: readonly string[]
      }
    | undefined
}

export function viewAccount(state: LedgerState, address: Address): AccountView {
  const { free, nonce } = accountOf(state, address)
  const deals = [...state.deals.values()]
  const asClient = deals.filter(({ client }) => client === address)
  const asProvider = deals.filter(({ provider }) => provider === address)
  const verifier = state.verifiers.get(address)
  const ask = askOf(state, address)
  return {
    address,
    free,
    escrow: asClient.reduce(
      (sum, { escrow, escrowFromRepair, demand }) => sum + escrow - escrowFromRepair + (demand?.bond ?? 0n),
      0n
    ),
    collateral: asProvider.reduce((sum, { collateral }) => sum + collateral, 0n),
    stake: verifier?.stake ?? 0n,
    leaving: verifier?.leaving.reduce((sum, { amount }) => sum + amount, 0n) ?? 0n,
    nonce,
    asClient: asClient.length,
    asProvider: asProvider.length,
    ask: ask && {
      pricePerLeafRound: ask.pricePerLeafRound,
      capacityBytes: ask.capacityBytes,
      region: ask.region,
      addresses: ask.addresses
    }
  }
}

/** One closed round, added up over its deals. */
export interface RoundView {
  readonly round: number
  late: boolean
  proved: number
  faulted: number
  void: number
  paid: bigint
  withheld: bigint
  fees: bigint
}

/** Adds the results of a slice of a round to what is known of it. */
export function addResults(view: RoundView, results: readonly DealResult[]): void {
  for (const { outcome, paid, withheld, fees } of results) {
    view[outcome.kind === 'fault' ? 'faulted' : outcome.kind] += 1
    view.paid += paid
    view.withheld += withheld
    view.fees += fees
  }
}

export function emptyRound(round: number, late: boolean): RoundView {
  return { round, late, proved: 0, faulted: 0, void: 0, paid: 0n, withheld: 0n, fees: 0n }
}
