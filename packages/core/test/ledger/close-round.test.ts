import { describe, expect, it } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { assignmentOf, openChallengesOf } from '../../src/ledger/proof-rules.ts'
import { verifiersOfDeal } from '../../src/rounds/assignment.ts'
import { countLeaves } from '../../src/rounds/challenge.ts'
import { frozenDealOf } from '../../src/rounds/freeze.ts'
import { pieceOf } from './memory-pieces.ts'
import { CLIENT, CREDIT, PROVIDER, resultOf, TestNetwork, VERIFIERS } from './network-fixture.ts'

/** A deal that the open round, the second, challenges; four verifiers, three of them assigned. */
async function challengedNetwork(...[changes]: ConstructorParameters<typeof TestNetwork>) {
  const network = new TestNetwork(changes)
  await network.stakeAll()
  const opened = await network.openDealWithPieces()
  await network.openRounds(2)
  return { network, ...opened, price: 100n * BigInt(opened.deal.leafCount) }
}

/** What the open round challenges: each deal with its pieces, leaves and whether it must be opened. */
const challenged = ({ state }: TestNetwork) =>
  state.open!.dealIds.map(dealId => {
    const { pieceIds, leafCount, mustOpen } = frozenDealOf(state.deals.get(dealId)!, state.open!.opening)
    return { dealId, pieceIds, leafCount, mustOpen }
  })

const assignedTo = (network: TestNetwork, dealId: number) =>
  verifiersOfDeal(assignmentOf(network.state, network.state.open!), dealId).map(
    address => VERIFIERS.find(verifier => verifier.address === address)!
  )

describe('boundaries', () => {
  it('challenges and pays what round r added from r+2 on', async () => {
    const network = new TestNetwork()
    await network.stakeAll()
    await network.take(network.ask(PROVIDER))
    await network.openRound()
    const { deal } = await network.openDealWithPieces({ pieces: [pieceOf('first')] })
    await network.openRound()
    expect(challenged(network)).toEqual([])
    await network.openRound()
    const frozen = { dealId: 1, pieceIds: [0], leafCount: deal.leafCount, mustOpen: false }
    expect(challenged(network)).toEqual([frozen])
    await network.take(network.piecesOrder(1, [pieceOf('second')]))
    const grown = { ...frozen, pieceIds: [0, 1], leafCount: deal.leafCount }
    for (const expected of [frozen, frozen, grown]) {
      expect(challenged(network)).toEqual([expected])
      await network.attestAll(() => 'pass')
      const { paid, withheld, fees } = resultOf(await network.openRound(), 1)
      const price = 100n * BigInt(expected.leafCount)
      expect(paid + withheld + fees).toBe(price)
    }
  })

  it('gives a stake its places two rounds later', async () => {
    const network = new TestNetwork()
    await network.openRound()
    await network.take(network.stake(VERIFIERS[0]!, 2))
    await network.openRound()
    expect(network.state.open!.verifiers).toEqual([])
    await network.openRound()
    const { address } = VERIFIERS[0]!
    expect(network.state.open!.verifiers).toEqual([{ address, operator: address, places: 2 }])
  })

  it('challenges an ending deal in its last round, pays it, and returns all money after it', async () => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.endDeal(CLIENT, 1))
    expect(deal.endsAfterRound).toBe(6)
    for (let round = 2; round < 6; round += 1) {
      await network.attestAll(() => 'pass')
      expect(resultOf(await network.openRound(), 1).outcome.kind).toBe('proved')
    }
    expect(challenged(network)).toHaveLength(1)
    await network.attestAll(() => 'pass')
    const { escrow, collateral } = deal
    const events = await network.openRound()
    const { paid, withheld, fees } = resultOf(events, 1)
    expect(paid).toBeGreaterThan(0n)
    expect(events).toContainEqual({
      kind: 'dealEnded',
      dealId: 1,
      refunded: escrow - paid - withheld - fees,
      collateralReturned: collateral + withheld
    })
    expect(deal).toMatchObject({ status: 'ended', escrow: 0n, collateral: 0n })
    expect(challenged(network)).toEqual([])
    expect(checkInvariants(network.state)).toEqual([])
  })
})

describe('a proved round', () => {
  it('pays provider and verifiers from escrow, exactly the price', async () => {
    const { network, deal, price } = await challengedNetwork()
    const before = {
      escrow: deal.escrow,
      provider: network.freeOf(PROVIDER),
      verifiers: VERIFIERS.map(v => network.freeOf(v))
    }
    const assigned = assignedTo(network, 1)
    await network.attestAll(() => 'pass')
    const result = resultOf(await network.openRound(), 1)
    const fee = (price * 60_000n) / 1_000_000n / 3n
    expect(result).toMatchObject({ outcome: { kind: 'proved', by: 'quorum' }, fees: 3n * fee, docketLeaves: 0 })
    expect(result.withheld).toBe((price - 3n * fee) / 2n)
    expect(result.paid + result.withheld).toBe(price - 3n * fee)
    expect(deal.escrow).toBe(before.escrow - price)
    expect(deal.collateral).toBe(result.withheld)
    expect(network.freeOf(PROVIDER)).toBe(before.provider + result.paid)
    expect(VERIFIERS.map(v => network.freeOf(v))).toEqual(
      VERIFIERS.map((v, i) => before.verifiers[i]! + (assigned.includes(v) ? fee : 0n))
    )
    expect(deal.rounds).toEqual({ proved: 1, faulted: 0, void: 0 })
  })

  it('needs a quorum of passes or one self-proof', async () => {
    const { network } = await challengedNetwork()
    const [first, second] = assignedTo(network, 1)
    await network.take(network.attestation(first!, () => 'pass'))
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'no quorum' })
    const again = assignedTo(network, 1)
    await network.take(
      network.attestation(again[0]!, () => 'pass'),
      network.attestation(again[1]!, () => 'pass')
    )
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'proved', by: 'quorum' })
    expect(second).toBeDefined()
  })

  it('needs a self-proof while there are fewer verifiers than a deal is to have', async () => {
    const network = new TestNetwork()
    await network.take(network.stake(VERIFIERS[0]!, 5), network.stake(VERIFIERS[1]!))
    const { deal, pieces } = await network.openDealWithPieces()
    await network.openRounds(2)
    expect(await network.refusalOf(network.attestation(VERIFIERS[0]!, () => 'pass'))).toBe('NOT_ASSIGNED')
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    expect(resultOf(await network.openRound(), 1)).toMatchObject({
      outcome: { kind: 'proved', by: 'self-proof' },
      fees: 0n
    })
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'no answer' })
  })

  it('costs its price, also when its verifiers are silent: nobody saves a fee by keeping proofs from them', async () => {
    const { network, deal, pieces, price } = await challengedNetwork()
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    const result = resultOf(await network.openRound(), 1)
    const fees = 3n * ((price * 60_000n) / 1_000_000n / 3n)
    expect(result).toMatchObject({ outcome: { kind: 'proved', by: 'self-proof' }, fees: 0n, burned: fees })
    expect(result.paid + result.withheld).toBe(price - fees)
    expect(deal.totals).toMatchObject({ burned: fees, paidToVerifiers: 0n })
    expect(deal.escrow).toBe(deal.totals.funded - price)
  })

  it('earns collateral in until the target is full, to the atto, and not beyond', async () => {
    const { network, deal, pieces, price } = await challengedNetwork({
      proving: { openingOneIn: 1 },
      money: { collateralRounds: 2, earnInPpm: 700_000 }
    })
    const withheld: bigint[] = []
    for (let round = 0; round < 5; round += 1) {
      await network.take(await network.selfProof(deal, PROVIDER, pieces))
      withheld.push(resultOf(await network.openRound(), 1).withheld)
    }
    expect(withheld[0]).toBe(((price - 3n * ((price * 60_000n) / 1_000_000n / 3n)) * 700_000n) / 1_000_000n)
    expect(withheld.at(-1)).toBe(0n)
    expect(deal.collateral).toBe(2n * price)
  })
})

describe('verifiers', () => {
  it('are paid the same for yes and no, and for “no answer” only in a fault', async () => {
    const { network, deal, pieces, price } = await challengedNetwork()
    const fee = (price * 60_000n) / 1_000_000n / 3n
    for (const [proved, fees] of [
      [false, 3n * fee],
      [true, 2n * fee]
    ] as const) {
      const [first, second, third] = assignedTo(network, 1)
      await network.take(
        network.attestation(first!, () => 'pass'),
        network.attestation(second!, () => 'bad proof'),
        network.attestation(third!, () => 'no answer')
      )
      if (proved) await network.take(await network.selfProof(deal, PROVIDER, pieces))
      const result = resultOf(await network.openRound(), 1)
      expect(result.outcome.kind).toBe(proved ? 'proved' : 'fault')
      expect(result.fees).toBe(fees)
      expect(result.burned).toBe(proved ? fee : 0n)
    }
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('that say nothing get nothing', async () => {
    const { network } = await challengedNetwork()
    expect(resultOf(await network.openRound(), 1)).toMatchObject({
      outcome: { kind: 'fault', reason: 'no answer' },
      fees: 0n
    })
  })
})

describe('a verifier that does not attest what it was assigned', () => {
  it('loses a little for every round that closes in time, and its place when too little is left', async () => {
    const { network } = await challengedNetwork({ money: { silencePenalty: 4n * CREDIT } })
    const stakeOf = (one: { address: `0x${string}` }) => network.state.verifiers.get(one.address)!.stake
    const silent = assignedTo(network, 1)
    const [other] = VERIFIERS.filter(one => !silent.includes(one))
    const events = await network.openRound()
    expect(events.filter(({ kind }) => kind === 'silent')).toEqual(
      silent
        .map(({ address }) => ({ kind: 'silent', verifier: address, round: 2, penalty: 4n * CREDIT }))
        .sort((a, b) => (a.verifier < b.verifier ? -1 : 1))
    )
    expect(silent.map(stakeOf)).toEqual([6n * CREDIT, 6n * CREDIT, 6n * CREDIT])
    expect(stakeOf(other!)).toBe(10n * CREDIT)
    expect(network.state.burned).toBe(12n * CREDIT)
    await network.openRounds(2)
    expect(network.state.open!.verifiers.map(({ address }) => address)).not.toContain(silent[0]!.address)
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('loses nothing when the round closes late, and nothing for having said no', async () => {
    const { network } = await challengedNetwork()
    await network.attestAll(() => 'no answer')
    await network.openRound()
    network.voidRounds(5)
    expect(network.state.burned).toBe(0n)
  })
})

describe('a fault', () => {
  it('costs the pay of the round and fills the docket; the docket stops the pay until a self-proof empties it', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.attestAll(() => 'pass')
    await network.openRound()
    const { collateral, escrow } = deal
    const asked = openChallengesOf(network.state.open!, deal)!
    await network.attestAll(() => 'no answer')
    const fault = resultOf(await network.openRound(), 1)
    expect(fault).toMatchObject({ outcome: { kind: 'fault', reason: 'no answer' }, paid: 0n, withheld: 0n })
    expect(fault.docketLeaves).toBe(countLeaves(asked))
    expect(deal.escrow).toBe(escrow - fault.fees)
    await network.attestAll(() => 'pass')
    const owing = resultOf(await network.openRound(), 1)
    expect(owing).toMatchObject({ outcome: { kind: 'proved', by: 'quorum' }, paid: 0n, withheld: 0n })
    expect(owing.docketLeaves).toBe(fault.docketLeaves)
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    await network.attestAll(() => 'pass')
    const cured = resultOf(await network.openRound(), 1)
    expect(cured.docketLeaves).toBe(0)
    expect(cured.paid).toBeGreaterThan(0n)
    expect(deal.collateral).toBe(collateral + cured.withheld)
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('that is not cured forfeits the collateral, ends the deal, returns the escrow, and is burned in the end', async () => {
    const { network, deal } = await challengedNetwork()
    await network.attestAll(() => 'pass')
    await network.openRound()
    await network.openRound() // faulted: the docket has its first leaves
    const { collateral, escrow } = deal
    expect(collateral).toBeGreaterThan(0n)
    await network.openRounds(2)
    expect(deal.status).toBe('active')
    const client = network.freeOf(CLIENT)
    const provider = network.freeOf(PROVIDER)
    const events = await network.openRound()
    expect(events).toContainEqual({ kind: 'dealFailed', dealId: 1, forfeited: collateral, refunded: escrow })
    expect(deal).toMatchObject({ status: 'failed', escrow: 0n, collateral: 0n, repairBudget: collateral, docket: [] })
    expect(network.freeOf(CLIENT)).toBe(client + escrow)
    expect(network.freeOf(PROVIDER)).toBe(provider)
    await network.openRounds(2)
    expect(deal.repairBudget).toBe(collateral)
    const silence = network.state.burned
    expect(await network.openRound()).toContainEqual({ kind: 'burned', dealId: 1, amount: collateral })
    expect(network.state.burned - silence).toBe(collateral)
    expect(network.freeOf(CLIENT)).toBe(client + escrow)
    expect(checkInvariants(network.state)).toEqual([])
  })

  it('keeps an ending deal until the docket is empty', async () => {
    const { network, deal, pieces } = await challengedNetwork({ proving: { cureRounds: 3 } })
    await network.take(network.endDeal(PROVIDER, 1))
    while (network.state.round < deal.endsAfterRound) {
      await network.attestAll(() => 'pass')
      await network.openRound()
    }
    await network.openRound() // its last round is a fault
    expect(deal.status).toBe('ending')
    const faulted = deal.rounds.faulted
    await network.openRound()
    expect(deal).toMatchObject({ status: 'ending', rounds: { faulted } })
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    await network.openRound()
    expect(deal.status).toBe('ended')
  })
})

describe('a bad proof', () => {
  it('must be answered on the ledger in the next opening, once', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.attestAll(() => 'bad proof')
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'bad proof' })
    expect(challenged(network)).toMatchObject([{ mustOpen: true }])
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    await network.attestAll(() => 'pass')
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'not opened' })
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    for (let round = 0; round < 2; round += 1) {
      expect(challenged(network)).toMatchObject([{ mustOpen: false }])
      await network.attestAll(() => 'pass')
      expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'proved', by: 'quorum' })
    }
  })

  it('that is seen while another is being answered is answered after it', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.attestAll(() => 'bad proof')
    await network.openRound()
    await network.attestAll(() => 'bad proof')
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
    expect(challenged(network)).toMatchObject([{ mustOpen: true }])
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    await network.openRound()
    expect(challenged(network)).toMatchObject([{ mustOpen: false }])
  })

  it('is still to be answered after void rounds, and after a round that closes void', async () => {
    const { network } = await challengedNetwork()
    await network.attestAll(() => 'bad proof')
    network.voidRounds(6)
    for (let opened = 0; opened < 2; opened += 1) {
      await network.openRound()
      expect(challenged(network)).toMatchObject([{ mustOpen: true }])
      network.voidRounds(network.state.round + 1)
    }
  })
})

describe('a demanded opening', () => {
  const bond = 5000n

  it('takes nothing but a self-proof in the next opening, and the bond is the provider’s for it', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const client = network.freeOf(CLIENT)
    expect(await network.take(network.demandOpening(CLIENT, 1))).toEqual([
      { kind: 'openingDemanded', dealId: 1, bond, fromOpening: 3 }
    ])
    expect(network.freeOf(CLIENT)).toBe(client - bond)
    expect(checkInvariants(network.state)).toEqual([])
    await network.attestAll(() => 'pass')
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'proved', by: 'quorum' })
    expect(challenged(network)).toMatchObject([{ mustOpen: true }])
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    const provider = network.freeOf(PROVIDER)
    const events = await network.openRound()
    expect(events).toContainEqual({ kind: 'bondPaid', dealId: 1, bond, to: PROVIDER.address })
    expect(network.freeOf(PROVIDER)).toBe(provider + bond + resultOf(events, 1).paid)
    expect(deal.demand).toBeUndefined()
    expect(challenged(network)).toMatchObject([{ mustOpen: false }])
  })

  it('gives the bond back when it is not answered, and waits over void rounds', async () => {
    const { network, deal } = await challengedNetwork()
    const client = network.freeOf(CLIENT)
    await network.take(network.demandOpening(CLIENT, 1))
    network.voidRounds(4)
    await network.openRound()
    network.voidRounds(7)
    expect(deal.demand).toEqual({ bond, fromOpening: 3 })
    await network.openRound()
    await network.attestAll(() => 'pass')
    const events = await network.openRound()
    expect(resultOf(events, 1).outcome).toEqual({ kind: 'fault', reason: 'not opened' })
    expect(events).toContainEqual({ kind: 'bondPaid', dealId: 1, bond, to: CLIENT.address })
    expect(network.freeOf(CLIENT)).toBe(client)
  })

  it('gives the bond back when the deal is over first', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
    await network.take(network.demandOpening(CLIENT, 1), network.endDeal(CLIENT, 1))
    await network.openRound()
    expect(network.state.deals.get(1)).toMatchObject({ status: 'ended', demand: undefined })
    expect(network.freeOf(CLIENT)).toBe(1000n * CREDIT)
  })

  it('is the client’s, one at a time, with the bond that the network asks for', async () => {
    const { network } = await challengedNetwork()
    expect(await network.refusalOf(network.demandOpening(CLIENT, 9))).toBe('NO_DEAL')
    expect(await network.refusalOf(network.demandOpening(PROVIDER, 1))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(network.demandOpening(CLIENT, 1, bond - 1n))).toBe('BOND_TOO_SMALL')
    expect(await network.refusalOf(network.demandOpening(CLIENT, 1, 1001n * CREDIT))).toBe('BALANCE_TOO_SMALL')
    await network.take(network.demandOpening(CLIENT, 1))
    expect(await network.refusalOf(network.demandOpening(CLIENT, 1))).toBe('ALREADY_DEMANDED')
  })
})

describe('drawn openings', () => {
  it('are not replaced by a quorum', async () => {
    const { network, deal, pieces } = await challengedNetwork({
      proving: { openingOneIn: 1 },
      money: { collateralRounds: 2 }
    })
    await network.attestAll(() => 'pass')
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'not opened' })
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
  })
})

describe('void rounds', () => {
  it('are neither faults nor pay, for anybody, and do not age a debt', async () => {
    const { network, deal } = await challengedNetwork()
    await network.openRound() // a fault, so that there is a debt to age
    const { escrow, docket, collateral } = deal
    const { countedRounds } = network.state
    const [verifier] = assignedTo(network, 1)
    await network.take(network.attestation(verifier!, () => 'bad proof'))
    const result = resultOf(network.voidRounds(40), 1)
    expect(result).toMatchObject({ outcome: { kind: 'void' }, paid: 0n, withheld: 0n, fees: 0n })
    expect(deal).toMatchObject({ escrow, docket, collateral, status: 'active', rounds: { faulted: 1, void: 1 } })
    expect(network.state.countedRounds).toBe(countedRounds)
    await network.openRound()
    expect(challenged(network)).toHaveLength(1)
  })

  it('pay a deal that was proved before the host went away', async () => {
    const { network } = await challengedNetwork()
    await network.attestAll(() => 'pass')
    const result = resultOf(network.voidRounds(4), 1)
    expect(result.outcome).toEqual({ kind: 'proved', by: 'quorum' })
    expect(result.paid).toBeGreaterThan(0n)
  })

  it('do not challenge a deal past its last round', async () => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.endDeal(CLIENT, 1))
    network.voidRounds(7)
    const events = await network.openRound()
    expect(deal.status).toBe('ended')
    expect(events).toEqual([{ kind: 'roundOpened', round: 8 }])
    expect(network.state.open!.dealIds).toEqual([])
  })
})

describe('empty escrow', () => {
  it('gives notice while the notice period is still covered, and pays every round of it', async () => {
    const network = new TestNetwork()
    await network.stakeAll()
    const piece = pieceOf('a')
    const price = 100n * 95n
    const { deal } = await network.openDealWithPieces({ pieces: [piece], deposit: price * 5n })
    expect(deal.leafCount).toBe(95)
    await network.openRounds(2)
    await network.attestAll(() => 'pass')
    expect(await network.openRound()).toContainEqual({
      kind: 'dealEnding',
      dealId: 1,
      endsAfterRound: 6,
      reason: 'empty escrow'
    })
    for (let round = 3; round <= 6; round += 1) {
      await network.attestAll(() => 'pass')
      const result = resultOf(await network.openRound(), 1)
      expect(result.paid + result.withheld + result.fees).toBe(price)
    }
    expect(deal).toMatchObject({ status: 'ended', escrow: 0n })
    expect(deal.totals).toMatchObject({ funded: price * 5n, refunded: 0n })
    expect(network.freeOf(CLIENT)).toBe(1000n * CREDIT - price * 5n)
  })
})
