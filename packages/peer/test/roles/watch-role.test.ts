import { readTranscript, type Signer, serve } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AttestedRounds, type Conduct } from '../../../core/test/ledger/attested-round.ts'
import { CLIENT, PROVIDER, TestNetwork, TOOLS, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { DEFAULT_CONFIG, type Role, type VerifierConfig } from '../../src/config.ts'
import type { PeerEvent } from '../../src/roles/components.ts'
import { startWatching } from '../../src/roles/watch-role.ts'
import { startNode } from '../open-nodes.ts'

let life = new AsyncDisposableStack()
let network: TestNetwork
let rounds: AttestedRounds
let liar: Signer
const events: PeerEvent[] = []

/** Four verifiers that show over real streams by what they attested, and one deal of which round 2 is open. */
beforeEach(async () => {
  events.length = 0
  network = new TestNetwork()
  const { networkId } = network.state
  for (const verifier of VERIFIERS) {
    const node = life.use(await startNode())
    const answer = async ({ round, dealId }: { round: number; dealId: number }) => {
      const { transcript, path, proofs } = rounds.shown(verifier, round, dealId)
      return { ok: true, value: { transcript, path, proofs: proofs === undefined ? null : [...proofs] } } as const
    }
    life.use(await serve(node.libp2p, readTranscript, answer, { networkId }))
    await network.take(network.stake(verifier, 1, { addresses: [...node.addresses()] }))
  }
  rounds = new AttestedRounds(network, [await network.openDealWithPieces()])
  await network.openRounds(2)
  liar = rounds.verifiersOf(1)[0]!
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** Closes round 2, watches it as a peer of these roles, and lets another round begin. @returns what was watched, once */
async function watchRound(conduct: Conduct, signer: Signer, roles: readonly Role[], verifier: VerifierConfig = {}) {
  await rounds.attestAll(one => (one === liar ? conduct : 'honest'))
  const node = life.use(await startNode())
  const seen = Promise.withResolvers<void>()
  const watching = life.use(new AsyncDisposableStack())
  startWatching(
    watching,
    {
      config: { ...DEFAULT_CONFIG, roles, verifier },
      signer,
      tools: TOOLS,
      clock: network.clock,
      node,
      serveOptions: { networkId: network.state.networkId },
      emit(event) {
        events.push(event)
        if (event.kind === 'watch' && event.event.kind === 'refuting') seen.resolve()
      }
    },
    network.ledger
  )
  await network.openRound()
  return { watching, seen: seen.promise }
}

const stakeOf = ({ address }: Signer) => network.state.verifiers.get(address)!.stake

it('a verifier looks at others, as its config says, and refutes a lie', async () => {
  const { seen } = await watchRound('blind pass', CLIENT, ['verifier'], { watchShare: 1 })
  await seen
  expect(events).toContainEqual({
    kind: 'watch',
    event: expect.objectContaining({ kind: 'won', verifier: liar.address })
  })
  expect(stakeOf(liar)).toBe(0n)
})

it('a provider looks at the bad proofs that it is said to have sent', async () => {
  const { seen } = await watchRound('false alarm', PROVIDER, ['provider'])
  await seen
  expect(events.flatMap(event => (event.kind === 'watch' ? [event.event] : []))).toMatchObject([
    { kind: 'watched', verifier: liar.address, verdict: 'bad proof', found: 'refuted' },
    { kind: 'won', verifier: liar.address },
    { kind: 'refuting', verifier: liar.address, receipt: { ok: true } }
  ])
})

it.each<[string, readonly Role[], VerifierConfig]>([
  ['a verifier whose share is 0', ['verifier'], { watchShare: 0 }],
  ['a ledger host', ['ledger-host'], {}]
])('%s looks at nobody', async (_, roles, config) => {
  const { watching } = await watchRound('blind pass', CLIENT, roles, config)
  await watching.disposeAsync()
  expect(events).toEqual([])
  expect(stakeOf(liar)).toBe(network.parameters.money.stakeUnit)
})
