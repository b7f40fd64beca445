/** Verifiers that misbehave towards the watcher that asks them by what they attested, over real connections. */
import { portableNodeHasher } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import { readTranscript } from '../../src/protocols/definitions.ts'
import { request, serve } from '../../src/protocols/engine.ts'
import { parsePeerAddresses } from '../../src/protocols/peer-addresses.ts'
import { drawVerdicts } from '../../src/watch/choose-verdicts.ts'
import { createWatcher, type WatchEvent } from '../../src/watch/watcher.ts'
import { AttestedRounds } from '../ledger/attested-round.ts'
import { CLIENT, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { createNode } from '../protocols/network.ts'

const [STALLS, HUGE, OTHERS, LIES] = VERIFIERS as [Signer, Signer, Signer, Signer]

let life: AsyncDisposableStack
let network: TestNetwork
let rounds: AttestedRounds
let watcherNode: Libp2p
const nodes = new Map<Signer, Libp2p>()

async function openNode(): Promise<Libp2p> {
  const node = await createNode()
  life.defer(() => node.stop())
  return node
}

/** Round 2 of four deals has closed; one verifier has passed all of its deals unseen. */
beforeAll(async () => {
  life = new AsyncDisposableStack()
  network = new TestNetwork({ proving: { verifiersPerDeal: 4 } })
  watcherNode = await openNode()
  for (const verifier of VERIFIERS) {
    const node = await openNode()
    nodes.set(verifier, node)
    await network.take(network.stake(verifier, 1, { addresses: node.getMultiaddrs().map(String) }))
  }
  const deals = []
  for (let deal = 0; deal < 4; deal += 1) deals.push(await network.openDealWithPieces())
  rounds = new AttestedRounds(network, deals)
  await network.openRounds(2)
  await rounds.attestAll(verifier => (verifier === LIES ? 'blind pass' : 'honest'))
  await nodes.get(STALLS)!.handle(readTranscript.id, () => undefined)
  await nodes
    .get(HUGE)!
    .handle(readTranscript.id, stream => void stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f)))
  await show(OTHERS, dealId => (dealId === 1 ? 2 : 1))
  await show(LIES, dealId => dealId)
})
afterAll(() => life.disposeAsync())

async function show(verifier: Signer, dealOf: (asked: number) => number): Promise<void> {
  const { networkId } = network.state
  life.use(
    await serve(
      nodes.get(verifier)!,
      readTranscript,
      async ({ round, dealId }) => {
        const { transcript, path, proofs } = rounds.shown(verifier, round, dealOf(dealId))
        return { ok: true, value: { transcript, path, proofs: proofs === undefined ? null : [...proofs] } }
      },
      { networkId }
    )
  )
}

it('one that stalls, answers hugely or with another deal decides nothing, and one that lies is refuted meanwhile', async () => {
  const { networkId } = network.state
  const events: WatchEvent[] = []
  const seen = Promise.withResolvers<void>()
  const count = (verifier: Signer) =>
    events.filter(event => event.kind === 'watched' && event.verifier === verifier.address).length
  await using watcher = createWatcher({
    ledger: network.ledger,
    signer: CLIENT,
    signatures: portableSignatureVerifier,
    nodeHasher: portableNodeHasher,
    clock: network.clock,
    random: size => new Uint8Array(size).fill(9),
    demands: 'never',
    choose: (state, round, draw) => drawVerdicts(state, round, { self: CLIENT.address, rate: 1, countMax: 64, draw }),
    ask: (addresses, message, signal) =>
      request(watcherNode, parsePeerAddresses(addresses), readTranscript, message, { networkId, signal }),
    onEvent(event) {
      events.push(event)
      const refuted = events.filter(({ kind }) => kind === 'refuting').length
      if (refuted > 0 && count(HUGE) === 4 && count(OTHERS) === 4) seen.resolve()
    },
    onError: seen.reject
  })
  await network.openRound()
  watcher.start()
  await seen.promise
  for (const event of events) {
    if (event.kind === 'watched') expect(event.found).toBe(event.verifier === LIES.address ? 'refuted' : 'undecided')
    if (event.kind === 'refuting') expect(event).toMatchObject({ verifier: LIES.address, receipt: { ok: true } })
  }
  expect(count(STALLS)).toBe(0)
  expect(network.state.verifiers.get(OTHERS.address)!.stake).toBe(network.parameters.money.stakeUnit)
  expect(network.state.verifiers.get(LIES.address)!.stake).toBe(0n)
})
