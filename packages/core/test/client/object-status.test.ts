/** What the ledger says of an object: its status, what a top-up adds, and that it can be given up. */
import { beforeEach, describe, expect, it } from 'vitest'
import { findObjectDeals } from '../../src/client/object-deals.ts'
import { statusOfObject } from '../../src/client/object-status.ts'
import { createProofHistory } from '../../src/client/proof-history.ts'
import { removeObject } from '../../src/client/remove-object.ts'
import type { SubmitComponents } from '../../src/client/sign-and-submit.ts'
import { planTopUp, topUpObject } from '../../src/client/top-up.ts'
import type { Signer } from '../../src/identity.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { isPresent } from '../../src/ledger/piece-rules.ts'
import { priceOfDeal } from '../../src/ledger/price.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import type { Address } from '../../src/schema.ts'
import { pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import {
  CLIENT,
  CREDIT,
  OTHER_PROVIDER,
  PROVIDER,
  PROVIDERS,
  STRANGER,
  TestNetwork,
  VERIFIERS
} from '../ledger/network-fixture.ts'
import { noise } from '../pieces/private-objects.ts'

const ROOT = rootOf('object')
const OTHER = rootOf('another object')
const PIECES = [pieceOf('first', 3000), pieceOf('second', 5000)]
/** What the ledger asks for at least when a deal takes the pieces. */
const LEAST = 126_500n
const NO_HISTORY = { of: () => ({ last: undefined, lastProved: undefined }) }

let network: TestNetwork
let drawn = 0
beforeEach(() => {
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 10 ** 9 } })
})

const components = (ledger: Ledger = network.ledger): SubmitComponents => ({
  ledger,
  signer: CLIENT,
  random(sizeBytes) {
    drawn += 1
    return noise(sizeBytes, drawn)
  }
})

/** A deal of the client with so many of the object's pieces, and one of another object where it is said. */
async function openDeal(provider: Signer, { count = PIECES.length, deposit = 10n * CREDIT, shared = false } = {}) {
  await network.take(network.ask(provider))
  const dealId = network.state.nextDealId
  const pieces = PIECES.slice(0, count)
  await network.take(
    network.dealOrder(provider, { leavesPerRound: 4 }),
    network.piecesOrder(dealId, pieces, { labels: pieces.map(() => ROOT.bytes), deposit }, [CLIENT, provider])
  )
  if (shared)
    await network.take(
      network.piecesOrder(dealId, [pieceOf('of the other', 4000)], { labels: [OTHER.bytes], deposit: 0n }, [
        CLIENT,
        provider
      ])
    )
  return dealId
}

const dealOf = (dealId: number): Deal => network.state.deals.get(dealId)!
const status = (client: Signer | undefined = CLIENT) => statusOfObject(network.state, NO_HISTORY, ROOT, client?.address)
const problems = () => status().problems.map(({ dealId, what }) => [dealId, what])

/** Who checks a deal in the open round. */
function assignedTo(dealId: number): Address[] {
  const assignment = assignmentOf(network.state, network.state.open!)
  return VERIFIERS.map(({ address }) => address).filter(one => dealsAssignedTo(assignment, one).includes(dealId))
}

describe('the status of an object', () => {
  it('says of one that nobody stores that nobody is paid', () => {
    expect(status()).toMatchObject({
      isPrivate: false,
      replicas: [],
      pricePerRound: 0n,
      problems: [{ dealId: undefined, what: 'nobody is paid to store it' }]
    })
  })

  it('adds up what stands, and what it costs', async () => {
    const ids = [await openDeal(PROVIDER), await openDeal(OTHER_PROVIDER)]
    const { replicas, pricePerRound, pricePerMonth } = status()
    expect(replicas.map(({ dealId, pieces, region, dealStatus }) => ({ dealId, pieces, region, dealStatus }))).toEqual(
      ids.map(dealId => ({ dealId, pieces: 2, region: 'eu', dealStatus: 'active' }))
    )
    const money = network.parameters.money
    expect(pricePerRound).toBe(ids.reduce((sum, id) => sum + priceOfDeal(money, dealOf(id)), 0n))
    const roundsPerMonth = BigInt((30 * 24 * 60 * 60_000) / network.parameters.roundMs)
    expect(pricePerMonth).toBe(pricePerRound * roundsPerMonth)
    expect(problems()).toEqual([])
  })

  it('counts only the object’s own share of a deal that holds others too', async () => {
    const dealId = await openDeal(PROVIDER, { shared: true })
    const { pricePerRound } = status()
    expect(pricePerRound).toBeGreaterThan(0n)
    expect(pricePerRound).toBeLessThan(priceOfDeal(network.parameters.money, dealOf(dealId)))
  })

  it('does not look at the deals of other clients, unless it is asked to', async () => {
    const dealId = await openDeal(PROVIDER)
    expect(statusOfObject(network.state, NO_HISTORY, ROOT, STRANGER.address).replicas).toEqual([])
    expect(statusOfObject(network.state, NO_HISTORY, ROOT, undefined).replicas).toMatchObject([{ dealId }])
  })

  it('names a replica that lacks pieces', async () => {
    await openDeal(PROVIDER)
    const partial = await openDeal(OTHER_PROVIDER, { count: 1 })
    expect(problems()).toEqual([[partial, 'holds 1 of 2 pieces']])
  })

  it('names a deal whose money runs out, until when it lasts', async () => {
    const poor = await openDeal(PROVIDER, { deposit: LEAST })
    const [replica] = status().replicas
    const rounds = Number(LEAST / priceOfDeal(network.parameters.money, dealOf(poor)))
    expect(replica!.fundedUntilRound).toBe(network.state.round + rounds)
    expect(problems()).toEqual([[poor, `is funded until round ${replica!.fundedUntilRound} only`]])
  })

  it('names a deal that ends', async () => {
    const dealId = await openDeal(PROVIDER)
    await network.take(network.endDeal(PROVIDER, dealId))
    expect(problems()).toEqual([[dealId, `ends after round ${dealOf(dealId).endsAfterRound}`]])
  })

  it('names a deal that failed, while its place is free', async () => {
    const dealId = await openDeal(PROVIDER)
    while (dealOf(dealId).status !== 'failed') await network.openRounds(1)
    expect(status().problems).toMatchObject([
      { dealId: undefined },
      {
        dealId,
        what: expect.stringMatching(/^failed: 0x/),
        whatToDo: expect.stringContaining('store the object again')
      }
    ])
    await network.openRounds(network.parameters.money.repairRounds + 1)
    expect(problems()).toEqual([[undefined, 'nobody is paid to store it']])
  })

  it('says when a replica was proved last and by whom, what came of it since, and when the next round opens', async () => {
    const history = createProofHistory(network.ledger)
    await network.stakeAll()
    const dealId = await openDeal(PROVIDER)
    const replica = () => statusOfObject(network.state, history, ROOT, CLIENT.address).replicas[0]!
    await network.openRounds(2)
    expect(replica()).toMatchObject({ last: undefined, lastProved: undefined, rounds: { proved: 0, faulted: 0 } })
    await network.attestAll(() => 'pass')
    const proved = network.state.round
    const checkers = assignedTo(dealId)
    await network.openRound()
    expect(replica().lastProved).toMatchObject({
      round: proved,
      timeMs: network.clock.now(),
      outcome: { kind: 'proved' }
    })
    expect([...replica().lastProved!.verifiers].sort()).toEqual(checkers.sort())
    expect(checkers.length).toBeGreaterThan(1)
    await network.openRound()
    expect(replica().last).toMatchObject({ round: proved + 1, outcome: { kind: 'fault' } })
    expect(replica()).toMatchObject({ lastProved: { round: proved }, rounds: { proved: 1, faulted: 1 } })
    const { round, nextRoundMs } = statusOfObject(network.state, history, ROOT, CLIENT.address)
    expect({ round, nextRoundMs }).toEqual({
      round: proved + 2,
      nextRoundMs: network.clock.now() + network.parameters.roundMs
    })
    history[Symbol.dispose]()
  })

  it('names what a provider owes, and since which round', async () => {
    const dealId = await openDeal(PROVIDER)
    await network.openRounds(4)
    expect(dealOf(dealId).docket.length).toBeGreaterThan(0)
    expect(problems()[0]).toEqual([
      dealId,
      `owes a proof of ${dealOf(dealId).docket.length} leaves and earns nothing meanwhile`
    ])
  })
})

describe('a top-up', () => {
  it('adds what each deal lacks for so many rounds, and nothing to one that has enough', async () => {
    const [rich, poor] = [await openDeal(PROVIDER), await openDeal(OTHER_PROVIDER, { deposit: LEAST })]
    const price = priceOfDeal(network.parameters.money, dealOf(poor))
    const missing = { dealId: poor, amount: price * 700n - LEAST }
    expect(planTopUp(network.state, CLIENT.address, ROOT, 700)).toEqual([missing])
    const before = dealOf(rich).escrow
    expect(await topUpObject(components(), ROOT, { rounds: 700 })).toEqual([missing])
    expect([dealOf(rich).escrow, dealOf(poor).escrow]).toEqual([before, price * 700n])
    expect(await topUpObject(components(), ROOT, { rounds: 700 })).toEqual([])
  })

  it('leaves out a deal that ends, and an object that is not stored', async () => {
    const dealId = await openDeal(PROVIDER, { deposit: LEAST })
    await network.take(network.endDeal(CLIENT, dealId))
    expect(planTopUp(network.state, CLIENT.address, ROOT, 700)).toEqual([])
    expect(planTopUp(network.state, CLIENT.address, OTHER, 700)).toEqual([])
  })

  it('that the account cannot pay is refused with the ledger’s reason, and what was added before stays', async () => {
    const ids = [await openDeal(PROVIDER, { deposit: LEAST }), await openDeal(OTHER_PROVIDER, { deposit: LEAST })]
    const price = priceOfDeal(network.parameters.money, dealOf(ids[0]!))
    await network.take(network.transfer(CLIENT, PROVIDER, network.freeOf(CLIENT) - 10n * LEAST))
    const rounds = (network.freeOf(CLIENT) + LEAST) / price
    const adding = topUpObject(components(), ROOT, { rounds: Number(rounds) })
    await expect(adding).rejects.toMatchObject({ code: 'LEDGER_REFUSED', details: { code: 'BALANCE_TOO_SMALL' } })
    expect(ids.map(id => dealOf(id).escrow)).toEqual([price * rounds, LEAST])
  })
})

describe('an object that is removed', () => {
  it('leaves its deals, and ends those that hold nothing else', async () => {
    const [own, shared] = [await openDeal(PROVIDER), await openDeal(OTHER_PROVIDER, { shared: true })]
    expect(await removeObject(components(), ROOT)).toEqual([
      { dealId: own, pieces: 2, endsAfterRound: dealOf(own).endsAfterRound },
      { dealId: shared, pieces: 2, endsAfterRound: undefined }
    ])
    expect([dealOf(own).status, dealOf(shared).status]).toEqual(['ending', 'active'])
    expect(findObjectDeals(network.state, ROOT, CLIENT.address)).toEqual([])
    expect(dealOf(shared).pieces.filter(isPresent)).toHaveLength(1)
    expect(await removeObject(components(), ROOT)).toEqual([])
  })

  it('is no stranger’s to remove', async () => {
    await openDeal(PROVIDER)
    expect(await removeObject({ ...components(), signer: STRANGER }, ROOT)).toEqual([])
    expect(findObjectDeals(network.state, ROOT, CLIENT.address)).toHaveLength(1)
  })

  it('is left where it is when the ledger does not answer, and the same call again goes on', async () => {
    await openDeal(PROVIDERS[0]!)
    await openDeal(PROVIDERS[1]!)
    let left = 2
    const silent: Ledger = {
      ...network.ledger,
      state: network.state,
      submit(command, options) {
        left -= 1
        return left < 0 ? Promise.reject(new Error('the host is gone')) : network.ledger.submit(command, options)
      }
    }
    await expect(removeObject(components(silent), ROOT)).rejects.toThrow('the host is gone')
    expect(findObjectDeals(network.state, ROOT, CLIENT.address)).toHaveLength(1)
    expect(await removeObject(components(), ROOT)).toHaveLength(1)
  })

  it('stops between two deals when the caller has had enough', async () => {
    await openDeal(PROVIDER)
    await openDeal(OTHER_PROVIDER)
    const leaving = new AbortController()
    const watched: Ledger = {
      ...network.ledger,
      state: network.state,
      async submit(command, options) {
        options?.signal?.throwIfAborted()
        const receipt = await network.ledger.submit(command, options)
        if (command.kind === 'EndDeal') leaving.abort(new Error('enough'))
        return receipt
      }
    }
    await expect(removeObject(components(watched), ROOT, { signal: leaving.signal })).rejects.toThrow('enough')
    expect(findObjectDeals(network.state, ROOT, CLIENT.address)).toHaveLength(1)
  })
})
