/** Rounds as a verifier would keep them; nobody has signed them, which a store does not mind. */
import { createHash } from 'node:crypto'
import {
  type CommandOf,
  digestOfProofs,
  digestOfTranscript,
  encodeVerdicts,
  type KeptTranscript,
  merkleRoot,
  type PieceProof,
  type Transcript,
  type TranscriptStore
} from '@holdfast/core'

const VERIFIER = `0x${'11'.repeat(20)}` as const

const bytesOf = (name: string, sizeBytes: number) => {
  const block = createHash('sha256').update(name).digest()
  return new Uint8Array(sizeBytes).map((_, index) => block[index % 32]!)
}

/** The proof of a deal in a round: its bytes follow from the two. */
export function keptOf(round: number, dealId: number, nodes = 800): KeptTranscript {
  const name = `${round}/${dealId}`
  const proofs: PieceProof[] = [
    { pieceId: 0, leafIndices: [dealId], leaves: bytesOf(name, 32), nodes: bytesOf(`${name}/nodes`, nodes) }
  ]
  const push = { proofs: digestOfProofs(proofs), signature: bytesOf(`${name}/signature`, 65) }
  return {
    transcript: {
      version: 1,
      round,
      dealId,
      verifier: VERIFIER,
      asked: bytesOf(`${dealId}/asked`, 32),
      verdict: 'pass',
      reason: '',
      push
    },
    proofs
  }
}

/** Of a deal that nothing came from. */
export function silenceOf(round: number, dealId: number): Transcript {
  return {
    version: 1,
    round,
    dealId,
    verifier: VERIFIER,
    asked: bytesOf(`${dealId}/asked`, 32),
    verdict: 'no answer',
    reason: '',
    push: null
  }
}

export function attestationOf(round: number, transcripts: readonly Transcript[]): CommandOf<'Attestation'> {
  return {
    kind: 'Attestation',
    statement: {
      verifier: VERIFIER,
      id: round.toString(16).padStart(32, '0'),
      validUntilRound: round,
      round,
      verdicts: encodeVerdicts(transcripts.map(({ verdict }) => verdict)),
      transcripts: merkleRoot(transcripts.map(digestOfTranscript))
    },
    signature: bytesOf(`${round}`, 65)
  }
}

/** Deals 1 to `proved` were proved, the one after them was not heard of. @returns what was sealed */
export async function sealRound(store: TranscriptStore, round: number, proved = 3): Promise<CommandOf<'Attestation'>> {
  const kept = Array.from({ length: proved }, (_, index) => keptOf(round, index + 1))
  await Promise.all(kept.map(one => store.put(one)))
  const transcripts = [...kept.map(({ transcript }) => transcript), silenceOf(round, proved + 1)]
  const attestation = attestationOf(round, transcripts)
  await store.seal(attestation, transcripts)
  return attestation
}
