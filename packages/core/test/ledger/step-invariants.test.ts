import { describe, expect, it } from 'vitest'
import type { Deal, LedgerState } from '../../src/ledger/state.ts'
import * as stepInvariants from '../../src/ledger/step-invariants.ts'
import {
  checkStep,
  countsGoOn,
  dealsGoForward,
  lookAt,
  moneyMovesOnce,
  noncesGoOn,
  outcomesStay,
  STEP_INVARIANTS
} from '../../src/ledger/step-invariants.ts'
import { pieceOf } from './memory-pieces.ts'
import { CLIENT, PROVIDER, TestNetwork } from './network-fixture.ts'

describe('between two looks each invariant can fail', () => {
  type Breakage = (state: LedgerState, deal: Deal) => unknown
  const totals = (deal: Deal, changes: Partial<Deal['totals']>) => Object.assign(deal.totals, changes)

  it.each<[(typeof STEP_INVARIANTS)[number], string, Breakage]>([
    [countsGoOn, 'an entry fewer', state => Object.assign(state, { sequence: state.sequence - 1 })],
    [countsGoOn, 'time going back', state => Object.assign(state, { timeMs: state.timeMs - 1 })],
    [countsGoOn, 'a round again', state => Object.assign(state, { round: state.round - 1 })],
    [countsGoOn, 'a number of a deal again', state => Object.assign(state, { nextDealId: 1 })],
    [noncesGoOn, 'a transfer again', state => Object.assign(state.accounts.get(CLIENT.address)!, { nonce: 0 })],
    [noncesGoOn, 'an account forgotten', state => state.accounts.delete(CLIENT.address)],
    [dealsGoForward, 'a deal forgotten', (state, deal) => state.deals.delete(deal.id)],
    [dealsGoForward, 'other terms', (_, deal) => Object.assign(deal, { pricePerLeafRound: 1n })],
    [dealsGoForward, 'a deal from before', (state, deal) => state.deals.set(0, { ...deal, id: 0 })],
    [moneyMovesOnce, 'unburned', state => Object.assign(state, { burned: state.burned - 1n })],
    [
      moneyMovesOnce,
      'a pay taken back',
      (_, deal) => totals(deal, { paidToProvider: deal.totals.paidToProvider - 1n })
    ],
    [
      outcomesStay,
      'an outcome taken back',
      (_, deal) => Object.assign(deal.rounds, { proved: deal.rounds.proved - 1 })
    ],
    [outcomesStay, 'outcomes of no boundary', (_, deal) => Object.assign(deal.rounds, { void: deal.rounds.void + 2 })]
  ])('%o: %s', async (invariant, _, breakIt) => {
    const { network, deal } = await provedDeal()
    const before = lookAt(network.state)
    expect(checkStep(before, network.state)).toEqual([])
    breakIt(network.state, deal)
    expect(invariant(before, network.state)).toBeTypeOf('string')
    expect(checkStep(before, network.state).map(({ invariant: name }) => name)).toContain(invariant.name)
  })

  it.each(['active', 'ending'] as const)('a deal that has ended is not %s again, and moves no money', async status => {
    const { network, deal } = await provedDeal()
    Object.assign(deal, { status: 'ended' })
    const before = lookAt(network.state)
    Object.assign(deal, { status })
    deal.totals.refunded += 1n
    expect(checkStep(before, network.state).map(({ invariant }) => invariant)).toEqual(
      expect.arrayContaining(['dealsGoForward', 'moneyMovesOnce'])
    )
  })

  it('and each of them stands in the list', () => {
    const named = Object.entries(stepInvariants).filter(
      ([name, value]) => typeof value === 'function' && !['checkStep', 'lookAt'].includes(name)
    )
    expect(STEP_INVARIANTS.map(({ name }) => name).sort()).toEqual(named.map(([name]) => name).sort())
  })
})

it('hold from entry to entry while deals are proved, missed, void and ended', async () => {
  const { network, deal } = await provedDeal()
  let before = lookAt(network.state)
  const step = async (doIt: () => unknown) => {
    await doIt()
    expect(checkStep(before, network.state)).toEqual([])
    before = lookAt(network.state)
  }
  await step(() => network.take(network.transfer(CLIENT, PROVIDER, 5n)))
  await step(() => network.openRound())
  await step(() => network.voidRounds(network.state.round + 2))
  await step(() => network.take(network.endDeal(CLIENT, deal.id)))
  for (let round = 0; round < 8; round += 1) await step(() => network.openRound())
  expect(network.state.deals.get(deal.id)!.rounds).toMatchObject({ proved: 1, void: 1 })
})

async function provedDeal() {
  const network = new TestNetwork({ proving: { cureRounds: 1 }, money: { noticeRounds: 2 } })
  await network.stakeAll()
  const { deal } = await network.openDealWithPieces({ pieces: [pieceOf('a')] })
  await network.take(network.transfer(CLIENT, PROVIDER, 5n))
  await network.openRounds(2)
  await network.attestAll(() => 'pass')
  await network.openRound()
  return { network, deal }
}
