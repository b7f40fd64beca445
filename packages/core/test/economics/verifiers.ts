/** Verifiers: what they say about the deals that they are assigned, by which transcripts, and how they answer for it. */
import { faultOfProofs } from '../../src/evidence/judge-transcript.ts'
import { merklePath } from '../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../src/evidence/merkle-root.ts'
import { digestOfAsked, digestOfTranscript, type Transcript } from '../../src/evidence/transcript.ts'
import type { PieceProof } from '../../src/ledger/commands.ts'
import { roundEvidenceOf } from '../../src/ledger/round-evidence.ts'
import { verdictsOn } from '../../src/ledger/settle-deal.ts'
import type { Dispute } from '../../src/ledger/state.ts'
import { encodeVerdicts, type Verdict } from '../../src/rounds/verdicts.ts'
import type { Party } from './parties.ts'
import { SIM_TOOLS } from './sim-network.ts'
import type { World } from './world.ts'

/** A transcript, and the proofs that it is about. */
export interface Kept {
  readonly transcript: Transcript
  readonly proofs: readonly PieceProof[] | undefined
}

type Conduct = World['strategy']['verifiers']

/** One verifier attests the open round, if it has anything to attest. */
export function attest(world: World, verifier: Party, isFriend: boolean): void {
  const conduct = isFriend ? world.strategy.verifiers : 'honest'
  const dealIds = world.assignedTo(verifier)
  if (dealIds.length === 0 || conduct === 'silent') return
  const { network, state } = world
  const kept = dealIds.map(dealId => judge(world, verifier, dealId, conduct))
  world.kept.set(`${verifier.address}/${state.round}`, kept)
  network.take(
    network.command('Attestation', verifier, {
      verifier: verifier.address,
      round: state.round,
      verdicts: encodeVerdicts(kept.map(({ transcript }) => transcript.verdict)),
      transcripts: merkleRoot(kept.map(({ transcript }) => digestOfTranscript(transcript)))
    })
  )
}

function judge(world: World, verifier: Party, dealId: number, conduct: Conduct): Kept {
  const evidence = roundEvidenceOf(world.state, world.state.round, dealId)!
  const push = world.pushes.get(`${verifier.address}/${dealId}`)
  const verdict = verdictOf(world, dealId, conduct, () =>
    push === undefined
      ? 'no answer'
      : faultOfProofs(evidence, push.proofs, SIM_TOOLS.nodeHasher) === undefined
        ? 'pass'
        : 'bad proof'
  )
  const seen = conduct === 'copy' ? undefined : push
  const transcript: Transcript = {
    version: 1,
    round: world.state.round,
    dealId,
    verifier: verifier.address,
    asked: digestOfAsked(evidence),
    verdict,
    reason: '',
    push: seen === undefined || verdict === 'no answer' ? null : { proofs: seen.digest, signature: seen.signature }
  }
  return { transcript, proofs: seen?.proofs }
}

function verdictOf(world: World, dealId: number, conduct: Conduct, honest: () => Verdict): Verdict {
  switch (conduct) {
    case 'yes':
      return 'pass'
    case 'no':
      return 'no answer'
    case 'alarm':
      return 'bad proof'
    case 'friends':
      return world.businessOf(dealId).isProviderFriend ? 'pass' : honest()
    case 'copy': {
      const said = verdictsOn(world.state, world.state.open!, dealId).find(({ verdict }) => verdict !== undefined)
      return said?.verdict ?? 'pass'
    }
    default:
      return honest()
  }
}

/** What a verifier attested a deal by, as it would be shown. */
export function shown(world: World, verifier: string, round: number, dealId: number) {
  const kept = world.kept.get(`${verifier}/${round}`)!
  const index = kept.findIndex(({ transcript }) => transcript.dealId === dealId)
  const { transcript, proofs } = kept[index]!
  const digests = kept.map(one => digestOfTranscript(one.transcript))
  return { transcript, path: merklePath(digests, index), proofs, digest: digests[index]! }
}

/** Verifiers answer the demands that wait for them, where they can. An honest one always can. */
export function answerDemands(world: World): void {
  const { network } = world
  for (const dispute of [...world.state.disputes.values()].filter(({ status }) => status === 'open')) {
    const { party, isFriend } = world.verifiers.find(({ party: one }) => one.address === dispute.verifier)!
    const code = answer(world, party, dispute)
    if (code !== undefined && !(isFriend && code === 'BAD_TRANSCRIPT'))
      world.ombudsman.complaints.push(`an answer was refused in round ${network.round}: ${code}`)
  }
}

function answer(world: World, verifier: Party, { round, dealId }: Dispute) {
  const { transcript, path, proofs, digest } = shown(world, verifier.address, round, dealId)
  return world.network.submit(
    world.network.command(
      'AnswerTranscript',
      verifier,
      { verifier: verifier.address, round, dealId, transcript: digest },
      { transcript, path, proofs: [...(proofs ?? [])] }
    )
  )
}

/** Somebody shows a transcript of somebody else against it. @returns the refusal's code */
export function refute(world: World, refuter: Party, verifier: Party, round: number, dealId: number) {
  const { transcript, path, proofs, digest } = shown(world, verifier.address, round, dealId)
  const { network } = world
  return network.submit(
    network.command(
      'Refute',
      refuter,
      { refuter: refuter.address, verifier: verifier.address, round, dealId, transcript: digest },
      { transcript, path, ...(proofs !== undefined && { proofs: [...proofs] }) }
    )
  )
}

/** @returns the refusal's code */
export function demandTranscript(world: World, demander: Party, verifier: string, round: number, dealId: number) {
  const { network } = world
  return network.submit(
    network.command('DemandTranscript', demander, {
      demander: demander.address,
      verifier: verifier as Party['address'],
      round,
      dealId,
      bond: network.parameters.money.transcriptBond
    })
  )
}
