import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { digestOfTranscript } from '../../src/evidence/transcript.ts'
import type { Signer } from '../../src/identity.ts'
import { digestOfProofs, PROOFS_SIZE_BYTES_MAX } from '../../src/ledger/commands.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import type { Deal } from '../../src/ledger/state.ts'
import type { PushedProof } from '../../src/protocols/definitions.ts'
import { dealsAssignedTo, verifiersOfDeal } from '../../src/rounds/assignment.ts'
import { attestFromMs, roundOpensMs, selfProveFromMs } from '../../src/rounds/schedule.ts'
import { createMemoryDialLog } from '../../src/verifier/dial-log.ts'
import { createMemoryTranscriptStore } from '../../src/verifier/transcript-store.ts'
import type { MemoryPieces } from '../ledger/memory-pieces.ts'
import { OTHER_PROVIDER, PROVIDER, resultOf, STRANGER, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { RoundPeers } from '../round-peers.ts'
import { settled } from '../virtual-clock.ts'

let network: TestNetwork
let peers: RoundPeers
let deal: Deal
let pieces: MemoryPieces

/** Round 1 is open; round 2 will challenge the deal. */
beforeEach(async () => {
  network = new TestNetwork({ money: { silencePenalty: 0n } })
  peers = new RoundPeers(network)
  await network.stakeAll()
  ;({ deal, pieces } = await network.openDealWithPieces())
  await network.openRound()
})

/** The verifiers of the deal in the open round, and the one that has nothing to do. */
function assigned(): { verifiers: Signer[]; idle: Signer } {
  const addresses = verifiersOfDeal(assignmentOf(network.state, network.state.open!), 1)
  return {
    verifiers: addresses.map(address => VERIFIERS.find(one => one.address === address)!),
    idle: VERIFIERS.find(({ address }) => !addresses.includes(address))!
  }
}

/** A push as the provider would sign it for a verifier. */
async function pushFor(
  verifier: Signer,
  changes: { signer?: Signer; round?: number; dealId?: number } = {}
): Promise<PushedProof> {
  const { signer = PROVIDER, round = network.state.round, dealId = 1 } = changes
  const { proofs } = await network.selfProof(network.state.deals.get(dealId)!, PROVIDER, pieces)
  const statement = {
    provider: PROVIDER.address,
    verifier: verifier.address,
    dealId,
    round,
    proofs: digestOfProofs(proofs)
  }
  return { dealId, proofs, signature: signer.sign(network.digestOf('ProofPush', statement)) }
}

const attestations = () => peers.events.filter(event => event.kind === 'attested')

function lastAttestation() {
  const { body } = network.applied.at(-1)!.entry
  if (body.kind !== 'command' || body.command.kind !== 'Attestation') throw new Error('no attestation')
  return body.command.statement
}

describe('what is pushed to a verifier', () => {
  it('is checked once: the first signed proof counts', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const verifier = peers.startVerifier(signer!)
    const good = await pushFor(signer!)
    pieces.zero(deal.pieces[0]!.cid)
    const bad = await pushFor(signer!)
    expect(await verifier.receive(2, [bad])).toEqual([
      { dealId: 1, verdict: 'bad proof', reason: 'wrong-root in piece 0' }
    ])
    // Its attestation is on the ledger by now; nothing that comes later counts.
    await settled()
    expect(await verifier.receive(2, [good])).toEqual([
      { dealId: 1, verdict: 'not asked', reason: 'this verifier has attested already' }
    ])
  })

  it('counts for nothing when the provider did not sign it, for this verifier and round', async () => {
    await network.openRound()
    const [signer, other] = assigned().verifiers
    await using _ = peers
    const verifier = peers.startVerifier(signer!)
    const unsigned = [
      await pushFor(signer!, { signer: STRANGER }),
      await pushFor(other!),
      await pushFor(signer!, { round: 1 }),
      { ...(await pushFor(signer!)), signature: new Uint8Array(65) }
    ]
    for (const item of unsigned) {
      expect(await verifier.receive(2, [item])).toEqual([
        { dealId: 1, verdict: 'not asked', reason: 'the provider did not sign this' }
      ])
    }
    expect(await verifier.receive(2, [await pushFor(signer!)])).toEqual([{ dealId: 1, verdict: 'pass', reason: '' }])
  })

  it('is a bad proof when other leaves were asked for', async () => {
    await network.openRound()
    const old = await network.selfProof(deal, PROVIDER, pieces)
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const statement = {
      provider: PROVIDER.address,
      verifier: signer!.address,
      dealId: 1,
      round: 3,
      proofs: digestOfProofs(old.proofs)
    }
    const signature = PROVIDER.sign(network.digestOf('ProofPush', statement))
    expect(await peers.startVerifier(signer!).receive(3, [{ dealId: 1, proofs: old.proofs, signature }])).toEqual([
      { dealId: 1, verdict: 'bad proof', reason: 'these are not the leaves that were asked for' }
    ])
  })

  it('is not asked for by others, in other rounds, or about other deals', async () => {
    await network.openRound()
    const { verifiers, idle } = assigned()
    await using _ = peers
    const item = await pushFor(verifiers[0]!)
    const verifier = peers.startVerifier(verifiers[0]!)
    const verdictOf = async (round: number, one: PushedProof) => (await verifier.receive(round, [one]))[0]!.verdict
    expect(await verdictOf(1, item)).toBe('not asked')
    expect(await verdictOf(4, item)).toBe('not asked')
    expect(await verdictOf(2, { ...item, dealId: 2 })).toBe('not asked')
    expect(await peers.startVerifier(idle).receive(2, [await pushFor(idle)])).toMatchObject([{ verdict: 'not asked' }])
    expect(await verdictOf(2, item)).toBe('pass')
  })

  it('has its signers recovered at once, and lets others run between two proofs', async () => {
    for (let deals = 1; deals < 4; deals += 1) await network.openDealWithPieces()
    await network.openRound()
    await network.openRound()
    await using _ = peers
    const { open } = network.state
    const signer = VERIFIERS.find(
      ({ address }) => dealsAssignedTo(assignmentOf(network.state, open!), address).length > 2
    )!
    const steps: string[] = []
    const verifier = peers.startVerifier(signer, {
      async prefetch(signed) {
        steps.push(`recover ${signed.length}`)
      },
      async pause() {
        steps.push('pause')
      }
    })
    const dealIds = dealsAssignedTo(assignmentOf(network.state, open!), signer.address)
    const items = await Promise.all(dealIds.map(dealId => pushFor(signer, { dealId })))
    await verifier.receive(network.state.round, [...items, { ...items[0]!, dealId: 99 }])
    expect(steps).toEqual([`recover ${dealIds.length}`, 'pause'])
  })

  it('waits a little for a round that this ledger has not seen open', async () => {
    await network.openRound()
    const { verifiers } = assigned()
    const early = peers.startVerifier(verifiers[0]!).receive(3, [])
    await network.openRound()
    expect(await early).toEqual([])
    await peers[Symbol.asyncDispose]()
    expect(network.clock.sleeping).toBe(0)
  })
})

describe('an attestation', () => {
  it('commits to the transcripts of all assigned deals, which are kept with their proofs', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const transcripts = createMemoryTranscriptStore()
    const push = await pushFor(signer!)
    await peers.startVerifier(signer!, { transcripts }).receive(2, [push])
    await settled()
    const [event] = attestations()
    expect(event).toMatchObject({ round: 2, verdicts: [{ dealId: 1, verdict: 'pass' }], receipt: { ok: true } })
    const kept = (await transcripts.get(2, 1))!
    expect(kept.transcript).toMatchObject({
      round: 2,
      dealId: 1,
      verifier: signer!.address,
      verdict: 'pass',
      reason: ''
    })
    expect(kept.proofs).toEqual(push.proofs)
    expect(lastAttestation().transcripts).toEqual(merkleRoot([digestOfTranscript(kept.transcript)]))
  })

  it('is on disk before it is submitted, and is the one that is submitted again after a crash', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const transcripts = createMemoryTranscriptStore()
    const lost: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit() {
        expect(await transcripts.sealed(2)).toBeDefined()
        throw new CoreError('LEDGER_UNREACHABLE', 'the power fails')
      }
    }
    await peers.startVerifier(signer!, { ledger: lost, transcripts }).receive(2, [await pushFor(signer!)])
    await settled()
    await peers.stop(signer!)
    expect(attestations()).toEqual([])
    const restarted = peers.startVerifier(signer!, { transcripts })
    await settled()
    expect(await restarted.receive(2, [await pushFor(signer!)])).toMatchObject([{ verdict: 'not asked' }])
    expect(attestations()).toMatchObject([{ verdicts: [{ dealId: 1, verdict: 'pass' }], receipt: { ok: true } }])
    expect(lastAttestation()).toEqual((await transcripts.sealed(2))!.statement)
  })

  it('says “no answer” of a deal whose proof this verifier could not keep', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const full = { ...createMemoryTranscriptStore(), put: async () => Promise.reject(new Error('the disk is full')) }
    const verifier = peers.startVerifier(signer!, { transcripts: full })
    expect(await verifier.receive(2, [await pushFor(signer!)])).toEqual([
      { dealId: 1, verdict: 'not asked', reason: 'this verifier cannot keep the proof' }
    ])
    await network.clock.advanceTo(attestFromMs(network.parameters, 2))
    expect(attestations()).toMatchObject([{ verdicts: [{ dealId: 1, verdict: 'no answer' }] }])
    expect(peers.errors).toMatchObject([{ message: 'the disk is full' }])
  })

  it('binds nobody by a proof that would not fit an answer on the ledger', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    const { proofs } = await network.selfProof(deal, PROVIDER, pieces)
    const huge = proofs.map(proof => ({ ...proof, nodes: new Uint8Array(PROOFS_SIZE_BYTES_MAX) }))
    const statement = {
      provider: PROVIDER.address,
      verifier: signer!.address,
      dealId: 1,
      round: 2,
      proofs: digestOfProofs(huge)
    }
    const item = { dealId: 1, proofs: huge, signature: PROVIDER.sign(network.digestOf('ProofPush', statement)) }
    const verifier = peers.startVerifier(signer!)
    expect(await verifier.receive(2, [item])).toMatchObject([{ verdict: 'not asked' }])
    expect(await verifier.receive(2, [await pushFor(signer!)])).toMatchObject([{ verdict: 'pass' }])
  })

  it('says “no answer” of a provider that neither came nor answered, before the self-proofs begin', async () => {
    await using _ = peers
    for (const verifier of VERIFIERS) peers.startVerifier(verifier)
    await network.openRound()
    await network.clock.advanceTo(attestFromMs(network.parameters, 2) - 1)
    expect(attestations()).toEqual([])
    await network.clock.advanceTo(attestFromMs(network.parameters, 2))
    expect(attestations()).toHaveLength(3)
    for (const { verdicts } of attestations()) expect(verdicts).toEqual([{ dealId: 1, verdict: 'no answer' }])
    expect(resultOf(await network.openRound(), 1).outcome).toEqual({ kind: 'fault', reason: 'no answer' })
  })

  it('is not held up by a provider that takes its time', async () => {
    await using _ = peers
    const ask = (_addresses: unknown, _message: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    for (const verifier of VERIFIERS) peers.startVerifier(verifier, { ask })
    await network.openRound()
    const halfWay = roundOpensMs(network.parameters, 2) + 0.625 * network.parameters.roundMs
    await network.clock.advanceTo(halfWay - 1)
    expect(attestations()).toEqual([])
    await network.clock.advanceTo(halfWay)
    expect(attestations()).toHaveLength(3)
    expect(peers.errors).toEqual([])
  })

  it('waits for a provider that stalls no longer than for one that answers, and says whom it asked in vain', async () => {
    const other = await network.openDealWithPieces({ provider: OTHER_PROVIDER })
    await network.openRound()
    await using _ = peers
    const noPush = { push: async () => ({ kind: 'no-answer', code: 'UNREACHABLE', reason: 'a firewall' }) as const }
    peers.startProver(OTHER_PROVIDER, other.pieces, noPush)
    const dials = createMemoryDialLog()
    await network.openRound()
    const { round } = network.state
    const signer = VERIFIERS.find(
      ({ address }) => dealsAssignedTo(assignmentOf(network.state, network.state.open!), address).length === 2
    )!
    peers.startVerifier(signer, {
      dials,
      ask: (addresses, { dealIds }, signal) =>
        addresses[0]!.includes(PROVIDER.address)
          ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          : peers.ask(signer, addresses, round, dealIds, signal)
    })
    const fromMs = attestFromMs(network.parameters, round)
    await network.clock.advanceTo(fromMs)
    // The other one's answer is checked and kept while the first is waited for.
    expect(peers.events).toContainEqual({ kind: 'checked', round, checked: { dealId: 2, verdict: 'pass', reason: '' } })
    expect(attestations()).toEqual([])
    await network.clock.advanceTo(roundOpensMs(network.parameters, round) + 0.625 * network.parameters.roundMs)
    expect(attestations()).toMatchObject([
      {
        verdicts: [
          { dealId: 1, verdict: 'no answer' },
          { dealId: 2, verdict: 'pass' }
        ]
      }
    ])
    const late = {
      round,
      provider: PROVIDER.address,
      dealIds: [1],
      addresses: [`/memory/${PROVIDER.address}`],
      fromMs,
      untilMs: network.clock.now(),
      outcome: { kind: 'no answer', code: 'LATE', reason: 'nothing came before this verifier had to attest' }
    }
    expect(await dials.read(round, 1)).toEqual([late])
    expect(await dials.read(round, 2)).toMatchObject([{ untilMs: fromMs, outcome: { kind: 'answered', proofs: 1 } }])
    expect(peers.events).toContainEqual({ kind: 'dialled', dial: late })
    // Kept as long as somebody may ask about the round.
    for (let passed = 0; passed <= network.parameters.proving.disputeRounds; passed += 1) await network.openRound()
    await settled()
    expect(await dials.read(round)).toHaveLength(2)
    await network.openRound()
    await settled()
    expect(await dials.read(round)).toEqual([])
  })

  it('still comes from a verifier that is back when the self-proofs have begun', async () => {
    await network.openRound()
    await using _ = peers
    const [signer] = assigned().verifiers
    peers.startProver(PROVIDER, pieces, { push: async () => ({ kind: 'no-answer', code: 'CUT', reason: '' }) })
    await network.clock.advanceTo(selfProveFromMs(network.parameters, 2) + 1)
    peers.startVerifier(signer!)
    await network.clock.advanceTo(network.clock.now() + 1)
    expect(attestations()).toMatchObject([{ verdicts: [{ dealId: 1, verdict: 'pass' }] }])
  })

  it('does not lose one provider for the trouble with another', async () => {
    const other = await network.openDealWithPieces({ provider: OTHER_PROVIDER })
    await network.openRound()
    await using _ = peers
    const noPush = { push: async () => ({ kind: 'no-answer', code: 'UNREACHABLE', reason: 'a firewall' }) as const }
    peers.startProver(PROVIDER, pieces, noPush)
    peers.startProver(OTHER_PROVIDER, other.pieces, noPush)
    for (const verifier of VERIFIERS) {
      peers.startVerifier(verifier, {
        ask: async (addresses, { round, dealIds }, signal) => {
          if (addresses[0]!.includes(PROVIDER.address)) throw new Error('no multiaddr')
          await settled() // the answer comes after the other one’s failure
          return await peers.ask(verifier, addresses, round, dealIds, signal)
        }
      })
    }
    await network.openRound()
    await network.clock.advanceTo(attestFromMs(network.parameters, network.state.round))
    const verdicts = attestations().flatMap(event => event.verdicts.map(one => `${one.dealId} ${one.verdict}`))
    expect(new Set(verdicts)).toEqual(new Set(['1 no answer', '2 pass']))
    expect(peers.errors.length).toBeGreaterThan(0)
  })

  it('is submitted again while the ledger does not answer', async () => {
    await network.openRound()
    const [signer] = assigned().verifiers
    await using _ = peers
    let failures = 2
    const flaky: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit(command, options) {
        failures -= 1
        if (failures >= 0) throw new CoreError('LEDGER_UNREACHABLE', 'the host is restarting')
        return await network.ledger.submit(command, options)
      }
    }
    await peers.startVerifier(signer!, { ledger: flaky }).receive(2, [await pushFor(signer!)])
    await network.clock.advanceTo(network.clock.now() + 2000)
    expect(network.state.open!.attestations.has(signer!.address)).toBe(true)
    expect(peers.errors).toEqual([])
  })

  it('comes as early in a round that follows one without answers', async () => {
    await using _ = peers
    const behind = {
      now: () => network.clock.now() - network.parameters.roundMs,
      sleep: network.clock.sleep.bind(network.clock)
    }
    for (const verifier of VERIFIERS) peers.startVerifier(verifier, { clock: behind })
    await network.openRound() // still waited for when the next round opens, by a clock a whole round behind
    await network.openRound()
    peers.startProver(PROVIDER, pieces)
    await settled()
    expect(network.state.open!.attestations.size).toBe(3)
  })
})

it('a verifier that stops leaves nothing behind', async () => {
  const verifiers = VERIFIERS.map(verifier => peers.startVerifier(verifier))
  await network.openRound()
  expect(network.clock.sleeping).toBe(3)
  await Promise.all(verifiers.flatMap(verifier => [verifier.stop(), verifier.stop()]))
  expect(network.clock.sleeping).toBe(0)
  await network.openRound()
  expect(network.clock.sleeping).toBe(0)
})
