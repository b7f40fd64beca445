/** Rounds in which verifiers attest by transcripts that tests make: honest ones, and all that an honest one would not. */
import { merklePath } from '../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { digestOfAsked, digestOfTranscript, type Transcript } from '../../src/evidence/transcript.ts'
import type { Signer } from '../../src/identity.ts'
import { type Command, type CommandOf, digestOfProofs, type PieceProof } from '../../src/ledger/commands.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { roundEvidenceOf } from '../../src/ledger/round-evidence.ts'
import type { Deal } from '../../src/ledger/state.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import { encodeVerdicts, type Verdict } from '../../src/rounds/verdicts.ts'
import type { MemoryPieces } from './memory-pieces.ts'
import { PROVIDERS, type TestNetwork, VERIFIERS } from './network-fixture.ts'

/** A transcript and the proofs that it is about. */
export interface Kept {
  readonly transcript: Transcript
  readonly proofs: readonly PieceProof[] | undefined
}

export interface StoredDeal {
  readonly deal: Deal
  readonly pieces: MemoryPieces
}

/** What a verifier does with the proof of a deal. */
export type Conduct = 'honest' | 'blind pass' | 'false alarm' | 'no answer'

export class AttestedRounds {
  readonly network: TestNetwork
  readonly deals: ReadonlyMap<number, StoredDeal>
  readonly #kept = new Map<string, readonly Kept[]>()

  constructor(network: TestNetwork, deals: readonly StoredDeal[]) {
    this.network = network
    this.deals = new Map(deals.map(stored => [stored.deal.id, stored]))
  }

  /** The verifiers of a deal in the open round, in place order. */
  verifiersOf(dealId: number): Signer[] {
    const evidence = roundEvidenceOf(this.network.state, this.network.state.round, dealId)!
    return evidence.verifiers.map(address => VERIFIERS.find(one => one.address === address)!)
  }

  /** What a verifier keeps of the open round. */
  async keep(verifier: Signer, dealId: number, conduct: Conduct): Promise<Kept> {
    const { network } = this
    const { round } = network.state
    const evidence = roundEvidenceOf(network.state, round, dealId)!
    const base = {
      version: 1,
      round,
      dealId,
      verifier: verifier.address,
      asked: digestOfAsked(evidence),
      reason: ''
    } as const
    if (conduct === 'no answer') return { transcript: { ...base, verdict: 'no answer', push: null }, proofs: undefined }
    if (conduct === 'blind pass') return { transcript: { ...base, verdict: 'pass', push: null }, proofs: undefined }
    const { deal, pieces } = this.deals.get(dealId)!
    const provider = PROVIDERS.find(({ address }) => address === deal.provider)!
    const { proofs } = await network.selfProof(deal, provider, pieces)
    const digest = digestOfProofs(proofs)
    const statement = { provider: provider.address, verifier: verifier.address, dealId, round, proofs: digest }
    const push = { proofs: digest, signature: provider.sign(network.digestOf('ProofPush', statement)) }
    const verdict = conduct === 'honest' ? 'pass' : 'bad proof'
    return { transcript: { ...base, verdict, push }, proofs }
  }

  /** The command by which a verifier attests the open round; what it kept is remembered. */
  async attestation(verifier: Signer, conductOf: (dealId: number) => Conduct): Promise<Command> {
    const { network } = this
    const { round } = network.state
    const dealIds = dealsAssignedTo(assignmentOf(network.state, network.state.open!), verifier.address)
    const kept = await Promise.all(dealIds.map(dealId => this.keep(verifier, dealId, conductOf(dealId))))
    this.#kept.set(`${verifier.address}/${round}`, kept)
    return network.command('Attestation', verifier, {
      verifier: verifier.address,
      round,
      verdicts: encodeVerdicts(kept.map(({ transcript }): Verdict => transcript.verdict)),
      transcripts: merkleRoot(kept.map(({ transcript }) => digestOfTranscript(transcript)))
    })
  }

  /** All verifiers with work attest the open round. */
  async attestAll(conductOf: (verifier: Signer, dealId: number) => Conduct = () => 'honest'): Promise<void> {
    const assignment = assignmentOf(this.network.state, this.network.state.open!)
    for (const verifier of VERIFIERS) {
      if (dealsAssignedTo(assignment, verifier.address).length > 0)
        await this.network.take(await this.attestation(verifier, dealId => conductOf(verifier, dealId)))
    }
  }

  /** What a verifier attested a deal by, as it would be shown. */
  shown(verifier: Signer, round: number, dealId: number) {
    const kept = this.#kept.get(`${verifier.address}/${round}`)!
    const index = kept.findIndex(({ transcript }) => transcript.dealId === dealId)
    const { transcript, proofs } = kept[index]!
    const path = merklePath(
      kept.map(one => digestOfTranscript(one.transcript)),
      index
    )
    return { transcript, path, proofs }
  }

  demand(
    demander: Signer,
    verifier: Signer,
    round: number,
    dealId: number,
    bond = this.network.parameters.money.transcriptBond
  ) {
    return this.network.command('DemandTranscript', demander, {
      demander: demander.address,
      verifier: verifier.address,
      round,
      dealId,
      bond
    })
  }

  answer(
    verifier: Signer,
    round: number,
    dealId: number,
    changes: Partial<CommandOf<'AnswerTranscript'>> = {}
  ): CommandOf<'AnswerTranscript'> {
    const { transcript, path, proofs } = this.shown(verifier, round, dealId)
    const body = { transcript, path, proofs: [...(proofs ?? [])], ...changes }
    const statement = { verifier: verifier.address, round, dealId, transcript: digestOfTranscript(body.transcript) }
    return this.network.command('AnswerTranscript', verifier, statement, body) as CommandOf<'AnswerTranscript'>
  }

  refutation(
    refuter: Signer,
    verifier: Signer,
    round: number,
    dealId: number,
    changes: Partial<CommandOf<'Refute'>> = {}
  ): CommandOf<'Refute'> {
    const { transcript, path, proofs } = this.shown(verifier, round, dealId)
    const body = { transcript, path, ...(proofs !== undefined && { proofs: [...proofs] }), ...changes }
    const statement = {
      refuter: refuter.address,
      verifier: verifier.address,
      round,
      dealId,
      transcript: digestOfTranscript(body.transcript)
    }
    return this.network.command('Refute', refuter, statement, body) as CommandOf<'Refute'>
  }
}
