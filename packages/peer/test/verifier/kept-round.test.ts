import {
  assignmentOf,
  attestFromMs,
  createMemoryDialLog,
  createMemoryTranscriptStore,
  dealsAssignedTo,
  roundOpensMs
} from '@holdfast/core'
import { expect, it } from 'vitest'
import {
  OTHER_PROVIDER,
  PROVIDER,
  PROVIDERS,
  TestNetwork,
  VERIFIERS
} from '../../../core/test/ledger/network-fixture.ts'
import { RoundPeers } from '../../../core/test/round-peers.ts'
import { readKeptRound } from '../../src/verifier/kept-round.ts'

it('tells proved, refuted under a signature, and no answer apart, with whom was asked', async () => {
  const network = new TestNetwork({ proving: { verifiersPerDeal: 1, quorum: 1 } })
  const [verifier] = VERIFIERS
  await network.take(network.stake(verifier!))
  const third = PROVIDERS[2]!
  const proved = await network.openDealWithPieces({ provider: PROVIDER })
  const refuted = await network.openDealWithPieces({ provider: OTHER_PROVIDER })
  await network.openDealWithPieces({ provider: third })
  await network.openRound()
  await using peers = new RoundPeers(network)
  const [transcripts, dials] = [createMemoryTranscriptStore(), createMemoryDialLog()]
  peers.startVerifier(verifier!, { transcripts, dials })
  peers.startProver(PROVIDER, proved.pieces)
  refuted.pieces.zero(refuted.deal.pieces[0]!.cid)
  peers.startProver(OTHER_PROVIDER, refuted.pieces)
  await network.openRound()
  const { round } = network.state
  expect(dealsAssignedTo(assignmentOf(network.state, network.state.open!), verifier!.address)).toEqual([1, 2, 3])
  const read = (one: number) => readKeptRound(network.state, verifier!.address, { transcripts, dials }, one)
  expect(await read(round)).toBeUndefined()
  await network.clock.advanceTo(attestFromMs(network.parameters, round))
  const dial = {
    round,
    provider: third.address,
    dealIds: [3],
    addresses: [`/memory/${third.address}`],
    fromMs: attestFromMs(network.parameters, round),
    untilMs: attestFromMs(network.parameters, round),
    outcome: { kind: 'no answer', code: 'UNREACHABLE', reason: 'nobody is there' }
  }
  expect(await read(round)).toEqual([
    { dealId: 1, provider: PROVIDER.address, verdict: 'pass', dials: [] },
    {
      dealId: 2,
      provider: OTHER_PROVIDER.address,
      verdict: 'bad proof',
      reason: 'wrong-root in piece 0',
      signature: expect.stringMatching(/^[0-9a-f]{130}$/),
      dials: []
    },
    { dealId: 3, provider: third.address, verdict: 'no answer', dials: [dial] }
  ])
  // Until nobody can dispute it any more.
  while (network.state.closed.has(round) || network.state.round === round) {
    expect(await read(round)).toHaveLength(3)
    await network.clock.advanceTo(roundOpensMs(network.parameters, network.state.round + 1) - 1)
    await network.openRound()
  }
  expect(await read(round)).toBeUndefined()
})
