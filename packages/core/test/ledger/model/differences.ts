/** Where the machine's state is not what the model says. */
import { askOf } from '../../../src/ledger/asks.ts'
import { isLive } from '../../../src/ledger/live-deals.ts'
import type { Deal, LedgerState } from '../../../src/ledger/state.ts'
import { askInForce } from './simple/deal-rules.ts'
import { bytesHeld, leavesHeld } from './simple/money.ts'
import { dealsOf, isRunning, type ModelDeal, type ModelState } from './simple/state.ts'

/** @returns the first difference, undefined when there is none */
export function findDifference(model: ModelState, state: LedgerState): string | undefined {
  return (
    compare('clock', clockOf(model), {
      sequence: state.sequence,
      timeMs: state.timeMs,
      round: state.round,
      openings: state.openings,
      counted: state.countedRounds,
      boundaries: state.boundaries,
      burned: state.burned,
      nextDealId: state.nextDealId
    }) ??
    compareAccounts(model, state) ??
    compareVerifiers(model, state) ??
    compareAsks(model, state) ??
    compareRounds(model, state) ??
    compareDeals(model, state) ??
    compareDisputes(model, state)
  )
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one)) ?? 'undefined'
}

function compare(what: string, expected: Record<string, unknown>, got: Record<string, unknown>): string | undefined {
  for (const name of Object.keys(expected)) {
    const [left, right] = [expected[name], got[name]]
    if (left === right) continue
    if (textOf(left) !== textOf(right))
      return `${name} of ${what}: the model has ${textOf(left)}, the machine ${textOf(right)}`
  }
  return undefined
}

function firstOf<Item>(items: Iterable<Item>, find: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}

function clockOf({ sequence, timeMs, round, openings, counted, boundaries, burned, deals }: ModelState) {
  return { sequence, timeMs, round, openings, counted, boundaries, burned, nextDealId: deals.length + 1 }
}

function compareAccounts(model: ModelState, state: LedgerState): string | undefined {
  const known = new Set(model.accounts.map(({ address }) => address))
  for (const [address, { free }] of state.accounts)
    if (!known.has(address) && free !== 0n) return `${address} has ${free} and is unknown to the model`
  return firstOf(model.accounts, ({ address, free, nonce }) => {
    const account = state.accounts.get(address)
    return compare(address, { free, nonce }, { free: account?.free ?? 0n, nonce: account?.nonce ?? 0 })
  })
}

function compareVerifiers(model: ModelState, state: LedgerState): string | undefined {
  if ([...state.verifiers.keys()].some(address => !model.verifiers.some(one => one.address === address)))
    return 'the machine has a verifier that the model does not know'
  return firstOf(model.verifiers, ({ address, stake, leaving, operator }) => {
    const record = state.verifiers.get(address)
    return compare(
      address,
      { stake, leaving, ...(record !== undefined && { operator }) },
      {
        stake: record?.stake ?? 0n,
        leaving: (record?.leaving ?? []).map(part => ({ amount: part.amount, opening: part.releaseOpening })),
        operator: record?.operator
      }
    )
  })
}

function compareAsks(model: ModelState, state: LedgerState): string | undefined {
  if (state.asks.size !== model.asks.length) return `the machine has asks of ${state.asks.size} providers`
  return firstOf(model.asks, ({ provider }) => {
    const [expected, got] = [askInForce(model, provider), askOf(state, provider)]
    return compare(
      `the ask of ${provider}`,
      { operator: expected?.operator, region: expected?.region },
      { operator: got?.operator, region: got?.region }
    )
  })
}

function compareRounds(model: ModelState, state: LedgerState): string | undefined {
  const { open, boundary, ready } = model
  const attested = open?.attested.map(({ verifier }) => verifier)
  return compare(
    'rounds',
    {
      open: open && [open.round, open.opening],
      challenged: open?.deals.map(({ dealId }) => dealId),
      verifiers: open?.verifiers,
      attested,
      selfProved: open?.selfProved,
      ready,
      boundary: boundary && [boundary.round, boundary.late, boundary.through, boundary.dealIds, boundary.visited],
      kept: keptOf(model, state)
    },
    {
      open: state.open && [state.open.round, state.open.opening],
      challenged: state.open?.dealIds,
      verifiers: placesOf(state.open?.verifiers),
      attested: state.open && [...state.open.attestations.keys()],
      selfProved: state.open && [...state.open.selfProved],
      ready: placesOf(state.nextVerifiers),
      boundary: state.closing && [
        state.closing.round?.round,
        state.closing.late,
        state.closing.through,
        state.closing.dealIds,
        state.closing.cursor
      ],
      kept: []
    }
  )
}

function placesOf(verifiers: LedgerState['nextVerifiers'] | undefined) {
  return verifiers?.map(({ address, operator, places }) => ({ address, operator, places }))
}

/** Rounds that can be disputed, or are, and that the machine has forgotten. */
function keptOf({ past, openings, disputes, parameters }: ModelState, state: LedgerState): number[] {
  return past
    .filter(
      ({ opening, round }) =>
        openings - opening <= parameters.proving.disputeRounds ||
        disputes.some(one => one.round === round && one.status === 'open')
    )
    .map(({ round }) => round)
    .filter(round => !state.closed.has(round))
}

function compareDeals(model: ModelState, state: LedgerState): string | undefined {
  if (state.deals.size !== model.deals.length)
    return `the machine has ${state.deals.size} deals, the model ${model.deals.length}`
  return firstOf(model.deals, deal => {
    const known = state.deals.get(deal.id)
    if (known === undefined) return `the machine has no deal ${deal.id}`
    if (isLive(known) !== (isRunning(deal) || deal.budget > 0n)) return `deal ${deal.id} is live or not`
    return compareMoney(deal, known) ?? compareContent(deal, known)
  })
}

function compareMoney(deal: ModelDeal, known: Deal): string | undefined {
  const { totals, rounds } = known
  for (const [name, expected, got] of [
    ['status', deal.status, known.status],
    ['last round', deal.lastRound, known.endsAfterRound],
    ['escrow', deal.escrow, known.escrow],
    ['escrow from repair', deal.repairEscrow, known.escrowFromRepair],
    ['collateral', deal.collateral, known.collateral],
    ['reward', deal.reward, known.repairReward],
    ['repair budget', deal.budget, known.repairBudget],
    ['end of repair', deal.budgetUntil, known.repairUntilRound],
    ['successor', deal.successor, known.successor],
    ['funded', deal.funded, totals.funded],
    ['paid to provider', deal.toProvider, totals.paidToProvider],
    ['paid to verifiers', deal.toVerifiers, totals.paidToVerifiers],
    ['refunded', deal.refunded, totals.refunded],
    ['burned', deal.burned, totals.burned],
    ['proved', deal.proved, rounds.proved],
    ['faulted', deal.faulted, rounds.faulted],
    ['void', deal.voided, rounds.void],
    ['bond', deal.demand?.bond, known.demand?.bond],
    ['demanded from', deal.demand?.from, known.demand?.fromOpening],
    ['leaves', isRunning(deal) ? leavesHeld(deal) : 0, isRunning(deal) ? known.leafCount : 0],
    ['bytes', isRunning(deal) ? bytesHeld(deal) : 0, isRunning(deal) ? known.rawSize : 0]
  ] as const)
    if (expected !== got) return `${name} of deal ${deal.id}: the model has ${expected}, the machine ${got}`
  return undefined
}

function compareContent(deal: ModelDeal, known: Deal): string | undefined {
  const docket = known.docket.map(leaf => [leaf.pieceId, leaf.leafIndex, leaf.sinceCountedRound])
  const { operator, leavesPerRound, pricePerLeafRound, client, provider, nextPieceId } = known
  return (
    compare(
      `deal ${deal.id}`,
      {
        client: deal.client,
        provider: deal.provider,
        operator: deal.operator,
        leavesPerRound: deal.leavesPerRound,
        pricePerLeafRound: deal.pricePerLeafRound,
        nextPieceId: deal.nextPieceId,
        docket: deal.docket.map(leaf => [leaf.pieceId, leaf.leafIndex, leaf.since])
      },
      { client, provider, operator, leavesPerRound, pricePerLeafRound, nextPieceId, docket }
    ) ??
    firstOf(deal.pieces, ({ id, name, rawSize, leafCount, from, until, gone }) => {
      const piece = known.pieces.find(one => one.id === id)
      if (piece === undefined) return gone ? undefined : `the machine has no piece ${id} of deal ${deal.id}`
      const { fromOpening, untilOpening } = piece
      return compare(
        `piece ${id} of deal ${deal.id}`,
        { name, rawSize, leafCount, from, until },
        {
          name: piece.cid.toString(),
          rawSize: piece.rawSize,
          leafCount: piece.leafCount,
          from: fromOpening,
          until: untilOpening
        }
      )
    })
  )
}

function compareDisputes({ disputes, past }: ModelState, state: LedgerState): string | undefined {
  for (const { verifier, round, dealId } of state.disputes.values())
    if (!disputes.some(one => one.verifier === verifier && one.round === round && one.dealId === dealId))
      return `the machine has a dispute about deal ${dealId} in round ${round} that the model does not know`
  return firstOf(disputes, ({ verifier, round, dealId, demander, status, bond, since }) => {
    const known = state.disputes.get(`${verifier}/${round}/${dealId}`)
    const isForgotten = known === undefined && !state.closed.has(round) && status !== 'open'
    if (isForgotten) return undefined
    if (!past.some(one => one.round === round && dealsOf(one, verifier).includes(dealId)))
      return `a dispute about deal ${dealId} in round ${round}, which ${verifier} did not check`
    return compare(
      `dispute ${verifier}/${round}/${dealId}`,
      { demander, status, bond, since },
      { demander: known?.demander, status: known?.status, bond: known?.bond, since: known?.sinceCountedRound }
    )
  })
}
