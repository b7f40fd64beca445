import { beforeEach, describe, expect, it } from 'vitest'
import type { Signer } from '../../src/identity.ts'
import { roundEvidenceOf } from '../../src/ledger/round-evidence.ts'
import { expectAllCredits } from './all-credits.ts'
import { AttestedRounds, type Conduct } from './attested-round.ts'
import { CLIENT, CREDIT, PROVIDERS, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

let network: TestNetwork
let rounds: AttestedRounds

/** Three deals; round 2 is open and challenges them. */
beforeEach(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  const deals = []
  for (const provider of PROVIDERS.slice(0, 3)) deals.push(await network.openDealWithPieces({ provider }))
  await network.openRounds(2)
  rounds = new AttestedRounds(network, deals)
})

/** Attests round 2, in which one verifier does not do right by deal 1, and opens round 3. @returns that verifier */
async function attest(conduct: Conduct): Promise<Signer> {
  const [verifier] = rounds.verifiersOf(1)
  await rounds.attestAll((one, dealId) => (one === verifier && dealId === 1 ? conduct : 'honest'))
  await network.openRound()
  return verifier!
}

/** Another deal that a verifier of deal 1 attested in round 2. */
function otherDealOf({ address }: Signer): number {
  return [2, 3].find(dealId => roundEvidenceOf(network.state, 2, dealId)!.verifiers.includes(address))!
}

const stakeOf = ({ address }: Signer) => network.state.verifiers.get(address)?.stake ?? 0n
const UNIT = 10n * CREDIT

describe('a demand for a transcript', () => {
  it('locks a bond, which its answer burns', async () => {
    const verifier = await attest('honest')
    const [free, earned, burned] = [network.freeOf(CLIENT), network.freeOf(verifier), network.state.burned]
    const demanded = await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    expect(demanded).toEqual([
      {
        kind: 'transcriptDemanded',
        demander: CLIENT.address,
        verifier: verifier.address,
        round: 2,
        dealId: 1,
        bond: 7000n
      }
    ])
    expect(network.freeOf(CLIENT)).toBe(free - 7000n)
    expectAllCredits(network.state)
    const answered = await network.take(rounds.answer(verifier, 2, 1))
    expect(answered).toEqual([
      {
        kind: 'transcriptAnswered',
        demander: CLIENT.address,
        verifier: verifier.address,
        round: 2,
        dealId: 1,
        bond: 7000n
      }
    ])
    expect([network.freeOf(verifier), network.state.burned]).toEqual([earned, burned + 7000n])
    expect(stakeOf(verifier)).toBe(UNIT)
    expectAllCredits(network.state)
    await network.openRounds(5)
    expect(network.applied.flatMap(({ events }) => events).filter(({ kind }) => kind === 'refuted')).toEqual([])
  })

  it('is refused while its round is open, and when the round is too long ago', async () => {
    const [verifier] = rounds.verifiersOf(1)
    await rounds.attestAll()
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier!, 2, 1))).toBe('NOT_DISPUTABLE')
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier!, 9, 1))).toBe('NOT_DISPUTABLE')
    await network.openRounds(6)
    expect(network.state.openings - 2).toBe(network.parameters.proving.disputeRounds)
    await network.take(rounds.demand(CLIENT, verifier!, 2, 1))
    await network.openRound()
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier!, 2, 2))).toBe('NOT_DISPUTABLE')
    await network.take(rounds.answer(verifier!, 2, 1)) // in time: it was demanded in the last moment
    await network.openRounds(2)
    expect(network.state.closed.has(2)).toBe(false)
    expect(network.state.disputes.size).toBe(0)
  })

  it('is refused to who pays no bond, and a second time', async () => {
    const verifier = await attest('honest')
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier, 2, 1, 6999n))).toBe('BOND_TOO_SMALL')
    expect(await network.refusalOf(rounds.demand(STRANGER, verifier, 2, 1))).toBe('BALANCE_TOO_SMALL')
    await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier, 2, 1))).toBe('ALREADY_DEMANDED')
    await network.take(rounds.answer(verifier, 2, 1))
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier, 2, 1))).toBe('ALREADY_ANSWERED')
  })

  it('is refused where there is no verdict: of who was not asked, did not attest, or said “no answer”', async () => {
    const [first, second] = rounds.verifiersOf(1)
    const idle = VERIFIERS.find(one => !rounds.verifiersOf(1).includes(one))!
    await network.take(await rounds.attestation(first!, dealId => (dealId === 1 ? 'no answer' : 'honest')))
    await network.openRound()
    for (const verifier of [first!, second!, idle])
      expect(await network.refusalOf(rounds.demand(CLIENT, verifier, 2, 1))).toBe('NO_VERDICT')
  })
})

describe('an answer', () => {
  it('is refused when nobody asked, and when it does not bear the verdict out', async () => {
    const verifier = await attest('blind pass')
    expect(await network.refusalOf(rounds.answer(verifier, 2, otherDealOf(verifier)))).toBe('NOT_DEMANDED')
    await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    const { proofs } = rounds.shown(verifier, 2, otherDealOf(verifier))
    const blind = rounds.answer(verifier, 2, 1, { proofs: [...proofs!] })
    expect(await network.refusalOf(blind)).toBe('BAD_TRANSCRIPT')
  })

  it('is refused with another transcript, other proofs or another path, and taken after that', async () => {
    const verifier = await attest('honest')
    await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    const good = rounds.answer(verifier, 2, 1)
    const other = rounds.shown(verifier, 2, otherDealOf(verifier))
    for (const change of [
      { transcript: other.transcript },
      { proofs: [...other.proofs!] },
      { path: [...good.path, new Uint8Array(32)] },
      { transcript: { ...good.transcript, reason: 'I swear' } }
    ]) {
      expect(await network.refusalOf({ ...good, ...change })).toBe('BAD_TRANSCRIPT')
      if (!('proofs' in change))
        expect(await network.refusalOf(rounds.answer(verifier, 2, 1, change))).toBe('BAD_TRANSCRIPT')
    }
    await network.take(good)
    expect(await network.refusalOf(rounds.answer(verifier, 2, 1))).toBe('NOT_DEMANDED')
  })
})

describe('silence about a transcript', () => {
  it('refutes once the verifier has had its rounds: the demander earns, the rest burns', async () => {
    const verifier = await attest('blind pass')
    const free = network.freeOf(CLIENT)
    await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    // The rest of the round in which it was asked does not count.
    for (let round = 0; round < network.parameters.proving.answerRounds; round += 1) {
      await rounds.attestAll()
      expect((await network.openRound()).filter(({ kind }) => kind === 'refuted')).toEqual([])
    }
    await rounds.attestAll()
    const { burned } = network.state
    const refuted = (await network.openRound()).filter(({ kind }) => kind === 'refuted')
    expect(refuted).toEqual([
      {
        kind: 'refuted',
        verifier: verifier.address,
        refuter: CLIENT.address,
        demander: CLIENT.address,
        round: 2,
        dealId: 1,
        reason: 'no answer',
        lost: UNIT,
        reward: UNIT / 4n,
        bond: 7000n
      }
    ])
    expect(stakeOf(verifier)).toBe(0n)
    expect(network.freeOf(CLIENT)).toBe(free + UNIT / 4n)
    expect(network.state.burned - burned).toBe((UNIT * 3n) / 4n)
    expectAllCredits(network.state)
    expect(await network.refusalOf(rounds.answer(verifier, 2, 1))).toBe('NOT_DEMANDED')
    expect(await network.refusalOf(rounds.demand(CLIENT, verifier, 2, 1))).toBe('ALREADY_REFUTED')
    await network.openRounds(2)
    expect(network.state.open!.verifiers.map(({ address }) => address)).not.toContain(verifier.address)
  })

  it('does not count while the host is away', async () => {
    const verifier = await attest('honest')
    await network.take(rounds.demand(CLIENT, verifier, 2, 1))
    network.voidRounds(network.state.round + 30)
    network.voidRounds(network.state.round + 30)
    expect(network.state.disputes.size).toBe(1)
    await network.openRound()
    await network.take(rounds.answer(verifier, 2, 1))
    await network.openRounds(5)
    expect(stakeOf(verifier)).toBeGreaterThan(UNIT - 6n * CREDIT)
    expect(network.applied.flatMap(({ events }) => events).filter(({ kind }) => kind === 'refuted')).toEqual([])
  })
})

describe('a refutation', () => {
  it('needs no bond and nobody’s demand: a blind pass costs a place, once', async () => {
    const verifier = await attest('blind pass')
    const events = await network.take(rounds.refutation(STRANGER, verifier, 2, 1))
    expect(events).toMatchObject([{ kind: 'refuted', reason: 'it holds no proof', lost: UNIT, reward: UNIT / 4n }])
    expect(network.freeOf(STRANGER)).toBe(UNIT / 4n)
    expectAllCredits(network.state)
    expect(await network.refusalOf(rounds.refutation(CLIENT, verifier, 2, 1))).toBe('ALREADY_REFUTED')
  })

  it('of a false alarm needs the proof, which was good', async () => {
    const verifier = await attest('false alarm')
    const { proofs, ...without } = rounds.refutation(STRANGER, verifier, 2, 1)
    expect(proofs).toBeDefined()
    expect(await network.refusalOf(without)).toBe('NOT_REFUTED')
    expect(await network.take(rounds.refutation(STRANGER, verifier, 2, 1))).toMatchObject([
      { reason: 'its proof is good' }
    ])
  })

  it('gives an open demand its bond back, and the share to who refuted', async () => {
    const verifier = await attest('blind pass')
    const free = network.freeOf(CLIENT)
    await network.take(rounds.demand(CLIENT, verifier, 2, 1), rounds.refutation(STRANGER, verifier, 2, 1))
    expect(network.freeOf(CLIENT)).toBe(free)
    expect(network.freeOf(STRANGER)).toBe(UNIT / 4n)
    expectAllCredits(network.state)
  })

  it('never holds against an honest verifier, with whatever is shown', async () => {
    const verifier = await attest('honest')
    const own = rounds.shown(verifier, 2, 1)
    for (const changes of [
      {},
      { transcript: { ...own.transcript, push: null } },
      { transcript: { ...own.transcript, verdict: 'bad proof' as const } },
      { path: [] },
      { proofs: own.proofs!.map(proof => ({ ...proof, leaves: proof.leaves.map(() => 0) })) }
    ])
      expect(await network.refusalOf(rounds.refutation(STRANGER, verifier, 2, 1, changes))).toBe('NOT_REFUTED')
    expect(stakeOf(verifier)).toBe(UNIT)
  })

  it('is refused of another verifier, round or deal, and when it is too late', async () => {
    const verifier = await attest('blind pass')
    const refutation = rounds.refutation(STRANGER, verifier, 2, 1)
    const retarget = (changes: object) =>
      network.command(
        'Refute',
        STRANGER,
        { ...refutation.statement, ...network.validity(), ...changes },
        { transcript: refutation.transcript, path: refutation.path }
      )
    expect(await network.refusalOf(retarget({ dealId: 7 }))).toBe('NOT_DISPUTABLE')
    expect(await network.refusalOf(retarget({ round: 3 }))).toBe('NOT_DISPUTABLE')
    const other = VERIFIERS.find(one => one !== verifier)!
    expect(['NO_VERDICT', 'NOT_REFUTED']).toContain(await network.refusalOf(retarget({ verifier: other.address })))
    await network.openRounds(6)
    expect(await network.refusalOf(rounds.refutation(STRANGER, verifier, 2, 1))).toBe('NOT_DISPUTABLE')
  })

  it('takes what is leaving too, and no more than there is', async () => {
    const verifier = await attest('blind pass')
    await network.take(network.command('Unstake', verifier, { verifier: verifier.address, amount: UNIT }))
    expect(await network.take(rounds.refutation(STRANGER, verifier, 2, 1))).toMatchObject([{ lost: UNIT }])
    expect(network.state.verifiers.get(verifier.address)).toMatchObject({ stake: 0n, leaving: [] })
    expectAllCredits(network.state)
  })
})

it('who refutes itself loses', async () => {
  const verifier = await attest('blind pass')
  const before = network.freeOf(verifier) + stakeOf(verifier)
  await network.take(rounds.refutation(verifier, verifier, 2, 1))
  expect(network.freeOf(verifier) + stakeOf(verifier)).toBe(before - (UNIT * 3n) / 4n)
})
