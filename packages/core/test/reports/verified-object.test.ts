import { describe, expect, it } from 'vitest'
import { deriveLabel, deriveObjectKeys, rootOfLabel } from '../../src/pieces/index.ts'
import { createVerificationHistory } from '../../src/reports/verification-history.ts'
import { verifiedObject } from '../../src/reports/verified-object.ts'
import { MemoryPieces, pieceOf, rootOf } from '../ledger/memory-pieces.ts'
import { CLIENT, LABEL, OTHER_PROVIDER, PROVIDER, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'

const ROOT = rootOfLabel(LABEL)!
const addresses = VERIFIERS.map(({ address }) => address)

/** A network without drawn openings, but for those that a test demands. */
function openNetwork(openingOneIn = 2 ** 20) {
  const network = new TestNetwork({ proving: { openingOneIn }, money: { collateralRounds: 2 * openingOneIn } })
  const history = createVerificationHistory()
  network.ledger.subscribe(applied => history.note(applied, network.state))
  const verified = (nowMs = network.clock.now()) => verifiedObject(network.state, history, ROOT, nowMs)
  return { network, history, verified }
}

describe('how replicas of an object were last verified', () => {
  it('names the verifiers whose passes proved it, and when the quorum was complete', async () => {
    const { network, verified } = openNetwork()
    await network.stakeAll()
    await network.openDealWithPieces()
    await network.openRounds(2)
    expect(verified()).toMatchObject({
      isVerified: false,
      replicas: [{ why: 'the first round that challenges it is open' }]
    })
    await network.attestAll(() => 'pass')
    const attestedMs = network.clock.now()
    await network.openRound()
    const { isVerified, replicas, round, nextRoundMs } = verified()
    expect(isVerified).toBe(true)
    expect(replicas).toMatchObject([
      {
        dealId: 1,
        provider: PROVIDER.address,
        pieces: 1,
        piecesVerified: 1,
        lastVerified: { round: round - 1, timeMs: attestedMs, how: { kind: 'attested' } }
      }
    ])
    const how = replicas[0]!.lastVerified!.how
    if (how.kind !== 'attested') throw new Error('expected an attestation')
    expect(how.verifiers).toHaveLength(network.parameters.proving.verifiersPerDeal)
    for (const verifier of how.verifiers) expect(addresses).toContain(verifier)
    expect(nextRoundMs).toBeGreaterThan(network.clock.now())
  })

  it('leaves out who did not say pass', async () => {
    const { network, verified } = openNetwork()
    await network.stakeAll()
    await network.openDealWithPieces()
    await network.openRounds(2)
    let silent: string | undefined
    for (const verifier of VERIFIERS) {
      const receipt = await network.submit(
        network.attestation(verifier, () => (silent === undefined ? 'no answer' : 'pass'))
      )
      if (receipt.ok) silent ??= verifier.address
    }
    await network.openRound()
    const { lastVerified } = verified().replicas[0]!
    expect(lastVerified?.how).toMatchObject({ kind: 'attested' })
    expect(lastVerified?.how).not.toMatchObject({ verifiers: expect.arrayContaining([silent]) })
  })

  it('tells a self-proof from a drawn opening, and both from what cleared a docket', async () => {
    const { network, verified, history } = openNetwork()
    const { deal, pieces } = await network.openDealWithPieces()
    await network.openRounds(2)
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    const provedMs = network.clock.now()
    await network.openRound()
    expect(verified()).toMatchObject({
      isVerified: true,
      replicas: [{ lastVerified: { timeMs: provedMs, how: { kind: 'self-proof', drawn: false } } }]
    })
    await network.openRound() // nobody proves this one
    expect(verified()).toMatchObject({
      isVerified: false,
      replicas: [{ why: expect.stringMatching(/owes a proof of \d leaves/) }]
    })
    await network.take(await network.selfProof(deal, PROVIDER, pieces, { docket: true }))
    expect(history.of(1).lastCleared).toMatchObject({ round: network.state.round })
    expect(verified().replicas[0]!.why).toMatch(/missed round \d+ \(no answer\)/)
    const always = openNetwork(1)
    const opened = await always.network.openDealWithPieces()
    await always.network.openRounds(2)
    await always.network.take(await always.network.selfProof(opened.deal, PROVIDER, opened.pieces))
    await always.network.openRound()
    expect(always.verified().replicas[0]!.lastVerified!.how).toEqual({ kind: 'self-proof', drawn: true })
  })

  it('is not verified by what is long ago, or before a piece joined, or of half an object', async () => {
    const { network, verified } = openNetwork()
    await network.take(network.ask(OTHER_PROVIDER))
    const { deal, pieces } = await network.openDealWithPieces()
    await network.openRounds(2)
    await network.take(await network.selfProof(deal, PROVIDER, pieces))
    await network.openRound()
    const { roundMs } = network.parameters
    expect(verified(network.clock.now() + roundMs).isVerified).toBe(true)
    const late = verified(network.clock.now() + 2 * roundMs)
    expect(late).toMatchObject({ isVerified: false, replicas: [{ why: expect.stringContaining('too long ago') }] })
    await network.openDealWithPieces({ provider: OTHER_PROVIDER, pieces: [pieceOf('a'), pieceOf('b')] })
    expect(verified().replicas[0]!.why).toBe('the deal holds 1 of 2 pieces')
    await network.take(network.piecesOrder(1, [pieceOf('b')]))
    const [first, second] = verified().replicas
    expect(first!.why).toBe('1 of its pieces joined too lately to be challenged')
    expect(second!.why).toBe('no round has challenged it yet')
  })

  it('finds each replica of a private object by its reference, and each is other bytes', async () => {
    const { network, history } = openNetwork()
    const reference = { root: ROOT, secret: new Uint8Array(32).fill(3), layout: 'distinct', pieceCount: 1 } as const
    const { repairKey } = deriveObjectKeys(reference.secret)
    for (const [replica, provider] of [PROVIDER, OTHER_PROVIDER].entries()) {
      const dealId = replica + 1
      const labels = [deriveLabel(repairKey, { replica, piece: 0 })]
      await network.take(network.ask(provider), network.dealOrder(provider))
      await network.take(network.piecesOrder(dealId, [pieceOf(`replica ${replica}`)], { labels }, [CLIENT, provider]))
    }
    await network.openRounds(2)
    const pieces = new MemoryPieces(pieceOf('replica 1'))
    await network.take(await network.selfProof(network.state.deals.get(2)!, OTHER_PROVIDER, pieces))
    await network.openRound()
    expect(verifiedObject(network.state, history, reference, network.clock.now())).toMatchObject({
      root: ROOT,
      isPrivate: true,
      areReplicasDistinct: true,
      isVerified: false,
      replicas: [
        { replica: 0, provider: PROVIDER.address, isVerified: false },
        { replica: 1, provider: OTHER_PROVIDER.address, isVerified: true }
      ]
    })
  })

  it('is not verified where nobody stores it', () => {
    const { network, history } = openNetwork()
    const nothing = verifiedObject(network.state, history, rootOf('unknown'), network.clock.now())
    expect(nothing).toMatchObject({ replicas: [], isVerified: false })
  })
})
