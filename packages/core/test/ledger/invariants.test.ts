import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../src/ledger/commands.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import * as invariants from '../../src/ledger/invariants.ts'
import {
  attestationsFit,
  boundariesPassDeals,
  checkInvariants,
  closedDealsHoldNothing,
  creditsAreConserved,
  dealsBalance,
  docketsAreBounded,
  INVARIANTS,
  idsAreRemembered,
  lockedMoneyHasAWayOut,
  nothingIsNegative,
  noticeIsCovered,
  outcomesAreOneARound,
  piecesAreCounted,
  roundsAgree
} from '../../src/ledger/invariants.ts'
import { isPresent } from '../../src/ledger/piece-rules.ts'
import type { Deal, LedgerState } from '../../src/ledger/state.ts'
import type { Verdict } from '../../src/rounds/verdicts.ts'
import { MemoryPieces, pieceOf } from './memory-pieces.ts'
import {
  CLIENT,
  CREDIT,
  PROVIDER,
  PROVIDERS,
  parametersWith,
  STRANGER,
  TestNetwork,
  VERIFIERS
} from './network-fixture.ts'

describe('each invariant can fail', () => {
  type Breakage = (state: LedgerState, deal: Deal) => object
  const client = (state: LedgerState) => state.accounts.get(CLIENT.address)!

  const verifier = (state: LedgerState) => state.verifiers.get(VERIFIERS[0]!.address)!
  const firstPiece = (deal: Deal, changes: object) =>
    Object.assign(deal, { pieces: [{ ...deal.pieces[0]!, ...changes }, ...deal.pieces.slice(1)] })
  const leaf = (leafIndex: number, sinceCountedRound: number) => ({ pieceId: 0, leafIndex, sinceCountedRound })

  it.each<[(typeof INVARIANTS)[number], string, Breakage]>([
    [
      creditsAreConserved,
      'a credit too many',
      state => Object.assign(client(state), { free: client(state).free + 1n })
    ],
    [creditsAreConserved, 'a credit too few', state => Object.assign(client(state), { free: client(state).free - 1n })],
    [creditsAreConserved, 'burned twice', state => Object.assign(state, { burned: state.burned + 1n })],
    [
      creditsAreConserved,
      'a bond from nowhere',
      (_, deal) => Object.assign(deal, { demand: { bond: 1n, fromOpening: 1 } })
    ],
    [nothingIsNegative, 'an overdraft', state => Object.assign(client(state), { free: -1n })],
    [nothingIsNegative, 'an overflow', state => Object.assign(client(state), { free: 2n ** 128n })],
    [nothingIsNegative, 'a negative stake', state => Object.assign(verifier(state), { stake: -1n })],
    [nothingIsNegative, 'negative burning', state => Object.assign(state, { burned: -1n })],
    [nothingIsNegative, 'negative escrow', (_, deal) => Object.assign(deal, { escrow: -1n })],
    [nothingIsNegative, 'negative collateral', (_, deal) => Object.assign(deal, { collateral: -1n })],
    [nothingIsNegative, 'a negative repair budget', (_, deal) => Object.assign(deal, { repairBudget: -1n })],
    [
      nothingIsNegative,
      'more of a repair budget than the escrow holds',
      (_, deal) => Object.assign(deal, { escrowFromRepair: deal.escrow + 1n })
    ],
    [
      dealsBalance,
      'pay from nowhere',
      (_, deal) => Object.assign(deal.totals, { paidToProvider: deal.totals.paidToProvider + 1n })
    ],
    [dealsBalance, 'a refund paid twice', (_, deal) => Object.assign(deal.totals, { refunded: 1n })],
    [closedDealsHoldNothing, 'escrow that is never freed', (_, deal) => Object.assign(deal, { status: 'ended' })],
    [
      closedDealsHoldNothing,
      'a repair budget of a deal that runs',
      (_, deal) => Object.assign(deal, { repairBudget: 1n })
    ],
    [noticeIsCovered, 'a deal that cannot pay its notice', (_, deal) => Object.assign(deal, { escrow: 1n })],
    [
      noticeIsCovered,
      'a notice that cannot be paid',
      (_, deal) => Object.assign(deal, { status: 'ending', endsAfterRound: 5, escrow: 1n })
    ],
    [boundariesPassDeals, 'a deal that no boundary looks at', state => ({ deleted: state.liveDeals.delete(1) })],
    [boundariesPassDeals, 'a boundary that was not passed', (_, deal) => Object.assign(deal, { settledBoundary: 1 })],
    [
      boundariesPassDeals,
      'a deal that its provider does not know of',
      state => ({ gone: state.dealsByProvider.clear() })
    ],
    [roundsAgree, 'an opening that never was', state => Object.assign(state, { openings: 9 })],
    [roundsAgree, 'another round open', state => Object.assign(state, { round: 4 })],
    [roundsAgree, 'a closed round out of order', state => ({ set: state.closed.set(9, state.closed.get(2)!) })],
    [roundsAgree, 'deals out of order', state => Object.assign(state.open!, { dealIds: [1, 1] })],
    [outcomesAreOneARound, 'two outcomes of one round', (_, deal) => Object.assign(deal.rounds, { proved: 7 })],
    [piecesAreCounted, 'a leaf too many', (_, deal) => Object.assign(deal, { leafCount: deal.leafCount + 1 })],
    [piecesAreCounted, 'bytes too few', (_, deal) => Object.assign(deal, { rawSize: 1 })],
    [piecesAreCounted, 'a piece that was gone', (_, deal) => firstPiece(deal, { untilOpening: 2 })],
    [piecesAreCounted, 'a piece from too far ahead', (_, deal) => firstPiece(deal, { fromOpening: 6 })],
    [piecesAreCounted, 'one number twice', (_, deal) => firstPiece(deal, { id: 1 })],
    [
      docketsAreBounded,
      'a docket without bound',
      (state, deal) =>
        Object.assign(
          deal,
          { docket: Array.from({ length: 65 }, (_, i) => leaf(i, 2)) },
          void Object.assign(state, { parameters: parametersWith({ proving: { docketLeavesMax: 64 } }) })
        )
    ],
    [docketsAreBounded, 'a leaf owed twice', (_, deal) => Object.assign(deal, { docket: [leaf(1, 2), leaf(1, 2)] })],
    [docketsAreBounded, 'a leaf that is not there', (_, deal) => Object.assign(deal, { docket: [leaf(95, 2)] })],
    [docketsAreBounded, 'ages out of order', (_, deal) => Object.assign(deal, { docket: [leaf(1, 2), leaf(2, 1)] })],
    [
      docketsAreBounded,
      'a debt that nobody collects',
      (state, deal) => Object.assign(deal, { docket: [leaf(1, 0)] }, void Object.assign(state, { countedRounds: 3 }))
    ],
    [
      lockedMoneyHasAWayOut,
      'a notice without end',
      (_, deal) => Object.assign(deal, { status: 'ending', endsAfterRound: 99 })
    ],
    [
      lockedMoneyHasAWayOut,
      'a budget that never burns',
      (state, deal) => Object.assign(deal, { repairBudget: 1n }, void Object.assign(state, { round: 50 }))
    ],
    [
      lockedMoneyHasAWayOut,
      'stake that never leaves',
      state => Object.assign(verifier(state), { leaving: [{ amount: 1n, releaseOpening: 99 }] })
    ],
    [
      lockedMoneyHasAWayOut,
      'a dispute over a round that nobody knows',
      state =>
        state.disputes.set('x', {
          verifier: CLIENT.address,
          round: 77,
          dealId: 1,
          demander: CLIENT.address,
          status: 'open',
          bond: 0n,
          sinceCountedRound: 0
        })
    ],
    [
      attestationsFit,
      'a verdict of a stranger',
      state =>
        state.open!.attestations.set(STRANGER.address, { verdicts: Uint8Array.of(1), transcripts: new Uint8Array(32) })
    ],
    [
      idsAreRemembered,
      'an id that may be used again',
      state => ({ deleted: state.usedIds.delete([...state.usedIds.keys()][0]!) })
    ],
    [
      idsAreRemembered,
      'an id for ever',
      state => state.usedIds.set('x', { commandHash: '', sequence: 1, validUntilRound: 9 })
    ]
  ])('%o: %s', async (invariant, _, breakIt) => {
    const network = new TestNetwork()
    await network.stakeAll()
    const { deal } = await network.openDealWithPieces({ pieces: [pieceOf('a'), pieceOf('b')] })
    await network.openRounds(2)
    await network.attestAll(() => 'pass')
    await network.openRound()
    expect(checkInvariants(network.state)).toEqual([])
    breakIt(network.state, deal)
    expect(invariant(network.state)).toBeTypeOf('string')
    expect(checkInvariants(network.state).map(({ invariant: name }) => name)).toContain(invariant.name)
  })

  it('and each of them stands in the list', () => {
    const named = Object.entries(invariants).filter(
      ([name, value]) => typeof value === 'function' && !['checkInvariants', 'sumOfCredits'].includes(name)
    )
    expect(INVARIANTS.map(({ name }) => name).sort()).toEqual(named.map(([name]) => name).sort())
  })
})

/** What a run does next; numbers choose among what there is. */
type Step =
  | { readonly kind: 'transfer'; readonly amount: bigint }
  | { readonly kind: 'ask' | 'stake' | 'openDeal' | 'endDeal' | 'prove' | 'docket'; readonly who: number }
  | { readonly kind: 'removePieces'; readonly who: number }
  | { readonly kind: 'addPieces' | 'topUp' | 'demand'; readonly who: number; readonly amount: bigint }
  | { readonly kind: 'attest'; readonly who: number; readonly verdict: Verdict }
  | { readonly kind: 'open' }
  | { readonly kind: 'void'; readonly rounds: number }

const who = fc.nat(7)
const amount = fc.oneof(fc.bigInt(0n, 100_000n), fc.bigInt(0n, 2000n * CREDIT))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('transfer' as const), amount }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('ask' as const, 'stake' as const, 'openDeal' as const, 'endDeal' as const),
      who
    })
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('prove' as const, 'docket' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removePieces' as const), who }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('addPieces' as const, 'topUp' as const, 'demand' as const),
      who,
      amount
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('attest' as const),
      who,
      verdict: fc.constantFrom<Verdict>('pass', 'no answer', 'bad proof')
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('void' as const), rounds: fc.integer({ min: 1, max: 3 }) }) }
)

const PIECES = Array.from({ length: 8 }, (_, index) => pieceOf(`piece ${index}`, 300 + 100 * index))
const STANDING = pieceOf('standing', 500)
const STORE = new MemoryPieces(STANDING, ...PIECES)

const dealOf = (network: TestNetwork, index: number) =>
  [...network.state.deals.values()][index % network.state.deals.size]
const providerOf = (deal: Deal) => PROVIDERS.find(({ address }) => address === deal.provider)!

/** @returns the command of a step; undefined when there is nothing to say it about */
async function commandOf(network: TestNetwork, one: Step): Promise<Command | undefined> {
  if (one.kind === 'transfer') return network.transfer(CLIENT, STRANGER, one.amount)
  if (one.kind === 'open' || one.kind === 'void') return undefined
  if (one.kind === 'ask') return network.ask(PROVIDERS[one.who % 2]!)
  if (one.kind === 'stake') return network.stake(VERIFIERS[one.who % 4]!)
  if (one.kind === 'openDeal') return network.dealOrder(PROVIDERS[one.who % 2]!)
  if (one.kind === 'attest') {
    return network.state.open && network.attestation(VERIFIERS[one.who % 4]!, () => one.verdict)
  }
  const deal = dealOf(network, one.who)
  if (deal === undefined) return undefined
  const provider = providerOf(deal)
  switch (one.kind) {
    case 'topUp':
      return network.topUp(CLIENT, deal.id, one.amount)
    case 'demand':
      return network.demandOpening(CLIENT, deal.id, one.amount)
    case 'removePieces': {
      const ids = deal.pieces.filter(isPresent).map(({ id }) => id)
      return ids.length === 0 ? undefined : network.removePieces(CLIENT, deal.id, [ids[one.who % ids.length]!])
    }
    case 'endDeal':
      return network.endDeal(one.who % 2 === 0 ? CLIENT : PROVIDER, deal.id)
    case 'addPieces':
      return network.piecesOrder(deal.id, [PIECES[one.who]!], { deposit: one.amount }, [CLIENT, provider])
    case 'docket':
      return deal.docket.length === 0 ? undefined : await network.selfProof(deal, provider, STORE, { docket: true })
    case 'prove':
      return network.state.open?.dealIds.includes(deal.id) ? await network.selfProof(deal, provider, STORE) : undefined
  }
}

it('hold after every command of any sequence, and a refusal changes nothing', { timeout: 120_000 }, async () => {
  const taken = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async steps => {
      // A short notice and a quick cure let deals end and fail within a run.
      const network = new TestNetwork({ proving: { cureRounds: 1, verifiersPerDeal: 2 }, money: { noticeRounds: 2 } })
      await network.take(network.stake(VERIFIERS[0]!), network.stake(VERIFIERS[1]!))
      await network.openDealWithPieces({ pieces: [STANDING], deposit: 20_000n })
      let opened = 0
      for (const one of steps) {
        const command = await commandOf(network, one)
        if (one.kind === 'void') network.voidRounds(network.state.round + one.rounds)
        // Real beacon signatures take a twentieth of a second to check: six rounds a run are enough to end and fail in.
        if (one.kind === 'open' && opened++ < 6) await network.openRound()
        if (command !== undefined) {
          const before = hashState(network.state)
          const receipt = await network.submit(command)
          if (receipt.ok) taken.add(command.kind)
          else expect(hashState(network.state), receipt.refusal.code).toBe(before)
        }
        expect(checkInvariants(network.state)).toEqual([])
      }
      for (const { status } of network.state.deals.values()) taken.add(status)
    }),
    { numRuns: 40, endOnFailure: true, seed: 1 }
  )
  // The sequences reach every rule and every end of a deal, or they show nothing.
  expect([...taken].sort()).toEqual(
    ['Ask', 'Attestation', 'DealOrder', 'DemandOpening', 'EndDeal', 'PiecesOrder', 'RemovePieces']
      .concat('SelfProof', 'TopUp', 'Transfer', 'VerifierStake')
      .concat('active', 'ended', 'ending', 'failed')
      .sort()
  )
})
