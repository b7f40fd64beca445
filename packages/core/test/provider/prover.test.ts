import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { attestFromMs, roundOpensMs, selfProveFromMs } from '../../src/rounds/schedule.ts'
import type { MemoryPieces } from '../ledger/memory-pieces.ts'
import { type ParameterChanges, PROVIDER, resultOf, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { RoundPeers } from '../round-peers.ts'

let network: TestNetwork
let peers: RoundPeers
let deal: Deal
let pieces: MemoryPieces

/** Everybody is there; the first challenged round is about to open. */
async function setUp(changes: ParameterChanges = {}): Promise<void> {
  network = new TestNetwork(changes)
  peers = new RoundPeers(network)
  await network.stakeAll()
  const opened = await network.openDealWithPieces()
  deal = opened.deal
  pieces = opened.pieces
  await network.openRound()
}

const startVerifiers = () => VERIFIERS.map(verifier => peers.startVerifier(verifier))
const resultOfNextClose = async () => resultOf(await network.openRound(), deal.id)
const selfProofs = () =>
  network.applied.filter(({ entry: { body } }) => body.kind === 'command' && body.command.kind === 'SelfProof')

beforeEach(() => setUp())

describe('a provider that is there', () => {
  it('is proved by quorum, round after round, well before the attestations are due', async () => {
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    await network.openRound()
    for (let round = 2; round < 6; round += 1) {
      expect(network.state.open!.attestations.size).toBe(3)
      expect(network.clock.now()).toBeLessThan(attestFromMs(network.parameters, round))
      const result = await resultOfNextClose()
      expect(result.outcome).toEqual({ kind: 'proved', by: 'quorum' })
      expect(result.paid).toBeGreaterThan(0n)
    }
    expect(selfProofs()).toEqual([])
    expect(peers.errors).toEqual([])
  })

  it('proves to the ledger itself when the verifiers are dead', async () => {
    await using _ = peers
    peers.startProver(PROVIDER, pieces)
    await network.openRound()
    await network.clock.advanceTo(selfProveFromMs(network.parameters, 2) - 1)
    expect(selfProofs()).toEqual([])
    await network.clock.advanceTo(selfProveFromMs(network.parameters, 2))
    expect(selfProofs()).toHaveLength(1)
    expect(await resultOfNextClose()).toMatchObject({ outcome: { kind: 'proved', by: 'self-proof' }, fees: 0n })
  })

  it('opens drawn deals on the ledger in the last part of the round, whatever the verifiers said', async () => {
    await setUp({ proving: { openingOneIn: 1 }, money: { collateralRounds: 2 } })
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    await network.openRound()
    await network.clock.advanceTo(selfProveFromMs(network.parameters, 2) - 1)
    expect(network.state.open!.attestations.size).toBe(3)
    expect(selfProofs()).toEqual([])
    await network.clock.advanceTo(selfProveFromMs(network.parameters, 2))
    expect(selfProofs()).toHaveLength(1)
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
  })

  it('is asked by verifiers that it did not reach', async () => {
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces, {
      push: async () => ({ kind: 'no-answer', code: 'UNREACHABLE', reason: 'a firewall' })
    })
    await network.openRound()
    expect(network.state.open!.attestations.size).toBe(0)
    await network.clock.advanceTo(attestFromMs(network.parameters, 2))
    expect(network.state.open!.attestations.size).toBe(3)
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'quorum' })
  })
})

describe('a damaged piece', () => {
  it('is a bad proof, with the reason, and a docket that it cannot clear', async () => {
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    pieces.zero(deal.pieces[0]!.cid)
    await network.openRound()
    const checked = peers.events.filter(event => event.kind === 'checked').map(event => event.checked)
    expect(checked).toHaveLength(3)
    for (const one of checked) expect(one).toEqual({ dealId: 1, verdict: 'bad proof', reason: 'wrong-root in piece 0' })
    const result = await resultOfNextClose()
    expect(result.outcome).toEqual({ kind: 'fault', reason: 'bad proof' })
    expect(result.docketLeaves).toBe(result.leavesAsked)
    expect(deal.docket.length).toBeGreaterThan(0)
    expect(peers.events).toContainEqual(
      expect.objectContaining({
        kind: 'provedToLedger',
        docket: true,
        refusal: expect.stringContaining('does not verify')
      })
    )
  })

  it('that is gone altogether is no answer', async () => {
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    pieces.lose(deal.pieces[0]!.cid)
    await network.openRound()
    expect(peers.events).toContainEqual({ kind: 'cannotProve', dealId: 1, reason: 'a piece is missing' })
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'fault', reason: 'no answer' })
  })
})

describe('a provider that was away', () => {
  it('comes back, proves its docket, and is paid again; its collateral was never touched', async () => {
    await using _ = peers
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    await network.openRound()
    await resultOfNextClose()
    await peers.stop(PROVIDER)
    await resultOfNextClose() // what it did before it stopped
    const { collateral } = deal
    expect(collateral).toBeGreaterThan(0n)
    expect(await resultOfNextClose()).toMatchObject({ outcome: { kind: 'fault', reason: 'no answer' }, paid: 0n })
    peers.startProver(PROVIDER, pieces)
    await network.clock.advanceTo(network.clock.now() + 1)
    expect(deal.docket).toEqual([])
    const result = await resultOfNextClose()
    expect(result.outcome.kind).toBe('proved')
    expect(result.paid).toBeGreaterThan(0n)
    expect(deal.collateral).toBe(collateral + result.withheld)
    expect(deal.rounds.faulted).toBe(1)
  })

  it('proves what is due now before what it owes from before', async () => {
    await using _ = peers
    await network.openRounds(2)
    expect(deal.docket.length).toBeGreaterThan(0)
    startVerifiers()
    peers.startProver(PROVIDER, pieces)
    await network.clock.advanceTo(network.clock.now() + 1)
    expect(deal.docket).toEqual([])
    const sent = peers.events.filter(({ kind }) => kind === 'pushed' || kind === 'provedToLedger')
    expect(sent.map(({ kind }) => kind)).toEqual(['pushed', 'pushed', 'pushed', 'provedToLedger'])
  })

  it('clears its docket although a verifier never answers', async () => {
    await using _ = peers
    await network.openRounds(2)
    const push = (_addresses: unknown, _message: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    peers.startProver(PROVIDER, pieces, { push })
    await network.clock.advanceTo(attestFromMs(network.parameters, network.state.round) - 1)
    expect(deal.docket.length).toBeGreaterThan(0)
    await network.clock.advanceTo(attestFromMs(network.parameters, network.state.round))
    expect(deal.docket).toEqual([])
  })

  it('owes nothing to the rounds that it only reads about', async () => {
    await using _ = peers
    const lagging = {
      ...network.clock,
      now: () => network.clock.now() + 5 * network.parameters.roundMs,
      sleep: network.clock.sleep.bind(network.clock)
    }
    peers.startProver(PROVIDER, pieces, { clock: lagging })
    await network.openRounds(3)
    expect(peers.events).toEqual([])
  })
})

describe('what others do wrong', () => {
  it('a clock that is behind the host’s does not cost the round', async () => {
    await using _ = peers
    const slow = { now: () => network.clock.now() - 50, sleep: network.clock.sleep.bind(network.clock) }
    peers.startProver(PROVIDER, pieces, { clock: slow })
    await network.openRound()
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
  })

  it('a verifier with an address that nobody can dial does not keep the others, or the ledger, from a proof', async () => {
    await using _ = peers
    const reached: string[] = []
    peers.startProver(PROVIDER, pieces, {
      push: async addresses => {
        if (reached.push(addresses[0]!) === 1) throw new Error('no multiaddr')
        return { kind: 'no-answer', code: 'UNREACHABLE', reason: 'nobody is there' }
      }
    })
    await network.openRound()
    expect(reached).toHaveLength(3)
    expect(peers.errors).toHaveLength(1)
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
  })

  it('a verifier that takes a proof and never answers does not hold up the self-proof', async () => {
    await using _ = peers
    const push = (_addresses: unknown, _message: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    peers.startProver(PROVIDER, pieces, { push })
    await network.openRound()
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
    expect(peers.errors).toEqual([])
  })

  it('a ledger that does not answer for a while is asked again while the round is open', async () => {
    await using _ = peers
    let failures = 3
    const flaky: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit(command, options) {
        failures -= 1
        if (failures >= 0) throw new CoreError('LEDGER_UNREACHABLE', 'the host is restarting')
        return await network.ledger.submit(command, options)
      }
    }
    peers.startProver(PROVIDER, pieces, { ledger: flaky })
    await network.openRound()
    expect((await resultOfNextClose()).outcome).toEqual({ kind: 'proved', by: 'self-proof' })
    expect(failures).toBeLessThan(0)
    expect(peers.errors).toEqual([])
  })

  it('a ledger that answers no more leaves nothing behind when the round ends', async () => {
    await network.openRounds(2) // so that a docket is owed as well
    await using _ = peers
    const dead: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      submit: () => Promise.reject(new CoreError('LEDGER_UNREACHABLE', 'the host is gone'))
    }
    const prover = peers.startProver(PROVIDER, pieces, { ledger: dead })
    await network.openRounds(2)
    await prover.stop()
    await prover.stop()
    expect(network.clock.sleeping).toBe(0)
    expect(peers.errors).toEqual([])
    expect(roundOpensMs(network.parameters, network.state.round)).toBe(network.clock.now())
  })
})
