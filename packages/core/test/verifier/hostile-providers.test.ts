/**
 * Providers that misbehave towards the verifier that asks them, over real connections. Whatever they do, each of them is *no
 * answer*, the others' deals get their verdict, and the attestation is made in time.
 */
import { portableNodeHasher } from '@holdfast/proofs'
import type { Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import { digestOfProofs } from '../../src/ledger/commands.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { challenge, type PushedProof, pushProofs } from '../../src/protocols/definitions.ts'
import { request, serve } from '../../src/protocols/engine.ts'
import { parsePeerAddresses } from '../../src/protocols/peer-addresses.ts'
import { attestFromMs, selfProveFromMs } from '../../src/rounds/schedule.ts'
import { createMemoryDialLog } from '../../src/verifier/dial-log.ts'
import { createMemoryTranscriptStore } from '../../src/verifier/transcript-store.ts'
import { createVerifier, type VerifierEvent } from '../../src/verifier/verifier.ts'
import { type MemoryPieces, pieceOf } from '../ledger/memory-pieces.ts'
import { actorOf, CLIENT, CREDIT, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { createNode } from '../protocols/network.ts'

const VERIFIER = VERIFIERS[0]!
const NAMES = [
  'honest',
  'stalls',
  'streams for ever',
  'answers hugely',
  'hangs up',
  'answers for another round',
  'answers with another’s deal',
  'answers with others’ signatures'
] as const
type Name = (typeof NAMES)[number]

interface Provider {
  readonly name: Name
  readonly signer: Signer
  readonly node: Libp2p
  readonly deal: Deal
  readonly pieces: MemoryPieces
}

let life: AsyncDisposableStack
let network: TestNetwork
let verifierNode: Libp2p
const providers = new Map<Name, Provider>()
const events: VerifierEvent[] = []
const dials = createMemoryDialLog()
let waiting: { readonly passes: (event: VerifierEvent) => boolean; readonly resolve: () => void } | undefined

const addressesOf = (node: Libp2p) => node.getMultiaddrs().map(String)

beforeAll(async () => {
  life = new AsyncDisposableStack()
  const actors = NAMES.map(name => actorOf(`towards verifiers: ${name}`))
  network = new TestNetwork({
    accounts: [CLIENT, VERIFIER, ...actors].map(({ address }) => ({ address, amount: 1000n * CREDIT })),
    proving: { verifiersPerDeal: 1, quorum: 1 }
  })
  verifierNode = await openNode()
  await network.take(network.stake(VERIFIER, 1, { addresses: addressesOf(verifierNode) }))
  for (const [index, name] of NAMES.entries()) {
    const [signer, node] = [actors[index]!, await openNode()]
    await network.take(network.ask(signer, { addresses: addressesOf(node) }))
    const stored = await network.openDealWithPieces({ provider: signer, pieces: [pieceOf(name, 600)] })
    providers.set(name, { name, signer, node, ...stored })
    await answerAs(name)
  }
  await startVerifier()
  await network.openRounds(2)
})
afterAll(() => life.disposeAsync())

async function openNode(): Promise<Libp2p> {
  const node = await createNode()
  life.defer(() => node.stop())
  return node
}

const provider = (name: Name) => providers.get(name)!

async function proofOf(
  by: Provider,
  { round = network.state.round, deal = by.deal, pieces = by.pieces } = {}
): Promise<PushedProof> {
  const { proofs } = await network.selfProof(deal, by.signer, pieces)
  const { address } = by.signer
  const statement = {
    provider: address,
    verifier: VERIFIER.address,
    dealId: deal.id,
    round,
    proofs: digestOfProofs(proofs)
  }
  return { dealId: deal.id, proofs, signature: by.signer.sign(network.digestOf('ProofPush', statement)) }
}

/** What a provider answers to who asks for its proofs. */
async function answerAs(name: Name): Promise<void> {
  const self = provider(name)
  const { networkId } = network.state
  const raw = (handle: (stream: Stream) => void) => self.node.handle(challenge.id, handle)
  const answer = async (items: () => Promise<PushedProof[]>) =>
    void life.use(
      await serve(self.node, challenge, async () => ({ ok: true, value: { items: await items() } }), { networkId })
    )
  switch (name) {
    case 'honest':
      return await answer(async () => [await proofOf(self)])
    case 'stalls':
      return await raw(() => undefined)
    case 'streams for ever':
      // A frame of almost as much as may come, byte by byte.
      return await raw(stream => {
        stream.send(Uint8Array.of(0xff, 0xff, 0x3f))
        const drip = () => {
          if (stream.status !== 'open') return
          stream.send(new Uint8Array(1))
          setImmediate(drip)
        }
        drip()
      })
    case 'answers hugely':
      return await raw(stream => void stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f)))
    case 'hangs up':
      return await raw(stream => stream.abort(new Error('no')))
    case 'answers for another round':
      return await answer(async () => [await proofOf(self, { round: network.state.round - 1 })])
    case 'answers with another’s deal':
      return await answer(async () => [await proofOf(self, provider('honest'))])
    case 'answers with others’ signatures':
      return await answer(async () => [{ ...(await proofOf(provider('stalls'), self)), dealId: self.deal.id }])
  }
}

async function startVerifier(): Promise<void> {
  const { networkId } = network.state
  const verifier = life.use(
    createVerifier({
      ledger: network.ledger,
      signer: VERIFIER,
      signatures: portableSignatureVerifier,
      nodeHasher: portableNodeHasher,
      clock: network.clock,
      random: size => new Uint8Array(size).fill(network.state.sequence),
      transcripts: createMemoryTranscriptStore(),
      dials,
      ask: (addresses, message, signal) =>
        request(verifierNode, parsePeerAddresses(addresses), challenge, message, { networkId, signal }),
      onEvent(event) {
        events.push(event)
        if (waiting?.passes(event) === true) waiting.resolve()
      }
    })
  )
  life.use(
    await serve(
      verifierNode,
      pushProofs,
      async ({ round, items }) => ({ ok: true, value: { results: await verifier.receive(round, items) } }),
      { networkId }
    )
  )
  verifier.start()
}

/** Resolves with the next event that passes. */
function nextEvent(passes: (event: VerifierEvent) => boolean): Promise<void> {
  return new Promise(resolve => {
    waiting = { passes, resolve }
  })
}

/** The verdicts that were attested in a round, by the name of the deal's provider. */
function attestedIn(round: number): Partial<Record<Name, string>> {
  const attested = events.find(event => event.kind === 'attested' && event.round === round)
  if (attested?.kind !== 'attested') return {}
  const nameOf = new Map([...providers.values()].map(({ name, deal }) => [deal.id, name]))
  return Object.fromEntries(attested.verdicts.map(({ dealId, verdict }) => [nameOf.get(dealId)!, verdict]))
}

const ALL_SILENT = Object.fromEntries(NAMES.map(name => [name, 'no answer']))

describe('a verifier', () => {
  it('asks everybody at once, and attests in time whatever they do', async () => {
    const { parameters, round } = { parameters: network.parameters, round: network.state.round }
    const honest = provider('honest').deal.id
    const seen = nextEvent(
      event => event.kind === 'checked' && event.checked.dealId === honest && event.checked.verdict === 'pass'
    )
    await network.clock.advanceTo(attestFromMs(parameters, round))
    await seen
    const ended = NAMES.filter(name => name !== 'stalls' && name !== 'streams for ever').map(
      name => provider(name).signer.address
    )
    const dialled = (address: string) => events.some(one => one.kind === 'dialled' && one.dial.provider === address)
    while (!ended.every(dialled)) await nextEvent(event => event.kind === 'dialled')
    const attested = nextEvent(event => event.kind === 'attested')
    await network.clock.advanceTo(selfProveFromMs(parameters, round) - 1)
    await attested
    expect(attestedIn(round)).toEqual({ ...ALL_SILENT, honest: 'pass' })
    const outcomes = new Map((await dials.read(round)).map(({ provider: address, outcome }) => [address, outcome]))
    const outcomeOf = (name: Name) => outcomes.get(provider(name).signer.address)
    expect(outcomeOf('stalls')).toMatchObject({ kind: 'no answer', code: 'LATE' })
    expect(outcomeOf('streams for ever')).toMatchObject({ kind: 'no answer', code: 'LATE' })
    expect(outcomeOf('answers hugely')).toMatchObject({ kind: 'no answer', code: 'INVALID' })
    expect(outcomeOf('hangs up')).toMatchObject({ kind: 'no answer', code: 'CUT' })
    expect(outcomeOf('answers with another’s deal')).toMatchObject({ kind: 'answered', proofs: 1 })
    expect(
      verifierNode
        .getConnections()
        .flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === challenge.id))
    ).toEqual([])
  })

  it('takes pushes beside those that stall, and lets nobody speak for another', async () => {
    await network.openRound()
    const { round, networkId } = network.state
    const [honest, hostile, forger] = [provider('honest'), provider('stalls'), provider('answers with another’s deal')]
    const to = verifierNode.getMultiaddrs()
    const push = (by: Provider, items: PushedProof[], about = round) =>
      request(by.node, to, pushProofs, { round: about, items }, { networkId })
    const stalled = await Promise.all(
      Array.from({ length: pushProofs.streamsInboundMax }, () => hostile.node.dialProtocol(to, pushProofs.id))
    )
    const forged = await proofOf(forger, honest)
    const answers = await push(
      forger,
      Array.from({ length: 64 }, () => forged)
    )
    expect(answers).toMatchObject({ kind: 'answer' })
    if (answers.kind === 'answer')
      expect(new Set(answers.value.results.map(({ verdict }) => verdict))).toEqual(new Set(['not asked']))
    const late = await push(forger, [await proofOf(forger, { round: round - 1 })], round - 1)
    expect(late).toMatchObject({ value: { results: [{ verdict: 'not asked' }] } })
    const good = await push(honest, [await proofOf(honest)])
    expect(good).toMatchObject({ value: { results: [{ dealId: honest.deal.id, verdict: 'pass' }] } })
    for (const stream of stalled) stream.abort(new Error('done'))
    const attested = nextEvent(event => event.kind === 'attested')
    await network.clock.advanceTo(selfProveFromMs(network.parameters, round) - 1)
    await attested
    expect(attestedIn(round)).toEqual({ ...ALL_SILENT, honest: 'pass' })
  })
})
