import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  openRoundOf,
  passRounds,
  SETTLE_DEALS_MAX,
  SETTLE_LEAVES_MAX,
  settleNext,
  settleTouched
} from '../../src/ledger/close-round.ts'
import { newDeal } from '../../src/ledger/deal-rules.ts'
import { type LedgerEvent, resultsIn } from '../../src/ledger/event.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { checkInvariants, sumOfCredits } from '../../src/ledger/invariants.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { createLedgerState, type LedgerState, openAccount } from '../../src/ledger/state.ts'
import { countAssignedTo } from '../../src/rounds/assignment.ts'
import { encodeVerdicts, VERDICTS } from '../../src/rounds/verdicts.ts'
import { pieceOf } from './memory-pieces.ts'
import {
  CLIENT,
  CREDIT,
  PROVIDER,
  PROVIDERS,
  parametersWith,
  resultOf,
  STRANGER,
  TestNetwork,
  VERIFIERS
} from './network-fixture.ts'

const { cid } = pieceOf('any', 300)
const ESCROW = 10_000n
const DEALS = SETTLE_DEALS_MAX + 44

/** Deals that hold nothing, so that those after them are not among the first. */
function fillWithDeals(state: LedgerState, count: number): void {
  const [client, provider] = [CLIENT.address, STRANGER.address]
  const terms = { orderId: '', client, provider, operator: provider, pricePerLeafRound: 1n, leavesPerRound: 1 }
  for (let opened = 0; opened < count; opened += 1) newDeal(state, terms)
}

/** More deals than one entry settles, which pay, fail and end within a few rounds. */
function manyDeals(): LedgerState {
  const parameters = parametersWith({
    proving: { openingOneIn: 4, cureRounds: 1, leavesPerRoundMax: 4 },
    money: { noticeRounds: 2, repairRounds: 1, collateralRounds: 8, silencePenalty: 7n }
  })
  const state = createLedgerState(parameters)
  for (const { address } of VERIFIERS) {
    openAccount(state, address).free -= parameters.money.stakeUnit
    const stake = parameters.money.stakeUnit
    state.verifiers.set(address, { stake, leaving: [], addresses: [], operator: address })
  }
  for (let index = 0; index < DEALS; index += 1) {
    const { address: provider } = PROVIDERS[index % PROVIDERS.length]!
    const client = CLIENT.address
    const terms = { orderId: '', client, provider, operator: provider, pricePerLeafRound: 100n, leavesPerRound: 2 }
    const deal = newDeal(state, terms)
    const untilOpening = index % 11 === 0 ? 2 : undefined
    const size = { rawSize: 300, leafCount: 10 }
    deal.pieces = [0, 1].map(id => ({
      id,
      cid,
      label: '00',
      ...size,
      fromOpening: 2,
      untilOpening: id === 1 ? untilOpening : undefined
    }))
    Object.assign(deal, { nextPieceId: 2, rawSize: 600, leafCount: 20, escrow: ESCROW })
    deal.totals.funded = ESCROW
    openAccount(state, client).free -= ESCROW
    if (index % 7 === 0) Object.assign(deal, { status: 'ending', endsAfterRound: 2 })
  }
  return state
}

/** What the verifiers say, and who proves to the ledger: anything, but the same whenever it is asked. */
function fillRound(state: LedgerState, salt: number): void {
  const open = state.open!
  const assignment = assignmentOf(state, open)
  for (const [index, { address }] of VERIFIERS.entries()) {
    const count = countAssignedTo(assignment, address)
    if (count === 0 || (index + salt) % 4 === 0) continue
    const verdicts = Array.from({ length: count }, (_, position) => VERDICTS[(position * salt + index) % 3]!)
    open.attestations.set(address, { verdicts: encodeVerdicts(verdicts), transcripts: new Uint8Array(32) })
  }
  for (const dealId of open.dealIds) if ((dealId + salt) % 5 === 0) open.selfProved.add(dealId)
}

/** Does something with the boundary that is under way, or leaves it to the next one. */
type Settle = (state: LedgerState) => LedgerEvent[]

function play(settle: Settle): { hash: string; outcomes: Set<string>; supply: bigint } {
  const state = manyDeals()
  const events: LedgerEvent[] = []
  const step = (more: LedgerEvent[]) => {
    events.push(...more, ...settle(state))
    expect(checkInvariants(state).filter(({ invariant }) => invariant !== 'idsAreRemembered')).toEqual([])
  }
  for (let round = 1; round <= 5; round += 1) {
    step(openRoundOf(state, round, sha256(Uint8Array.of(round))))
    fillRound(state, round)
  }
  step(passRounds(state, 7))
  step(openRoundOf(state, 8, sha256(Uint8Array.of(8))))
  while (state.closing !== undefined) settleNext(state, DEALS)
  const results = events.flatMap(resultsIn)
  expect(new Set(results.map(({ dealId }) => dealId)).size).toBe(DEALS)
  const outcomes = new Set([
    ...results.map(({ outcome }) => outcome.kind),
    ...[...state.deals.values()].map(({ status }) => status)
  ])
  return { hash: hashState(state), outcomes, supply: sumOfCredits(state) }
}

describe('settling in slices', () => {
  const expected = play(() => [])

  it('meets every outcome, or these tests would show little', () => {
    expect([...expected.outcomes].sort()).toEqual(['active', 'ended', 'ending', 'failed', 'fault', 'proved', 'void'])
  })

  it('gives the same state, whoever settles which deal when', { timeout: 120_000 }, () => {
    const orders = fc.array(fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: -DEALS, max: -1 })), {
      maxLength: 8
    })
    fc.assert(
      fc.property(fc.infiniteStream(orders), stream => {
        const settle: Settle = state => {
          const events: LedgerEvent[] = []
          for (const one of stream.next().value) {
            if (one > 0) events.push(...settleNext(state, one))
            const touched = one < 0 ? settleTouched(state, -one) : undefined
            if (touched === undefined) continue
            touched.undo() // a command that was refused, and then one that was not
            const again = settleTouched(state, -one)!
            expect(again.events).toEqual(touched.events)
            events.push(...again.events)
            again.commit()
          }
          return events
        }
        expect(play(settle).hash).toBe(expected.hash)
      }),
      { numRuns: 30 }
    )
  })

  it('stops early after many faults, so that no entry derives all their leaves', () => {
    const state = manyDeals()
    for (const deal of state.deals.values()) Object.assign(deal, { leavesPerRound: 64 })
    for (let round = 1; round <= 3; round += 1) openRoundOf(state, round, sha256(Uint8Array.of(round)))
    expect(state.closing).toMatchObject({ cursor: SETTLE_LEAVES_MAX / 64 })
    const [settled] = settleNext(state, 1024)
    expect(resultsIn(settled!)).toHaveLength(SETTLE_LEAVES_MAX / 64)
    const rest = openRoundOf(state, 4, sha256(Uint8Array.of(4))).flatMap(resultsIn)
    expect(rest.length).toBe(DEALS - (2 * SETTLE_LEAVES_MAX) / 64 + SETTLE_LEAVES_MAX / 64)
  })

  it('undoes all that it did for a command that is refused', () => {
    const state = manyDeals()
    openRoundOf(state, 1, sha256(Uint8Array.of(1)))
    openRoundOf(state, 2, sha256(Uint8Array.of(2)))
    fillRound(state, 2)
    openRoundOf(state, 3, sha256(Uint8Array.of(3)))
    const before = hashState(state)
    for (let dealId = SETTLE_DEALS_MAX + 1; dealId <= DEALS; dealId += 1) {
      const touched = settleTouched(state, dealId)!
      expect(hashState(state)).not.toBe(before)
      touched.undo()
      expect(hashState(state)).toBe(before)
    }
    expect(settleTouched(state, SETTLE_DEALS_MAX)).toBeUndefined()
    expect(settleTouched(state, DEALS + 1)).toBeUndefined()
  })
})

describe('a command about a deal that has not passed the boundary', () => {
  async function networkWithManyDeals() {
    const network = new TestNetwork()
    fillWithDeals(network.state, SETTLE_DEALS_MAX)
    const opened = await network.openDealWithPieces()
    await network.openRounds(2)
    const closed = await network.openRound()
    return { network, closed, ...opened }
  }

  it('lets it pass first, and tells of it', async () => {
    const { network, closed, deal } = await networkWithManyDeals()
    expect(closed).toContainEqual({ kind: 'roundClosed', round: 2, late: false, results: [] })
    expect(deal).toMatchObject({ docket: [], rounds: { faulted: 0 } })
    const events = await network.take(network.topUp(CLIENT, deal.id, 5n))
    expect(events.map(({ kind }) => kind)).toEqual(['dealsSettled', 'toppedUp'])
    expect(resultOf(events, deal.id).outcome).toEqual({ kind: 'fault', reason: 'no answer' })
    expect(deal.rounds.faulted).toBe(1)
    expect(network.ledger.append({ kind: 'settle', count: 256 }, network.clock.now()).ok).toBe(true)
    expect(network.applied.at(-1)!.events).toEqual([])
    expect(deal.rounds.faulted).toBe(1)
  })

  it('changes nothing when it is refused, not even that', async () => {
    const { network, deal } = await networkWithManyDeals()
    expect(await network.refusalOf(network.topUp(STRANGER, deal.id, 5n))).toBe('NOT_A_PARTY')
    expect(deal.rounds.faulted).toBe(0)
    expect(network.freeOf(PROVIDER)).toBe(1000n * CREDIT)
  })

  it('sees the deal as it is after it', async () => {
    const { network, deal, pieces } = await networkWithManyDeals()
    const receipt = network.ledger.append({ kind: 'settle', count: 1024 }, network.clock.now())
    expect(receipt.ok).toBe(true)
    const owed = deal.docket
    expect(owed.length).toBeGreaterThan(0)
    await network.openRound()
    expect(deal.docket).toEqual(owed)
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    expect(deal.docket.every(({ sinceCountedRound }) => sinceCountedRound === 3)).toBe(true)
  })
})

it('there is nothing to settle when every deal has passed', async () => {
  const network = new TestNetwork()
  const settle = () => network.ledger.append({ kind: 'settle', count: 1 }, network.clock.now())
  expect(await network.refusalOf(settle)).toBe('NOTHING_TO_SETTLE')
  fillWithDeals(network.state, SETTLE_DEALS_MAX + 2)
  await network.openRound()
  expect(await network.refusalOf(settle)).toBe('taken')
  expect(await network.refusalOf(settle)).toBe('taken')
  expect(await network.refusalOf(settle)).toBe('NOTHING_TO_SETTLE')
})
