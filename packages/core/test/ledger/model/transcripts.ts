/** What verifiers keep of a round, honest or not, and what a transcript of each conduct is worth. */
import { portableNodeHasher } from '@holdfast/proofs'
import { merklePath } from '../../../src/evidence/merkle-path.ts'
import { merkleRoot } from '../../../src/evidence/merkle-root.ts'
import { digestOfAsked, digestOfTranscript, type Transcript } from '../../../src/evidence/transcript.ts'
import { digestOfProofs, type PieceProof } from '../../../src/ledger/commands.ts'
import { roundEvidenceOf } from '../../../src/ledger/round-evidence.ts'
import { proveChallenges } from '../../../src/provider/prove.ts'
import type { Address } from '../../../src/schema.ts'
import type { Player } from './player.ts'
import type { LeafFacts, TranscriptFacts } from './simple/facts.ts'
import { findDeal } from './simple/state.ts'
import { NOBODY, STORE } from './world.ts'

export const CONDUCTS = [
  'honest',
  'no answer',
  /** Saw a bad proof, signed by the provider. */
  'caught',
  /** Says pass without having looked. */
  'blind',
  /** Says bad proof of a good one. */
  'false alarm',
  /** Says pass of a bad one. */
  'lenient',
  /** Holds a proof that the provider did not sign. */
  'unsigned',
  /** Keeps another transcript than its own of this deal and round. */
  'other deal',
  'other round',
  'other verifier',
  'other verdict',
  'other pieces'
] as const
export type Conduct = (typeof CONDUCTS)[number]

export interface KeptTranscript {
  readonly dealId: number
  readonly transcript: Transcript
  readonly digest: Uint8Array
  readonly proofs: readonly PieceProof[]
  readonly facts: Pick<TranscriptFacts, 'askedFits' | 'push' | 'proofs'>
  readonly verdict: Transcript['verdict']
}

/** Proofs of leaves of a deal, by piece, as an honest provider makes them. */
export async function prove(player: Player, dealId: number, leaves: readonly LeafFacts[]): Promise<PieceProof[]> {
  const pieceIds = [...new Set(leaves.map(({ pieceId }) => pieceId))].sort((a, b) => a - b)
  const challenges = pieceIds.map(pieceId => ({
    pieceId,
    leafIndices: leaves
      .filter(leaf => leaf.pieceId === pieceId)
      .map(({ leafIndex }) => leafIndex)
      .sort((a, b) => a - b)
  }))
  const { pieces } = player.ledger.state.deals.get(dealId)!
  const { signal } = new AbortController()
  return (await proveChallenges(challenges, pieces, STORE, portableNodeHasher, signal))!
}

/** Proofs of what the open round asks of a deal; made once a round. */
export async function proveOpen(player: Player, dealId: number): Promise<PieceProof[]> {
  const open = player.model.open!
  const key = `${open.round}/${dealId}`
  const known = player.proofs.get(key)
  if (known !== undefined) return known
  const proofs = await prove(player, dealId, open.deals.find(one => one.dealId === dealId)!.leaves)
  player.proofs.set(key, proofs)
  return proofs
}

/** The same leaves, one byte of which is another. */
export function damage(proofs: readonly PieceProof[]): PieceProof[] {
  return proofs.map((proof, index) => {
    const leaves = proof.leaves.slice()
    if (index === 0) leaves[0]! ^= 1
    return { ...proof, leaves }
  })
}

export async function keepTranscript(
  player: Player,
  verifier: Address,
  dealId: number,
  conduct: Conduct
): Promise<KeptTranscript> {
  const { round } = player.model.open!
  const { provider } = findDeal(player.model, dealId)!
  const verdict =
    conduct === 'no answer' ? 'no answer' : conduct === 'caught' || conduct === 'false alarm' ? 'bad proof' : 'pass'
  const isBad = conduct === 'caught' || conduct === 'lenient'
  const good = await proveOpen(player, dealId)
  const proofs = isBad ? damage(good) : good
  const named = {
    dealId: conduct === 'other deal' ? dealId + 1 : dealId,
    round: conduct === 'other round' ? round - 1 : round,
    verifier: conduct === 'other verifier' ? NOBODY : verifier
  }
  const asked = digestOfAsked(roundEvidenceOf(player.ledger.state, round, dealId)!)
  const digest = digestOfProofs(proofs)
  const pushed = player.digestOf('ProofPush', { provider, verifier, dealId, round, proofs: digest })
  const signer = conduct === 'unsigned' ? (verifier === provider ? NOBODY : verifier) : provider
  const push =
    conduct === 'blind' || conduct === 'no answer'
      ? null
      : { proofs: digest, signature: player.keys.signerOf(signer).sign(pushed) }
  const transcript: Transcript = {
    version: 1,
    ...named,
    asked: conduct === 'other pieces' ? new Uint8Array(32) : asked,
    verdict: conduct === 'other verdict' ? 'bad proof' : verdict,
    reason: '',
    push
  }
  return {
    dealId,
    transcript,
    digest: digestOfTranscript(transcript),
    proofs,
    verdict,
    facts: {
      askedFits: conduct !== 'other pieces',
      push: push === null ? 'none' : conduct === 'unsigned' ? 'unsigned' : 'signed',
      proofs: isBad ? 'bad' : 'good'
    }
  }
}

export function rootOf(kept: readonly KeptTranscript[]): Uint8Array {
  return merkleRoot(kept.map(({ digest }) => digest))
}

/** What a verifier shows of what it kept, and what that shows. */
export function show(kept: readonly KeptTranscript[], index: number) {
  const one = kept[index]!
  const path = merklePath(
    kept.map(({ digest }) => digest),
    index
  )
  const under = { root: rootOf(kept).join(), index, size: kept.length }
  return { ...one, path, under }
}
