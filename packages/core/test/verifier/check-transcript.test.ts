import { portableNodeHasher } from '@holdfast/proofs'
import { beforeEach, describe, expect, it } from 'vitest'
import { portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import type { TranscriptAnswer } from '../../src/protocols/definitions.ts'
import { noAnswer } from '../../src/protocols/envelope.ts'
import type { Answer } from '../../src/protocols/protocol.ts'
import { checkTranscript, demandOf, refutationOf } from '../../src/verifier/check-transcript.ts'
import { showTranscript } from '../../src/verifier/show-transcript.ts'
import { AttestedRounds, type Conduct } from '../ledger/attested-round.ts'
import { CLIENT, STRANGER, TestNetwork } from '../ledger/network-fixture.ts'

let network: TestNetwork
let rounds: AttestedRounds
let verifier: Signer

beforeEach(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  rounds = new AttestedRounds(network, [await network.openDealWithPieces()])
  await network.openRounds(2)
  verifier = rounds.verifiersOf(1)[0]!
})

async function attest(conduct: Conduct): Promise<void> {
  await rounds.attestAll(one => (one === verifier ? conduct : 'honest'))
  await network.openRound()
}

const target = () => ({ verifier: verifier.address, round: 2, dealId: 1 })

function check(ask: () => Answer<TranscriptAnswer>) {
  const { state } = network
  const tools = { state, signatures: portableSignatureVerifier, nodeHasher: portableNodeHasher }
  return checkTranscript({ ...tools, ask: async () => ask() }, target(), new AbortController().signal)
}

function shown(): Answer<TranscriptAnswer> {
  const { transcript, path, proofs } = rounds.shown(verifier, 2, 1)
  return { kind: 'answer', value: { transcript, path, proofs: proofs === undefined ? null : [...proofs] } }
}

const maker = () => ({ state: network.state, signer: STRANGER, random: (size: number) => new Uint8Array(size).fill(7) })

describe('whoever checks a transcript', () => {
  it('finds that an honest verdict stands', async () => {
    await attest('honest')
    expect(await check(shown)).toEqual({ kind: 'supports' })
  })

  it.each<Conduct>(['blind pass', 'false alarm'])(
    'finds a %s, and refutes it with what it was shown',
    async conduct => {
      await attest(conduct)
      const checked = await check(shown)
      if (checked.kind !== 'refuted') throw new Error(checked.kind)
      const events = await network.take(refutationOf(maker(), target(), checked.shown))
      expect(events).toMatchObject([{ kind: 'refuted', refuter: STRANGER.address, reason: checked.reason }])
    }
  )

  it('knows nothing more when nobody answers, or nonsense comes; then a demand makes it answer', async () => {
    await attest('blind pass')
    expect(await check(() => noAnswer('UNREACHABLE', 'a firewall'))).toEqual({
      kind: 'undecided',
      reason: 'a firewall'
    })
    const { transcript } = rounds.shown(verifier, 2, 1)
    const made = { transcript: { ...transcript, reason: 'made up' }, path: [], proofs: null }
    expect((await check(() => ({ kind: 'answer', value: made }))).kind).toBe('undecided')
    const events = await network.take(demandOf({ ...maker(), signer: CLIENT }, target()))
    expect(events).toMatchObject([{ kind: 'transcriptDemanded', demander: CLIENT.address }])
  })

  it('has nothing to check where nothing was said', async () => {
    await attest('no answer')
    expect(await check(shown)).toEqual({ kind: 'nothing to check' })
  })
})

it('a transcript is shown to anyone, but not while its round is open', async () => {
  const [honest] = rounds.verifiersOf(1)
  const store = { get: async () => rounds.shown(honest!, 2, 1) }
  await rounds.attestAll()
  expect(await showTranscript(network.state, store, 2, 1)).toMatchObject({ ok: false, code: 'NO_TRANSCRIPT' })
  await network.openRound()
  const reply = await showTranscript(network.state, store, 2, 1)
  expect(reply).toMatchObject({ ok: true, value: { transcript: { round: 2, dealId: 1 }, path: [] } })
  expect(await showTranscript(network.state, { get: async () => undefined }, 2, 1)).toMatchObject({ ok: false })
})
