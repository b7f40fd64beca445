import { assignmentOf, dealsAssignedTo } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { createRoundBook, type RoundBook, type VerifierRound } from '../../src/verifier/round-book.ts'
import { viewVerifier } from '../../src/views/verifier-views.ts'

const PROVED = { dealId: 1, verdict: 'pass', reason: '' } as const

let network: TestNetwork
let book: RoundBook
let told: VerifierRound[]
const own = () =>
  VERIFIERS.find(
    ({ address }) => dealsAssignedTo(assignmentOf(network.state, network.state.open!), address).length > 0
  )!

beforeEach(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  await network.openDealWithPieces()
  await network.openRound()
  await network.openRound()
  book = createRoundBook(network.ledger, own().address)
  told = []
  book.subscribe(round => told.push(round))
})
afterEach(() => book[Symbol.dispose]())

describe('the book of a verifier’s rounds', () => {
  it('says what is assigned, found, attested and earned', async () => {
    const { round } = network.state
    expect(book.rounds()).toMatchObject([{ round, assigned: 1, passed: 0, isClosed: false }])
    book.note({ kind: 'checked', round, checked: PROVED })
    book.note({ kind: 'checked', round, checked: PROVED })
    book.note({ kind: 'checked', round, checked: { dealId: 2, verdict: 'not asked', reason: '' } })
    expect(book.rounds()).toMatchObject([{ passed: 1, bad: 0, attestedMs: undefined }])
    for (const verifier of VERIFIERS)
      if (dealsAssignedTo(assignmentOf(network.state, network.state.open!), verifier.address).length > 0)
        await network.take(network.attestation(verifier, () => 'pass'))
    expect(book.rounds()).toMatchObject([{ attestedMs: network.state.timeMs }])
    const before = network.freeOf(VERIFIERS.find(({ address }) => address === own().address)!)
    const verifier = own()
    await network.openRound()
    const fees = network.freeOf(verifier) - before
    expect(fees).toBeGreaterThan(0n)
    expect(book.rounds()[0]).toMatchObject({ isClosed: true, fees, penalty: 0n })
    expect(told.at(-1)!.round).toBeGreaterThanOrEqual(round)
  })

  it('says what silence cost', async () => {
    await network.openRound()
    expect(book.rounds()[0]).toMatchObject({ isClosed: true, attestedMs: undefined, fees: 0n, penalty: 10n ** 18n })
  })
})

it('stake that was taken back has a time', async () => {
  const verifier = own()
  const { proving } = network.parameters
  await network.take(
    network.command('Unstake', verifier, { verifier: verifier.address, amount: network.parameters.money.stakeUnit })
  )
  const { leaving, stake, places } = viewVerifier(network.state, verifier.address, { fees: 0n, rounds: [] })
  expect({ stake, places }).toEqual({ stake: 0n, places: 0 })
  const openings = proving.disputeRounds + proving.answerRounds + 2
  expect(leaving).toMatchObject([{ releaseOpening: network.state.openings + openings }])
  for (const one of VERIFIERS) if (one !== verifier) await network.take(network.stake(one, 0))
  while (network.state.verifiers.has(verifier.address)) await network.openRound()
  expect(network.state.timeMs).toBe(leaving[0]!.releaseMs)
})
