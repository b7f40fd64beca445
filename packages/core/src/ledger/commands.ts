/** Commands: what a party submits to the ledger. A statement, its signature, and what else the rule of its kind needs. */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { transcriptPathSchema, transcriptSchema } from '../evidence/transcript.ts'
import { SIGNATURE_SIZE_BYTES } from '../identity.ts'
import { bytesOfLength, bytesUpTo, naturalSchema } from '../schema.ts'
import { type StatementKind, statementSchema } from './statements.ts'

/** An entry of the log, and so a slice of a self-proof, is at most this large. 20 leaves of a 1 GiB piece are 14 KB. */
export const ENTRY_SIZE_BYTES_MAX = 256 * 1024

/** What one leaf adds to a proof at most: itself, 25 siblings, and the fields of a piece that nothing else was drawn in. */
export const LEAF_PROOF_SIZE_BYTES_MAX = 1024

/**
 * Encoded proofs of a deal in a round that a verifier looks at. Honest ones stay below whatever was drawn; those that it
 * looked at must fit one entry beside their transcript, or it could not answer for them.
 */
export const PROOFS_SIZE_BYTES_MAX = 248 * 1024

/** Leaves of one proof: more are several slices. */
export const LEAVES_PER_PROOF_MAX = 1024

export const signatureSchema = bytesOfLength(SIGNATURE_SIZE_BYTES)

/** The multi-proof of some leaves of one piece of a deal. */
export const pieceProofSchema = z.strictObject({
  /** The piece's number in its deal. */
  pieceId: naturalSchema,
  leafIndices: z.array(naturalSchema).min(1).max(LEAVES_PER_PROOF_MAX),
  /** The leaves, 32 bytes each, in the order of their indices. */
  leaves: bytesUpTo(LEAVES_PER_PROOF_MAX * 32),
  /** The siblings that the verifier cannot compute, 32 bytes each. */
  nodes: bytesUpTo(ENTRY_SIZE_BYTES_MAX)
})
export type PieceProof = z.output<typeof pieceProofSchema>
export const pieceProofsSchema = z.array(pieceProofSchema).min(1).max(LEAVES_PER_PROOF_MAX)

/** A bound on the encoded size of proofs that needs no encoding: 64 bytes a proof and 9 a leaf cover names and numbers. */
export function boundOfProofs(proofs: readonly PieceProof[]): number {
  return proofs.reduce(
    (sum, { leafIndices, leaves, nodes }) => sum + 64 + 9 * leafIndices.length + leaves.length + nodes.length,
    16
  )
}

/** What a statement about proofs commits to: SHA-256 of their canonical dag-cbor. */
export function digestOfProofs(proofs: readonly PieceProof[]): Uint8Array {
  return sha256(encode(proofs))
}

function plain<Kind extends StatementKind>(kind: Kind) {
  return z.strictObject({ kind: z.literal(kind), statement: statementSchema(kind), signature: signatureSchema })
}

export const commandSchema = z.discriminatedUnion('kind', [
  plain('Transfer'),
  plain('Ask'),
  plain('VerifierStake'),
  plain('DealOrder').extend({ acceptance: signatureSchema }),
  plain('PiecesOrder').extend({ acceptance: signatureSchema }),
  plain('RemovePieces'),
  plain('TopUp'),
  plain('EndDeal'),
  plain('Attestation'),
  plain('SelfProof').extend({ proofs: pieceProofsSchema }),
  plain('DemandOpening'),
  plain('Unstake'),
  plain('DemandTranscript'),
  plain('AnswerTranscript').extend({
    transcript: transcriptSchema,
    path: transcriptPathSchema,
    proofs: pieceProofsSchema
  }),
  plain('Refute').extend({
    transcript: transcriptSchema,
    path: transcriptPathSchema,
    /** Where they decide. */
    proofs: pieceProofsSchema.optional()
  }),
  plain('TakeOverOrder'),
  plain('HandOver'),
  /** Reserved, so that no other meaning takes their names: known, signed, and always refused. */
  plain('KeyChange'),
  plain('ParameterChange')
])
export type Command = z.output<typeof commandSchema>
export type CommandKind = Command['kind']
export type CommandOf<Kind extends CommandKind> = Extract<Command, { kind: Kind }>
