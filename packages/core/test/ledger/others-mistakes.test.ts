/** What storage networks have shipped and regretted, each as a test that fails where it is done again. */
import { describe, expect, it } from 'vitest'
import type { LedgerEvent } from '../../src/ledger/event.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { openChallengesOf } from '../../src/ledger/proof-rules.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { docketChallenges } from '../../src/rounds/docket.ts'
import { expectAllCredits } from './all-credits.ts'
import { type MemoryPieces, pieceOf } from './memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, resultOf, TestNetwork } from './network-fixture.ts'

/** A deal that the open round, the second, is the first to challenge; only its provider can prove it. */
async function challengedNetwork(changes: ConstructorParameters<typeof TestNetwork>[0] = {}, deposit?: bigint) {
  const network = new TestNetwork(changes)
  const pieces = [pieceOf('a', 3000), pieceOf('b', 2000)]
  const opened = await network.openDealWithPieces({ pieces, ...(deposit !== undefined && { deposit }) })
  await network.openRounds(2)
  return { network, ...opened }
}

async function prove(network: TestNetwork, deal: Deal, pieces: MemoryPieces): Promise<void> {
  await network.take(await network.selfProof(deal, PROVIDER, pieces))
}

const kindsOf = (events: readonly LedgerEvent[]) => events.map(({ kind }) => kind)

/** Opens rounds until a deal is over. @returns the round that was open when it was */
async function roundOfEnd(network: TestNetwork, deal: Deal, roundsMax: number): Promise<number> {
  for (let opened = 0; opened < roundsMax; opened += 1) {
    if (deal.status === 'ended' || deal.status === 'failed') return network.state.round
    await network.openRound()
  }
  throw new Error(`the deal is ${deal.status} after ${roundsMax} rounds`)
}

describe('a deadline that slides with late proofs', () => {
  it('does not: a leaf is overdue cureRounds after its fault, whatever is proved or missed meanwhile', async () => {
    const idle = await challengedNetwork()
    const busy = await challengedNetwork()
    const endOfIdle = await roundOfEnd(idle.network, idle.deal, 10)
    // Round 2 is missed; every later round is proved, as late as it can be, and so is all of the docket but one leaf.
    const { network, deal, pieces } = busy
    await network.openRound()
    const [owed] = deal.docket
    for (; deal.status === 'active'; await network.openRound()) {
      await prove(network, deal, pieces)
      const others = deal.docket.filter(leaf => leaf !== owed)
      if (others.length > 0) {
        const challenges = docketChallenges(others, 64)
        await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true, challenges }))
      }
      expect(deal.docket).toEqual([owed])
    }
    expect(deal.status).toBe('failed')
    expect(network.state.round).toBe(endOfIdle)
  })

  it('does not: a second fault of the same leaves leaves them their age', async () => {
    // Four leaves, sixty-four draws: every round asks for all of them.
    const network = new TestNetwork()
    const { deal } = await network.openDealWithPieces({ pieces: [pieceOf('tiny', 127)], leavesPerRound: 64 })
    await network.openRounds(3)
    const once = deal.docket
    expect(once.map(({ leafIndex }) => leafIndex)).toEqual([0, 1, 2, 3])
    await network.openRound()
    expect(deal).toMatchObject({ docket: once, rounds: { faulted: 2 } })
  })
})

describe('missed rounds until everything reverts', () => {
  it('do not: a host that was away for a million rounds goes on with one entry, and nobody owes anything', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const { escrow } = deal
    network.voidRounds(1_000_000)
    expect(deal).toMatchObject({ status: 'active', docket: [], escrow, rounds: { proved: 0, faulted: 0, void: 1 } })
    await network.openRound()
    await prove(network, deal, pieces)
    expect(resultOf(await network.openRound(), deal.id).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
  })

  it('do not: a provider that was away comes back to a refusal that says why, and the next rounds open', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.openRounds(8)
    expect(deal.status).toBe('failed')
    const late = await network.selfProof(deal, PROVIDER, pieces, {
      challenges: [{ pieceId: 0, leafIndices: [0] }]
    })
    expect(await network.refusalOf(late)).toBe('NOT_CHALLENGED')
    await network.openRounds(2)
    expect(checkInvariants(network.state)).toEqual([])
  })
})

describe('proving once per two periods', () => {
  it('is not enough: a proof counts for its own round, in that round', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const early = await network.selfProof(deal, PROVIDER, pieces)
    const challenges = openChallengesOf(network.state.open!, deal)!
    await network.openRound()
    expect(await network.refusalOf(early)).toBe('WRONG_ROUND')
    const renamed = await network.selfProof(deal, PROVIDER, pieces, { challenges })
    expect(await network.refusalOf(renamed)).toBe('WRONG_LEAVES')
    await prove(network, deal, pieces)
    const again = await network.selfProof(deal, PROVIDER, pieces)
    expect(await network.refusalOf(again)).toBe('ALREADY_PROVED')
  })

  it('does not pay: a provider that proves every other round earns nothing after the first it missed', async () => {
    const { network, deal, pieces } = await challengedNetwork({
      proving: { cureRounds: 20 },
      money: { noticeRounds: 21 }
    })
    const earned: bigint[] = []
    for (let round = 0; round < 6; round += 1) {
      if (round % 2 === 0) await prove(network, deal, pieces)
      const { paid, withheld } = resultOf(await network.openRound(), deal.id)
      earned.push(paid + withheld)
    }
    expect(earned[0]).toBeGreaterThan(0n)
    expect(earned.slice(1)).toEqual([0n, 0n, 0n, 0n, 0n])
    expect(deal.rounds).toEqual({ proved: 3, faulted: 3, void: 0 })
  })
})

describe('a rollover that fails for lack of money', () => {
  it('does not: an escrow that runs dry pays its whole notice, and the deal ends', async () => {
    const probe = await challengedNetwork()
    const price = 100n * BigInt(probe.deal.leafCount)
    const { noticeRounds } = probe.network.parameters.money
    // Enough for the notice, the round in which it is given, and two more.
    const { network, deal, pieces } = await challengedNetwork({}, price * BigInt(noticeRounds + 3))
    const client = network.state.accounts.get(CLIENT.address)!
    await network.take(network.transfer(CLIENT, OTHER_PROVIDER, client.free))
    let paidRounds = 0
    while (deal.status !== 'ended') {
      if (network.state.open?.dealIds.includes(deal.id)) await prove(network, deal, pieces)
      const events = await network.openRound()
      const isPaid = events.some(event => event.kind === 'roundClosed' && event.results.some(({ paid }) => paid > 0n))
      if (isPaid) paidRounds += 1
      expect(checkInvariants(network.state)).toEqual([])
    }
    expect(paidRounds).toBe(noticeRounds + 3)
    expect(client.free).toBe(deal.totals.refunded)
    expectAllCredits(network.state)
  })
})

describe('escrow that can never be freed', () => {
  it.each([
    ['its client, alone, when the provider is gone', CLIENT],
    ['its provider, alone, when the client is gone', PROVIDER]
  ])('is freed by %s', async (_, party) => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.endDeal(party, deal.id))
    const { noticeRounds } = network.parameters.money
    expect(await roundOfEnd(network, deal, 20)).toBeLessThanOrEqual(3 + noticeRounds + 4)
    expect(deal).toMatchObject({ escrow: 0n, collateral: 0n })
    expectAllCredits(network.state)
  })

  it('is freed while no round can be opened, and while nobody but the host does anything', async () => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.endDeal(CLIENT, deal.id))
    const events = network.voidRounds(deal.endsAfterRound)
    expect(kindsOf(events)).toContain('dealEnded')
    expect(deal).toMatchObject({ status: 'ended', escrow: 0n })
    expectAllCredits(network.state)
  })

  it('is freed although a demand for an opening is never answered', async () => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.demandOpening(CLIENT, deal.id), network.endDeal(CLIENT, deal.id))
    network.voidRounds(deal.endsAfterRound)
    expect(deal).toMatchObject({ status: 'ended', demand: undefined })
    expect(network.freeOf(CLIENT)).toBe(network.parameters.accounts[0]!.amount)
  })
})

describe('a refund paid twice', () => {
  it('is paid once: a deal that is over takes no other end, and later boundaries leave it alone', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await prove(network, deal, pieces)
    const notice = network.endDeal(CLIENT, deal.id)
    await network.take(notice)
    const receipts = [await network.submit(notice), await network.submit(notice)]
    expect(receipts[0]).toEqual(receipts[1])
    const again = network.endDeal(PROVIDER, deal.id)
    expect(await network.refusalOf(again)).toBe('DEAL_NOT_ACTIVE')
    network.voidRounds(deal.endsAfterRound)
    expect(deal.status).toBe('ended')
    const balances = [CLIENT, PROVIDER].map(party => network.freeOf(party))
    expect(await network.refusalOf(network.endDeal(PROVIDER, deal.id))).toBe('DEAL_NOT_ACTIVE')
    expect(await network.refusalOf(network.topUp(CLIENT, deal.id, 1n))).toBe('DEAL_NOT_ACTIVE')
    await network.openRounds(2)
    network.voidRounds(network.state.round + 30)
    expect([CLIENT, PROVIDER].map(party => network.freeOf(party))).toEqual(balances)
    expect(deal.totals.refunded).toBe(deal.totals.funded - deal.totals.paidToProvider - deal.totals.burned)
    expectAllCredits(network.state)
  })

  it('is paid once where a deal that is ending fails', async () => {
    const { network, deal } = await challengedNetwork()
    await network.take(network.endDeal(CLIENT, deal.id))
    const events: LedgerEvent[] = []
    for (let round = 0; round < 8; round += 1) events.push(...(await network.openRound()))
    expect(kindsOf(events).filter(kind => kind === 'dealFailed' || kind === 'dealEnded')).toEqual(['dealFailed'])
    expect(network.freeOf(CLIENT)).toBe(network.parameters.accounts[0]!.amount)
    expectAllCredits(network.state)
  })
})
