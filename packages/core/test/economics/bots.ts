/**
 * Verifiers that do not do their work: what they attest, and what they show when they are asked by what.
 *
 * They hear everything that an honest one hears, and have the same stake. Each is as clever as its name allows.
 */
import { merklePath } from '../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { digestOfAsked, digestOfTranscript, type Transcript } from '../../src/evidence/transcript.ts'
import { digestOfProofs } from '../../src/ledger/commands.ts'
import { assignmentOf } from '../../src/ledger/proof-rules.ts'
import { roundEvidenceOf } from '../../src/ledger/round-evidence.ts'
import { verdictsOn } from '../../src/ledger/settle-deal.ts'
import type { PushedProof, TranscriptAnswer } from '../../src/protocols/definitions.ts'
import { noAnswer } from '../../src/protocols/envelope.ts'
import type { Answer } from '../../src/protocols/protocol.ts'
import { dealsAssignedTo } from '../../src/rounds/assignment.ts'
import { encodeVerdicts, type Verdict } from '../../src/rounds/verdicts.ts'
import type { Address } from '../../src/schema.ts'
import type { TestNetwork } from '../ledger/network-fixture.ts'
import type { Party } from './parties.ts'

/**
 * `yes`, `no`, `alarm` say one thing of every deal and look at nothing. `copy` says what most others said before it.
 * `collude` passes its friend's deals unseen, calls its friend's competitors' proofs bad, and shows nobody by what.
 * `lazy` passes every push that the provider has signed without looking into it.
 */
export type BotKind = 'yes' | 'no' | 'alarm' | 'copy' | 'collude' | 'lazy'
export const BOT_KINDS: readonly BotKind[] = ['yes', 'no', 'alarm', 'copy', 'collude', 'lazy']

export interface Bot {
  readonly party: Party
  readonly kind: BotKind
  hear(round: number, items: readonly PushedProof[]): void
  /** Attests the open round, if it is assigned anything and has not. */
  attest(): Promise<void>
  /** What it answers to who asks by what it attested. */
  show(round: number, dealId: number): Answer<TranscriptAnswer>
}

export function createBot(network: TestNetwork, party: Party, kind: BotKind, friends: ReadonlySet<Address>): Bot {
  const { state } = network
  const heard = new Map<string, PushedProof>()
  const kept = new Map<number, readonly Transcript[]>()

  function verdictOf(dealId: number): Verdict {
    const push = heard.get(`${state.round}/${dealId}`)
    if (kind === 'yes') return 'pass'
    if (kind === 'no') return 'no answer'
    if (kind === 'alarm') return 'bad proof'
    if (kind === 'copy') return mostOthersSaid(dealId)
    if (kind === 'collude') return friends.has(state.deals.get(dealId)!.provider) ? 'pass' : 'bad proof'
    return push === undefined ? 'no answer' : 'pass'
  }

  function mostOthersSaid(dealId: number): Verdict {
    const said = verdictsOn(state, state.open!, dealId).flatMap(({ verdict }) => verdict ?? [])
    const count = (wanted: Verdict) => said.filter(verdict => verdict === wanted).length
    return count('no answer') > count('pass') ? 'no answer' : 'pass'
  }

  function transcriptOf(dealId: number): Transcript {
    const evidence = roundEvidenceOf(state, state.round, dealId)!
    const verdict = verdictOf(dealId)
    const push = kind === 'copy' || verdict === 'no answer' ? undefined : heard.get(`${state.round}/${dealId}`)
    return {
      version: 1,
      round: state.round,
      dealId,
      verifier: party.address,
      asked: digestOfAsked(evidence),
      verdict,
      reason: '',
      push: push === undefined ? null : { proofs: digestOfProofs(push.proofs), signature: push.signature }
    }
  }

  return {
    party,
    kind,
    hear(round, items) {
      for (const item of items) heard.set(`${round}/${item.dealId}`, item)
    },
    async attest() {
      const { open, round } = state
      const dealIds = open === undefined ? [] : dealsAssignedTo(assignmentOf(state, open), party.address)
      if (dealIds.length === 0 || open!.attestations.has(party.address)) return
      const transcripts = dealIds.map(transcriptOf)
      kept.set(round, transcripts)
      await network.take(
        network.command('Attestation', party, {
          verifier: party.address,
          round,
          verdicts: encodeVerdicts(transcripts.map(({ verdict }) => verdict)),
          transcripts: merkleRoot(transcripts.map(digestOfTranscript))
        })
      )
    },
    show(round, dealId) {
      if (kind === 'collude') return noAnswer('UNREACHABLE', 'nobody is there')
      const transcripts = kept.get(round) ?? []
      const index = transcripts.findIndex(one => one.dealId === dealId)
      const transcript = transcripts[index]
      if (transcript === undefined) return noAnswer('UNREACHABLE', 'nobody is there')
      const path = merklePath(transcripts.map(digestOfTranscript), index)
      const proofs = transcript.push === null ? null : heard.get(`${round}/${dealId}`)!.proofs
      return { kind: 'answer', value: { transcript, path, proofs } }
    }
  }
}
