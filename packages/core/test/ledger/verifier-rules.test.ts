import { beforeEach, describe, expect, it } from 'vitest'
import type { Signer } from '../../src/identity.ts'
import { LEAVING_STAKES_MAX } from '../../src/ledger/verifier-rules.ts'
import { expectAllCredits } from './all-credits.ts'
import { AttestedRounds } from './attested-round.ts'
import { CLIENT, CREDIT, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

const [VERIFIER] = VERIFIERS as [Signer, ...Signer[]]
const UNIT = 10n * CREDIT
let network: TestNetwork

beforeEach(async () => {
  network = new TestNetwork()
  for (const verifier of VERIFIERS) await network.take(network.stake(verifier, 3))
})

const unstake = (amount: bigint, verifier = VERIFIER) =>
  network.command('Unstake', verifier, { verifier: verifier.address, amount })
const recordOf = ({ address }: Signer) => network.state.verifiers.get(address)
const isDrawn = ({ address }: Signer) => network.state.open!.verifiers.find(one => one.address === address)?.places

describe('a stake that is taken back', () => {
  it('gives up its places at once, as far as the next opening is not frozen, and is paid out when nothing can be disputed', async () => {
    await network.openRounds(2)
    const free = network.freeOf(VERIFIER)
    expect(await network.take(unstake(UNIT))).toEqual([
      { kind: 'unstaked', verifier: VERIFIER.address, amount: UNIT, releaseOpening: 12 }
    ])
    expect(isDrawn(VERIFIER)).toBe(3)
    await network.openRound()
    expect(isDrawn(VERIFIER)).toBe(3)
    await network.openRound()
    expect(isDrawn(VERIFIER)).toBe(2)
    await network.openRounds(8)
    expect([network.state.openings, network.freeOf(VERIFIER)]).toEqual([12, free])
    expectAllCredits(network.state)
    expect(await network.openRound()).toContainEqual({
      kind: 'stakeReleased',
      verifier: VERIFIER.address,
      amount: UNIT
    })
    expect(network.freeOf(VERIFIER)).toBe(free + UNIT)
    expect(recordOf(VERIFIER)).toMatchObject({ stake: 2n * UNIT, leaving: [] })
    expectAllCredits(network.state)
  })

  it('is all of it or leaves a place', async () => {
    for (const amount of [0n, 3n * UNIT + 1n, 2n * UNIT + 1n, 3n * UNIT - 1n])
      expect(await network.refusalOf(unstake(amount)), `${amount}`).toBe('STAKE_TOO_SMALL')
    expect(await network.refusalOf(unstake(UNIT, STRANGER))).toBe('STAKE_TOO_SMALL')
    await network.take(unstake(3n * UNIT))
    expect(await network.refusalOf(unstake(UNIT))).toBe('STAKE_TOO_SMALL')
    await network.openRounds(12)
    expect(recordOf(VERIFIER)).toBeUndefined()
    expectAllCredits(network.state)
  })

  it('leaves in a bounded number of parts', async () => {
    for (let part = 0; part < LEAVING_STAKES_MAX; part += 1) await network.take(unstake(1n))
    expect(await network.refusalOf(unstake(1n))).toBe('TOO_MANY_PENDING')
    await network.openRounds(12)
    await network.take(unstake(1n))
    expect(recordOf(VERIFIER)!.leaving).toHaveLength(1)
  })

  it('does not come closer while the host is away', async () => {
    await network.openRounds(2)
    await network.take(unstake(UNIT))
    network.voidRounds(500)
    network.voidRounds(600)
    await network.openRound()
    expect(recordOf(VERIFIER)!.leaving).toHaveLength(1)
  })

  it('waits for disputes about its verifier, and pays for them', async () => {
    const stored = await network.openDealWithPieces()
    await network.openRounds(2)
    const rounds = new AttestedRounds(network, [stored])
    const [liar, honest] = rounds.verifiersOf(1) as [Signer, Signer, Signer]
    for (const verifier of [liar, honest]) await network.take(unstake(3n * UNIT, verifier))
    await rounds.attestAll(verifier => (verifier === liar ? 'blind pass' : 'honest'))
    await network.openRounds(6)
    for (const verifier of [liar, honest]) await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    await network.take(rounds.answer(honest, 2, 1))
    await network.openRounds(5)
    expect(network.freeOf(liar)).toBe(1000n * CREDIT - UNIT - penaltiesOf(liar) + fee())
    expect(network.freeOf(honest)).toBe(1000n * CREDIT - penaltiesOf(honest) + fee())
    expectAllCredits(network.state)
  })

  it('stays until a demand is over that ages more slowly, because its rounds close late', async () => {
    const stored = await network.openDealWithPieces()
    await network.openRounds(2)
    const rounds = new AttestedRounds(network, [stored])
    const [liar] = rounds.verifiersOf(1) as [Signer]
    await network.take(unstake(3n * UNIT, liar))
    await rounds.attestAll(verifier => (verifier === liar ? 'blind pass' : 'honest'))
    await network.openRounds(6)
    await network.take(rounds.demand(CLIENT, liar, 2, 1))
    for (let late = 0; late < 6; late += 1) {
      network.voidRounds(network.state.round + 1)
      await network.openRound()
    }
    expect(network.state.openings).toBeGreaterThan(recordOf(liar)!.leaving[0]!.releaseOpening)
    const free = network.freeOf(liar)
    const closed = [...(await network.openRound()), ...(await network.openRound()), ...(await network.openRound())]
    expect(closed).toContainEqual(expect.objectContaining({ kind: 'refuted', verifier: liar.address, lost: UNIT }))
    expect(network.freeOf(liar)).toBe(free + 2n * UNIT - penaltiesOf(liar))
    expectAllCredits(network.state)
  })

  /** What a verifier lost because its places were drawn once more after it left, and it was silent then. */
  function penaltiesOf({ address }: Signer): bigint {
    return network.applied
      .flatMap(({ events }) => events)
      .reduce((sum, event) => (event.kind === 'silent' && event.verifier === address ? sum + event.penalty : sum), 0n)
  }

  /** One verifier's: all three are paid the same for the one proved round. */
  function fee(): bigint {
    return network.state.deals.get(1)!.totals.paidToVerifiers / 3n
  }
})
