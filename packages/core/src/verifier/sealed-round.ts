/**
 * The bytes of what a verifier keeps, for stores that put them on a disk: one record a proof that was pushed, and one index a
 * round that was sealed.
 *
 * Both say by themselves whether they are what was written: a record by the digests that its transcript and the index
 * hold, an index by the attestation whose root it must give.
 */
import { decode, encode } from '@ipld/dag-cbor'
import { equalBytes } from '@noble/curves/utils.js'
import { z } from 'zod'
import { merkleRoot } from '../evidence/merkle-root.ts'
import { digestOfTranscript, transcriptSchema } from '../evidence/transcript.ts'
import { digestOfProofs, pieceProofsSchema, signatureSchema } from '../ledger/commands.ts'
import { statementSchema } from '../ledger/statements.ts'
import { bytesOfLength, naturalSchema } from '../schema.ts'
import type { KeptTranscript } from './transcript-store.ts'

const recordSchema = z.strictObject({ transcript: transcriptSchema, proofs: pieceProofsSchema })

/** Verdicts in one attestation at most. */
const DEALS_MAX = 2 ** 16

const sealedRoundSchema = z.strictObject({
  version: z.literal(1),
  attestation: z.strictObject({
    kind: z.literal('Attestation'),
    statement: statementSchema('Attestation'),
    signature: signatureSchema
  }),
  /** In the order of the verdicts. */
  deals: z
    .array(
      z.strictObject({
        dealId: naturalSchema,
        digest: bytesOfLength(32),
        /** The transcript's; of a silent deal there is no other record. */
        asked: bytesOfLength(32),
        /** Where the record of a pushed proof stands; null where nothing came. */
        record: z.strictObject({ offset: naturalSchema, sizeBytes: naturalSchema }).nullable()
      })
    )
    .max(DEALS_MAX)
})
export type SealedRound = z.output<typeof sealedRoundSchema>

export function encodeTranscriptRecord({ transcript, proofs }: KeptTranscript): Uint8Array {
  return encode({ transcript, proofs })
}

/** @returns undefined for bytes that are not the record of a transcript with this digest */
export function decodeTranscriptRecord(bytes: Uint8Array, digest: Uint8Array): KeptTranscript | undefined {
  const parsed = recordSchema.safeParse(decodeSafely(bytes))
  if (!parsed.success) return undefined
  const { transcript, proofs } = parsed.data
  const whole =
    equalBytes(digestOfTranscript(transcript), digest) &&
    transcript.push !== null &&
    equalBytes(digestOfProofs(proofs), transcript.push.proofs)
  return whole ? parsed.data : undefined
}

export function encodeSealedRound(round: SealedRound): Uint8Array {
  return encode(z.encode(sealedRoundSchema, round))
}

/** @returns undefined for bytes that are no index, or whose transcripts are not those of its attestation */
export function decodeSealedRound(bytes: Uint8Array): SealedRound | undefined {
  const parsed = sealedRoundSchema.safeParse(decodeSafely(bytes))
  if (!parsed.success) return undefined
  const root = merkleRoot(parsed.data.deals.map(({ digest }) => digest))
  return equalBytes(root, parsed.data.attestation.statement.transcripts) ? parsed.data : undefined
}

function decodeSafely(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch {
    return undefined
  }
}
