import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import type { Signer } from '../../src/identity.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { verifiersOfDeal } from '../../src/rounds/assignment.ts'
import { demandOf } from '../../src/verifier/check-transcript.ts'
import { createMemoryTranscriptStore } from '../../src/verifier/transcript-store.ts'
import type { MemoryPieces } from '../ledger/memory-pieces.ts'
import { CLIENT, PROVIDER, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { RoundPeers } from '../round-peers.ts'
import { settled } from '../virtual-clock.ts'

let network: TestNetwork
let peers: RoundPeers
let pieces: MemoryPieces
let verifier: Signer

/** Round 2 is open, and all verifiers have attested that deal 1 is proved. */
beforeEach(async () => {
  network = new TestNetwork({ money: { silencePenalty: 0n } })
  peers = new RoundPeers(network)
  await network.stakeAll()
  ;({ pieces } = await network.openDealWithPieces())
  await network.openRound()
})

/** @returns what the deal's first verifier keeps */
async function attestRound2(changes: Parameters<RoundPeers['startVerifier']>[1] = {}) {
  await network.openRound()
  const [first] = verifiersOfDeal(assignmentOf(network.state, network.state.open!), 1)
  verifier = VERIFIERS.find(({ address }) => address === first)!
  const transcripts = createMemoryTranscriptStore()
  peers.startVerifier(verifier, { transcripts, ...changes })
  peers.startProver(PROVIDER, pieces)
  await settled()
  expect(await transcripts.sealed(2)).toBeDefined()
  await network.openRound()
  return transcripts
}

const demand = () =>
  demandOf(
    { state: network.state, signer: CLIENT, random: size => new Uint8Array(size).fill(network.state.sequence) },
    { verifier: verifier.address, round: 2, dealId: 1 }
  )
const answers = () => peers.events.filter(({ kind }) => kind === 'answered' || kind === 'cannotAnswer')

describe('a verifier', () => {
  it('answers a demand by itself, and neither earns nor loses by it', async () => {
    await using _ = peers
    await attestRound2()
    const free = network.freeOf(verifier)
    await network.take(demand())
    await settled()
    expect(answers()).toMatchObject([{ kind: 'answered', round: 2, dealId: 1, receipt: { ok: true } }])
    expect(network.freeOf(verifier)).toBe(free)
    expect([...network.state.disputes.values()]).toMatchObject([{ status: 'answered' }])
  })

  it('answers after a restart what was demanded while it was away', async () => {
    await using _ = peers
    const transcripts = await attestRound2()
    await peers.stop(verifier)
    await network.take(demand())
    await network.openRound()
    expect(answers()).toEqual([])
    peers.startVerifier(verifier, { transcripts })
    await settled()
    expect([...network.state.disputes.values()]).toMatchObject([{ status: 'answered' }])
  })

  it('tries again while the ledger does not answer, and stops when it is stopped', async () => {
    let away = false
    const flaky: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit(command, options) {
        if (away) throw new CoreError('LEDGER_UNREACHABLE', 'the host is restarting')
        return await network.ledger.submit(command, options)
      }
    }
    await attestRound2({ ledger: flaky })
    away = true
    await network.take(demand())
    await network.clock.advanceTo(network.clock.now() + 1200)
    expect(answers()).toEqual([])
    away = false
    await network.clock.advanceTo(network.clock.now() + 600)
    expect(answers()).toMatchObject([{ kind: 'answered' }])
    await peers[Symbol.asyncDispose]()
    expect(network.clock.sleeping).toBe(0)
  })

  it('says in every round that it cannot answer for what is gone', async () => {
    await using _ = peers
    const transcripts = await attestRound2()
    await transcripts.prune(3)
    await network.take(demand())
    await settled()
    expect(answers()).toEqual([{ kind: 'cannotAnswer', round: 2, dealId: 1 }])
    await network.openRound()
    await settled()
    expect(answers()).toHaveLength(2)
  })

  it('forgets a round when nobody can demand it any more, and not before', async () => {
    await using _ = peers
    const transcripts = await attestRound2()
    while (network.state.closed.has(2)) {
      await settled()
      expect(await transcripts.sealed(2)).toBeDefined()
      await network.openRound()
    }
    await settled()
    expect(await transcripts.sealed(2)).toBeUndefined()
    const kept = await Promise.all([...network.state.closed.keys()].map(round => transcripts.sealed(round)))
    expect(kept.filter(sealed => sealed !== undefined).length).toBeGreaterThan(2)
  })
})
