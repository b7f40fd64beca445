/** What a verifier is told that it will earn, against what it does earn on the real ledger. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { assignVerifiers, countAssignedTo, dealsAssignedTo } from '../../src/rounds/assignment.ts'
import { encodeVerdicts } from '../../src/rounds/verdicts.ts'
import type { Address } from '../../src/schema.ts'
import { chanceOfBeingDrawn, expectIncome } from '../../src/verifier/expected-income.ts'
import { seedOfName } from '../economics/chance.ts'
import { type Party, partyOf } from '../economics/parties.ts'
import { PIECES, SimNetwork } from '../economics/sim-network.ts'
import { LABEL } from '../economics/world.ts'
import { CREDIT, parametersWith } from '../ledger/network-fixture.ts'

const CLIENT = partyOf('income client')
const PROVIDER = partyOf('income provider')
const addressOf = (n: number) => `0x${n.toString(16).padStart(40, '0')}` as Address

/** Standard errors that a mean may lie off: chance goes further once in fifteen million. */
const ERRORS_MAX = 5.4

describe('the chance of being drawn', () => {
  it('is what counting gives where counting is easy', () => {
    for (const count of [1, 2, 5]) expect(chanceOfBeingDrawn(3, new Array(9).fill(3), count)).toBeCloseTo(count / 10, 9)
    expect(chanceOfBeingDrawn(1, [9], 1)).toBeCloseTo(0.1, 9)
    // Second of three: first another, then this one or the third.
    expect(chanceOfBeingDrawn(2, [3, 5], 2)).toBeCloseTo(0.2 + (0.3 * 2) / 7 + (0.5 * 2) / 5, 9)
    expect(chanceOfBeingDrawn(1, [7], 2)).toBe(1)
    expect(chanceOfBeingDrawn(1, [7], 3)).toBe(0)
    expect(chanceOfBeingDrawn(1, [65_535], 1)).toBeCloseTo(1 / 65_536, 10)
    expect(chanceOfBeingDrawn(60_000, [5_000, 536], 1)).toBeCloseTo(60_000 / 65_536, 9)
  })

  it('sums up to the operators that a deal has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 5, maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        (places, count) => {
          const sum = places.reduce(
            (so, one, index) => so + chanceOfBeingDrawn(one, places.toSpliced(index, 1), count),
            0
          )
          expect(sum).toBeCloseTo(count, 8)
        }
      ),
      { numRuns: 50 }
    )
  })

  it('is how often the assignment draws an operator', () => {
    const places = [1, 2, 5, 1, 8]
    const deals = 300
    const drawn = new Array<number>(places.length).fill(0)
    for (let round = 0; round < 100; round += 1) {
      const assignment = assignVerifiers({
        seed: seedOfName(`chance ${round}`),
        verifiers: places.map((count, index) => ({
          address: addressOf(index),
          operator: addressOf(index),
          places: count
        })),
        dealIds: Array.from({ length: deals }, (_, index) => index),
        partiesOf: () => ({ client: addressOf(90), provider: addressOf(91), operator: addressOf(92) }),
        verifiersPerDeal: 3
      })
      for (const index of places.keys()) drawn[index]! += countAssignedTo(assignment, addressOf(index))
    }
    // Deals share one shuffle of 17 places: as if each of the rounds had drawn some six deals alone.
    for (const [index, own] of places.entries())
      expect(
        Math.abs(drawn[index]! / (100 * deals) - chanceOfBeingDrawn(own, places.toSpliced(index, 1), 3))
      ).toBeLessThan(ERRORS_MAX * Math.sqrt(0.25 / 100 / 3))
  })
})

interface Field {
  readonly verifiersPerDeal: number
  /** Places of each verifier and the number of its operator. */
  readonly verifiers: readonly (readonly [places: number, operator: number])[]
  /** Pieces of each deal, and the verifier that is its client; none for a client that is no verifier. */
  readonly deals: readonly (readonly [pieces: number, client: number | undefined])[]
}

const ROUNDS = 150

/** @returns what each verifier earned in each round */
function play({ verifiersPerDeal, verifiers, deals }: Field, name: string) {
  const parties = verifiers.map((_, index) => partyOf(`income verifier ${index}`))
  const everybody = [CLIENT, PROVIDER, ...parties]
  const network = new SimNetwork(
    parametersWith({
      accounts: everybody.map(({ address }) => ({ address, amount: 1_000n * CREDIT })),
      proving: { verifiersPerDeal, quorum: 1, disputeRounds: 1 },
      money: { uncollateralisedBytesMax: 1_000_000 }
    }),
    round => seedOfName(`${name} ${round}`)
  )
  const { stakeUnit } = network.parameters.money
  network.take(
    network.command('Ask', PROVIDER, {
      provider: PROVIDER.address,
      operator: PROVIDER.address,
      addresses: [],
      region: '',
      pricePerLeafRound: 1_000_000n,
      capacityBytes: 1_000_000
    })
  )
  for (const [index, [places, operator]] of verifiers.entries())
    network.take(
      network.command('VerifierStake', parties[index]!, {
        verifier: parties[index]!.address,
        operator: parties[operator]!.address,
        amount: stakeUnit * BigInt(places),
        addresses: []
      })
    )
  network.openRound()
  for (const [pieces, client] of deals) openDeal(network, client === undefined ? CLIENT : parties[client]!, pieces)
  const expected = parties.map(({ address }, index) =>
    expectIncome(network.state, {
      verifier: address,
      operator: parties[verifiers[index]![1]]!.address,
      stake: stakeUnit * BigInt(verifiers[index]![0])
    })
  )
  network.openRound()
  network.openRound()
  const earned: bigint[][] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = parties.map(({ address }) => network.freeOf(address))
    for (const party of parties) attest(network, party)
    network.openRound()
    earned.push(parties.map(({ address }, index) => network.freeOf(address) - before[index]!))
  }
  return { expected, earned }
}

function openDeal(network: SimNetwork, client: Party, pieces: number): void {
  const accept = (kind: 'DealOrder' | 'PiecesOrder', order: Parameters<SimNetwork['digestOf']>[1]) =>
    PROVIDER.sign(network.digestOf('Acceptance', { provider: PROVIDER.address, order: network.digestOf(kind, order) }))
  const order = {
    ...network.validity(),
    client: client.address,
    provider: PROVIDER.address,
    pricePerLeafRound: 1_000_000n,
    leavesPerRound: 4,
    escrow: 0n
  }
  network.take(network.command('DealOrder', client, order, { acceptance: accept('DealOrder', order) }))
  const joined = PIECES.slice(0, pieces)
  const statement = {
    ...network.validity(),
    client: client.address,
    dealId: network.state.nextDealId - 1,
    pieces: joined.map(({ cid }) => cid),
    labels: joined.map(() => LABEL),
    deposit: CREDIT
  }
  network.take(network.command('PiecesOrder', client, statement, { acceptance: accept('PiecesOrder', statement) }))
}

function attest(network: SimNetwork, verifier: Party): void {
  const { state } = network
  const dealIds = dealsAssignedTo(assignmentOf(state, state.open!), verifier.address)
  if (dealIds.length === 0) return
  network.take(
    network.command('Attestation', verifier, {
      verifier: verifier.address,
      round: state.round,
      verdicts: encodeVerdicts(dealIds.map(() => 'pass')),
      transcripts: new Uint8Array(32)
    })
  )
}

describe('the expected income', () => {
  it('is the long-run mean of what a verifier earns', () => {
    const place = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(4))
    const fields = fc.record({
      verifiersPerDeal: fc.integer({ min: 1, max: 3 }),
      verifiers: fc.array(place, { minLength: 5, maxLength: 5 }),
      deals: fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.option(fc.nat(4), { nil: undefined })), {
        minLength: 1,
        maxLength: 6
      })
    })
    fc.assert(
      fc.property(fields, fc.nat(), (field, seed) => {
        const { expected, earned } = play(field, `income ${seed}`)
        for (const [index, { perRound }] of expected.entries()) {
          const fees = earned.map(round => Number.parseFloat(`${round[index]}`))
          const mean = fees.reduce((sum, fee) => sum + fee, 0) / ROUNDS
          const variance = fees.reduce((sum, fee) => sum + (fee - mean) ** 2, 0) / (ROUNDS - 1)
          // With few distinct outcomes a short run may show no spread at all: a rare one counts for at least one round's worth.
          const noise = ERRORS_MAX * Math.sqrt(variance / ROUNDS) + (ERRORS_MAX ** 2 * Math.max(...fees)) / ROUNDS / 3
          expect(Math.abs(mean - Number.parseFloat(`${perRound}`))).toBeLessThanOrEqual(noise + 1)
        }
      }),
      { numRuns: 6 }
    )
  })

  it('counts what an assigned deal costs, and what can be lost', () => {
    const { expected } = play(
      {
        verifiersPerDeal: 2,
        verifiers: [
          [1, 0],
          [2, 1],
          [1, 2]
        ],
        deals: [[2, undefined]]
      },
      'cost'
    )
    // Each piece has eight leaves, three levels below its root.
    expect(expected[1]).toMatchObject({
      places: 2,
      placesOfAll: 4,
      operators: 3,
      deals: 1,
      cost: { leaves: 4, nodeHashes: 12, proofBytes: 256 + 4 * (9 + 32 * 4) },
      risk: { silence: CREDIT, refutation: 10n * CREDIT, openingsToRelease: 1 + 2 + 2 }
    })
    // 6 % of the price of 16 leaves, between two.
    expect(expected[1]!.perDeal).toBe(480_000n)
    expect(expected[1]!.perRound).toBeGreaterThan(expected[0]!.perRound)
  })

  it('is nothing without a place, and without enough operators', () => {
    const network = new SimNetwork(
      parametersWith({ accounts: [{ address: CLIENT.address, amount: CREDIT }] }),
      () => new Uint8Array(32)
    )
    const { stakeUnit } = network.parameters.money
    for (const stake of [0n, stakeUnit - 1n, stakeUnit])
      expect(expectIncome(network.state, { verifier: CLIENT.address, stake })).toMatchObject({
        perRound: 0n,
        perDeal: 0n,
        dealsAssigned: 0,
        cost: { leaves: 0, proofBytes: 0, nodeHashes: 0 }
      })
  })
})
