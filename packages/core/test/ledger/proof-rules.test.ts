import { describe, expect, it } from 'vitest'
import { ASKED_OF_DOCKET, askedDigestOf } from '../../src/ledger/asked-pieces.ts'
import type { Command, CommandOf } from '../../src/ledger/commands.ts'
import { assignmentOf, openChallengesOf } from '../../src/ledger/proof-rules.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import { docketChallenges } from '../../src/rounds/docket.ts'
import { pieceOf } from './memory-pieces.ts'
import { CLIENT, OTHER_PROVIDER, PROVIDER, resultOf, STRANGER, TestNetwork, VERIFIERS } from './network-fixture.ts'

/** Two deals of two pieces that round 2, which is open, challenges. */
async function challengedNetwork(...[changes]: ConstructorParameters<typeof TestNetwork>) {
  const network = new TestNetwork(changes)
  await network.stakeAll()
  const options = { pieces: [pieceOf('a'), pieceOf('b', 1000)], leavesPerRound: 20 }
  const opened = await network.openDealWithPieces(options)
  const other = await network.openDealWithPieces({ ...options, provider: OTHER_PROVIDER })
  await network.openRounds(2)
  return { network, ...opened, other }
}

const verifierWithDeals = (network: TestNetwork, count: number) =>
  VERIFIERS.find(
    ({ address }) => dealsAssignedTo(assignmentOf(network.state, network.state.open!), address).length === count
  )!

describe('attesting', () => {
  it('is for the open round, once', async () => {
    const { network } = await challengedNetwork()
    const verifier = verifierWithDeals(network, 2)
    expect(await network.refusalOf(network.attestation(verifier, () => 'pass', 1))).toBe('WRONG_ROUND')
    expect(await network.refusalOf(network.attestation(verifier, () => 'pass', 3))).toBe('WRONG_ROUND')
    const events = await network.take(network.attestation(verifier, () => 'pass'))
    expect(events).toEqual([{ kind: 'attested', verifier: verifier.address, round: 2 }])
    expect(await network.refusalOf(network.attestation(verifier, () => 'no answer'))).toBe('ALREADY_ATTESTED')
  })

  it('is refused in void rounds', async () => {
    const { network } = await challengedNetwork()
    const attestation = network.attestation(verifierWithDeals(network, 2), () => 'pass', 4)
    network.voidRounds(4)
    expect(await network.refusalOf(attestation)).toBe('WRONG_ROUND')
  })

  it('is for those who check a deal', async () => {
    const { network } = await challengedNetwork()
    expect(await network.refusalOf(network.attestation(STRANGER, () => 'pass'))).toBe('NOT_ASSIGNED')
  })

  it('says exactly one verdict a deal', async () => {
    const { network } = await challengedNetwork()
    const verifier = verifierWithDeals(network, 2)
    const { statement } = network.attestation(verifier, () => 'pass') as CommandOf<'Attestation'>
    for (const verdicts of [[], [0b0101, 0], [0b1101], [0b010101]]) {
      const wrong = { ...statement, verdicts: Uint8Array.from(verdicts) }
      expect(await network.refusalOf(network.command('Attestation', verifier, wrong))).toBe('BAD_VERDICTS')
    }
  })
})

describe('proving a round to the ledger', () => {
  it('takes the leaves that the round asks for, of every piece that was hit', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const proof = await network.selfProof(deal, PROVIDER, pieces)
    expect(proof.proofs).toHaveLength(2)
    expect(await network.take(proof)).toEqual([{ kind: 'selfProved', dealId: 1, round: 2, docketLeavesCleared: 0 }])
    expect(await network.refusalOf(await network.selfProof(deal, PROVIDER, pieces))).toBe('ALREADY_PROVED')
  })

  it('is refused to strangers, for another round, and for deals that are not challenged', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const proof = await network.selfProof(deal, PROVIDER, pieces)
    const resigned = (signer: typeof PROVIDER, changes: Partial<CommandOf<'SelfProof'>['statement']>): Command =>
      network.command(
        'SelfProof',
        signer,
        { ...proof.statement, ...network.validity(), ...changes },
        { proofs: proof.proofs }
      )
    expect(await network.refusalOf(resigned(PROVIDER, { dealId: 9 }))).toBe('NO_DEAL')
    expect(await network.refusalOf(resigned(OTHER_PROVIDER, { provider: OTHER_PROVIDER.address }))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(resigned(CLIENT, { provider: CLIENT.address }))).toBe('NOT_A_PARTY')
    expect(await network.refusalOf(resigned(PROVIDER, { round: 1 }))).toBe('WRONG_ROUND')
    expect(await network.refusalOf(resigned(PROVIDER, { round: 3 }))).toBe('WRONG_ROUND')
    await network.take(network.dealOrder(PROVIDER), network.piecesOrder(3, [pieceOf('c')]))
    expect(await network.refusalOf(resigned(PROVIDER, { dealId: 3 }))).toBe('NOT_CHALLENGED')
    await network.openRound()
    expect(await network.refusalOf(resigned(PROVIDER, { round: 3 }))).toBe('WRONG_LEAVES')
  })

  it('is refused with fewer, other or more leaves than asked for', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const challenges = openChallengesOf(network.state.open!, deal)!
    const [first, second] = challenges
    const others = [
      [first!],
      [first!, first!],
      [{ ...first!, leafIndices: first!.leafIndices.slice(1) }, second!],
      [{ ...first!, leafIndices: first!.leafIndices.map(leaf => (leaf + 1) % 95) }, second!],
      [...challenges, first!]
    ]
    for (const wrong of others) {
      expect(await network.refusalOf(await network.selfProof(deal, PROVIDER, pieces, { challenges: wrong }))).toBe(
        'WRONG_LEAVES'
      )
    }
  })

  it('is refused when it signs other pieces than the round asks for', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const { statement, proofs } = await network.selfProof(deal, PROVIDER, pieces)
    for (const asked of [ASKED_OF_DOCKET, statement.asked.map(byte => byte ^ 1)]) {
      const other = network.command('SelfProof', PROVIDER, { ...statement, ...network.validity(), asked }, { proofs })
      expect(await network.refusalOf(other)).toBe('WRONG_PIECES')
    }
  })

  it('is refused when a byte is wrong, when the proofs are not the signed ones, and when a sibling is missing', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    const good = await network.selfProof(deal, PROVIDER, pieces)
    const other = await network.selfProof(deal, PROVIDER, pieces, {
      challenges: [openChallengesOf(network.state.open!, deal)![0]!]
    })
    expect(await network.refusalOf({ ...good, proofs: other.proofs })).toBe('BAD_PROOF')
    pieces.zero(deal.pieces[0]!.cid)
    expect(await network.refusalOf(await network.selfProof(deal, PROVIDER, pieces))).toBe('BAD_PROOF')
    const cut = good.proofs.map(proof => ({ ...proof, nodes: proof.nodes.subarray(32) }))
    expect(await network.refusalOf({ ...good, proofs: cut })).toBe('BAD_PROOF')
    await network.take(good)
  })
})

describe('clearing the docket', () => {
  it('takes leaves of the docket in slices, in any round, and no others', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.openRound()
    const owed = deal.docket.length
    expect(owed).toBeGreaterThan(10)
    const slice = docketChallenges(deal.docket, 7)
    const proveDocket = (challenges: typeof slice) =>
      network.selfProof(deal, PROVIDER, pieces, { docket: true, challenges })
    const notOwed = Array.from({ length: 95 }, (_, leaf) => leaf).find(
      leaf => !deal.docket.some(({ pieceId, leafIndex }) => pieceId === 0 && leafIndex === leaf)
    )!
    expect(await network.refusalOf(await proveDocket([{ pieceId: 0, leafIndices: [notOwed] }]))).toBe('WRONG_LEAVES')
    expect(await network.take(await proveDocket(slice))).toEqual([
      { kind: 'selfProved', dealId: 1, round: 3, docketLeavesCleared: 7 }
    ])
    expect(await network.refusalOf(await proveDocket(slice))).toBe('WRONG_LEAVES')
    network.voidRounds(4)
    await network.take(await proveDocket(docketChallenges(deal.docket, 256)))
    expect(deal.docket).toEqual([])
  })

  it('is asked for by no round', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.openRound()
    const { statement, proofs } = await network.selfProof(deal, PROVIDER, pieces, { docket: true })
    const asked = askedDigestOf(deal, network.state.open!.opening)
    const other = network.command('SelfProof', PROVIDER, { ...statement, ...network.validity(), asked }, { proofs })
    expect(await network.refusalOf(other)).toBe('WRONG_PIECES')
  })

  it('needs good proofs', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.openRound()
    pieces.zero(deal.pieces[0]!.cid)
    expect(await network.refusalOf(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))).toBe('BAD_PROOF')
  })

  it('is not done by proving the round', async () => {
    const { network, deal, pieces } = await challengedNetwork()
    await network.openRound()
    const owed = deal.docket.length
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    expect(deal.docket).toHaveLength(owed)
    expect(resultOf(await network.openRound(), 1)).toMatchObject({
      outcome: { kind: 'proved' },
      paid: 0n,
      withheld: 0n
    })
  })

  it('has room for all that a deal owes until it fails', async () => {
    const { network, deal } = await challengedNetwork({ proving: { leavesPerRoundMax: 20, docketLeavesMax: 60 } })
    const owed = new Set<string>()
    const challenged = () =>
      openChallengesOf(network.state.open!, deal)!.flatMap(({ pieceId, leafIndices }) =>
        leafIndices.map(leafIndex => `${pieceId}/${leafIndex}`)
      )
    for (const leaf of challenged()) owed.add(leaf)
    for (let round = 1; round < network.parameters.proving.cureRounds; round += 1) {
      await network.openRound()
      for (const leaf of challenged()) owed.add(leaf)
    }
    await network.openRound()
    expect(deal.status).toBe('active')
    expect(new Set(deal.docket.map(({ pieceId, leafIndex }) => `${pieceId}/${leafIndex}`))).toEqual(owed)
    await network.openRound()
    expect(deal.status).toBe('failed')
  })
})
