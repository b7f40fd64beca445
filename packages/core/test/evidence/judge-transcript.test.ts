import { portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type AskedLeaves,
  type AttestedVerdict,
  judgeTranscript,
  type ShownTranscript
} from '../../src/evidence/judge-transcript.ts'
import { merklePath } from '../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { digestOfAsked, digestOfTranscript, type Transcript } from '../../src/evidence/transcript.ts'
import { portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import { digestOfProofs, type PieceProof } from '../../src/ledger/commands.ts'
import type { Verdict } from '../../src/rounds/verdicts.ts'
import { OTHER_PROVIDER, PROVIDER, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { askedOf } from '../ledger/round-facts.ts'

const [VERIFIER, OTHER_VERIFIER] = VERIFIERS as [Signer, Signer, ...Signer[]]
const ROUND = 2
const DEAL = 1

let network: TestNetwork
let asked: AskedLeaves
let good: PieceProof[]
let bad: PieceProof[]
/** Good proofs of leaves that another round asked for. */
let foreign: PieceProof[]

beforeAll(async () => {
  network = new TestNetwork()
  const { deal, pieces } = await network.openDealWithPieces()
  await network.openRounds(ROUND)
  asked = askedOf(network.state, deal)
  good = (await network.selfProof(deal, PROVIDER, pieces)).proofs
  bad = good.map((proof, index) => (index === 0 ? { ...proof, leaves: proof.leaves.map(byte => byte ^ 1) } : proof))
  await network.openRound()
  foreign = (await network.selfProof(deal, PROVIDER, pieces)).proofs
})

interface Signed {
  readonly signer?: Signer
  readonly verifier?: Signer
  readonly round?: number
  readonly dealId?: number
}

/** The push of a provider, as its verifier keeps it. */
function pushOf(proofs: readonly PieceProof[], changes: Signed = {}): Transcript['push'] {
  const { signer = PROVIDER, verifier = VERIFIER, round = ROUND, dealId = DEAL } = changes
  const digest = digestOfProofs(proofs)
  const statement = { provider: PROVIDER.address, verifier: verifier.address, dealId, round, proofs: digest }
  return { proofs: digest, signature: signer.sign(network.digestOf('ProofPush', statement)) }
}

function transcriptOf(verdict: Verdict, push: Transcript['push']): Transcript {
  return {
    version: 1,
    round: ROUND,
    dealId: DEAL,
    verifier: VERIFIER.address,
    asked: digestOfAsked(asked),
    verdict,
    reason: '',
    push
  }
}

/** The verifier attests a verdict over a tree that holds this transcript; then it is shown. */
function judge(
  verdict: Verdict,
  transcript: Transcript,
  proofs: readonly PieceProof[] | undefined,
  changes: { attested?: Partial<AttestedVerdict>; shown?: Partial<ShownTranscript>; index?: number; size?: number } = {}
) {
  const { index = 1, size = 3 } = changes
  const leaves = Array.from({ length: size }, (_, at) =>
    at === index ? digestOfTranscript(transcript) : sha256(Uint8Array.of(at))
  )
  const attested: AttestedVerdict = {
    ...asked,
    round: ROUND,
    dealId: DEAL,
    provider: PROVIDER.address,
    verifier: VERIFIER.address,
    verdict,
    transcripts: merkleRoot(leaves),
    index,
    size,
    ...changes.attested
  }
  const shown = { transcript, path: merklePath(leaves, index), proofs, ...changes.shown }
  return judgeTranscript(attested, shown, {
    digestOf: (kind, statement) => network.digestOf(kind, statement),
    signatures: portableSignatureVerifier,
    nodeHasher: portableNodeHasher
  })
}

describe('a transcript', () => {
  it('bears out what an honest verifier says, and is never held against it', () => {
    expect(judge('pass', transcriptOf('pass', pushOf(good)), good)).toEqual({ kind: 'supports' })
    expect(judge('bad proof', transcriptOf('bad proof', pushOf(bad)), bad)).toEqual({ kind: 'supports' })
    expect(judge('bad proof', transcriptOf('bad proof', pushOf(foreign)), foreign)).toEqual({ kind: 'supports' })
    expect(judge('no answer', transcriptOf('no answer', null), undefined)).toEqual({ kind: 'supports' })
    expect(judge('pass', transcriptOf('pass', pushOf(good)), undefined).kind).toBe('undecided')
    expect(judge('bad proof', transcriptOf('bad proof', pushOf(bad)), undefined).kind).toBe('undecided')
  })

  it.each<[string, Verdict, () => Transcript, () => PieceProof[] | undefined, string]>([
    ['a pass without a proof', 'pass', () => transcriptOf('pass', null), () => undefined, 'it holds no proof'],
    ['a bad proof without a proof', 'bad proof', () => transcriptOf('bad proof', null), () => bad, 'it holds no proof'],
    ['a pass of a bad proof', 'pass', () => transcriptOf('pass', pushOf(bad)), () => bad, 'its proof is bad'],
    ['a pass of other leaves', 'pass', () => transcriptOf('pass', pushOf(foreign)), () => foreign, 'not the leaves'],
    ['a good proof called bad', 'bad proof', () => transcriptOf('bad proof', pushOf(good)), () => good, 'is good'],
    [
      'a bad proof that the provider did not sign',
      'bad proof',
      () => transcriptOf('bad proof', pushOf(bad, { signer: OTHER_PROVIDER })),
      () => undefined,
      'has not signed'
    ],
    [
      'a proof that was for another verifier',
      'pass',
      () => transcriptOf('pass', pushOf(good, { verifier: OTHER_VERIFIER })),
      () => undefined,
      'has not signed'
    ],
    [
      'a proof of another round',
      'pass',
      () => transcriptOf('pass', pushOf(good, { round: ROUND - 1 })),
      () => undefined,
      'has not signed'
    ],
    [
      'a transcript copied from another verifier',
      'pass',
      () => ({
        ...transcriptOf('pass', pushOf(good, { verifier: OTHER_VERIFIER })),
        verifier: OTHER_VERIFIER.address
      }),
      () => good,
      `it is ${OTHER_VERIFIER.address}’s`
    ],
    [
      'silence attested as a pass',
      'pass',
      () => transcriptOf('no answer', null),
      () => undefined,
      'it says “no answer”'
    ]
  ])('refutes %s', (_, verdict, transcript, proofs, reason) => {
    const judgement = judge(verdict, transcript(), proofs())
    expect(judgement).toMatchObject({ kind: 'refuted', reason: expect.stringContaining(reason) })
  })

  it('refutes no silence, whatever the verifier kept of it', () => {
    for (const transcript of [
      transcriptOf('pass', pushOf(good)),
      transcriptOf('bad proof', null),
      { ...transcriptOf('no answer', null), dealId: DEAL + 1 }
    ])
      expect(judge('no answer', transcript, good).kind).toBe('undecided')
  })

  it('decides nothing when somebody else has made it up', () => {
    const own = transcriptOf('pass', pushOf(good))
    const made = transcriptOf('pass', null)
    expect(judge('pass', own, good, { shown: { transcript: made } }).kind).toBe('undecided')
    expect(judge('pass', own, good, { attested: { transcripts: new Uint8Array(32) } }).kind).toBe('undecided')
    expect(judge('pass', own, good, { shown: { path: [] } }).kind).toBe('undecided')
    expect(judge('pass', own, good, { attested: { index: 2 } }).kind).toBe('undecided')
  })

  it('is not refuted with other proofs than the provider signed', () => {
    expect(judge('pass', transcriptOf('pass', pushOf(good)), bad).kind).toBe('undecided')
    expect(judge('bad proof', transcriptOf('bad proof', pushOf(bad)), good).kind).toBe('undecided')
  })
})

const flipped = (bytes: Uint8Array, position: number) =>
  bytes.map((byte, at) => (at === position % bytes.length ? byte ^ (1 << (position % 8)) : byte))

/** Every way to change one field. */
const mutations: Record<string, (transcript: Transcript, at: number) => Transcript> = {
  round: (transcript, at) => ({ ...transcript, round: transcript.round + 1 + at }),
  dealId: (transcript, at) => ({ ...transcript, dealId: transcript.dealId + 1 + at }),
  verifier: (transcript, at) => ({ ...transcript, verifier: VERIFIERS[1 + (at % 3)]!.address }),
  verdict: (transcript, at) => ({
    ...transcript,
    verdict: (['no answer', 'pass', 'bad proof'] as const).filter(one => one !== transcript.verdict)[at % 2]!
  }),
  asked: (transcript, at) => ({ ...transcript, asked: flipped(transcript.asked, at) }),
  push: transcript => ({ ...transcript, push: null }),
  proofs: (transcript, at) => ({
    ...transcript,
    push: { ...transcript.push!, proofs: flipped(transcript.push!.proofs, at) }
  }),
  signature: (transcript, at) => ({
    ...transcript,
    push: { ...transcript.push!, signature: flipped(transcript.push!.signature, at) }
  })
}

const cases = fc.record({
  verdict: fc.constantFrom('pass' as const, 'bad proof' as const),
  field: fc.constantFrom(...Object.keys(mutations)),
  at: fc.nat(1_000),
  size: fc.integer({ min: 1, max: 9 }),
  place: fc.nat(1_000)
})

describe('a transcript that bore out a verdict', () => {
  it('does so no more once a field of it is changed: neither shown under the old root nor attested anew', () => {
    fc.assert(
      fc.property(cases, ({ verdict, field, at, size, place }) => {
        const proofs = verdict === 'pass' ? good : bad
        const transcript = transcriptOf(verdict, pushOf(proofs))
        const changed = mutations[field]!(transcript, at)
        const tree = { size, index: place % size }
        expect(judge(verdict, transcript, proofs, tree).kind).toBe('supports')
        expect(judge(verdict, transcript, proofs, { ...tree, shown: { transcript: changed } }).kind).toBe('undecided')
        expect(judge(verdict, changed, proofs, tree).kind, field).toBe('refuted')
      }),
      { numRuns: 60 }
    )
  })

  it('is never refuted by what is shown with it: a wrong path, wrong proofs, none', () => {
    const shown = fc.record({
      verdict: fc.constantFrom('pass' as const, 'bad proof' as const),
      path: fc.option(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), { nil: undefined }),
      proofs: fc.constantFrom('good', 'bad', 'foreign', 'none', 'cut')
    })
    fc.assert(
      fc.property(shown, ({ verdict, path, proofs }) => {
        const pushed = verdict === 'pass' ? good : bad
        const others = { good, bad, foreign, none: undefined, cut: pushed.slice(1) }
        const judgement = judge(verdict, transcriptOf(verdict, pushOf(pushed)), others[proofs as keyof typeof others], {
          shown: path === undefined ? {} : { path }
        })
        expect(judgement.kind).not.toBe('refuted')
      }),
      { numRuns: 60 }
    )
  })
})
