/**
 * What a verifier keeps of one deal in one round; its attestation commits to the digests of all.
 *
 * The leaf of the attestation's tree is the transcript's digest, so that a transcript shows nothing of its neighbours.
 */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { SIGNATURE_SIZE_BYTES } from '../identity.ts'
import { VERDICTS } from '../rounds/verdicts.ts'
import { type Address, addressSchema, bytesOfLength, naturalSchema } from '../schema.ts'

/** Longest reason, in characters. */
export const TRANSCRIPT_REASON_LENGTH_MAX = 256

/** Longest Merkle path to a transcript: an attestation holds verdicts on at most 2^16 deals. */
export const TRANSCRIPT_PATH_NODES_MAX = 16

export const transcriptSchema = z.strictObject({
  version: z.literal(1),
  round: naturalSchema,
  dealId: naturalSchema,
  /** Part of the digest, so that a copied transcript shows. */
  verifier: addressSchema,
  /** `digestOfAsked` of what the round asked: a transcript says what its verdict is about. */
  asked: bytesOfLength(32),
  verdict: z.enum(VERDICTS),
  /** Why a bad proof did not verify; empty otherwise. A remark: nothing is decided by it. */
  reason: z.string().max(TRANSCRIPT_REASON_LENGTH_MAX),
  /** Digest of the proofs and the provider's signature of ProofPush over it; null when nothing came. */
  push: z.strictObject({ proofs: bytesOfLength(32), signature: bytesOfLength(SIGNATURE_SIZE_BYTES) }).nullable()
})
export type Transcript = z.output<typeof transcriptSchema>

/** The way from a transcript's digest to the root that its verifier attested. */
export const transcriptPathSchema = z.array(bytesOfLength(32)).max(TRANSCRIPT_PATH_NODES_MAX)

/** Who is asked what of a deal: from it, from the deal's number and from the seed everybody derives the leaves. */
export interface AskedPieces {
  readonly provider: Address
  readonly leavesPerRound: number
  /** Those that the round challenges, ascending by number. */
  readonly pieces: readonly { readonly id: number; readonly cid: CID }[]
}

/** SHA-256 of the canonical dag-cbor of the provider, the leaves to draw and each piece’s number and CID. */
export function digestOfAsked({ provider, leavesPerRound, pieces }: AskedPieces): Uint8Array {
  return sha256(encode([provider, leavesPerRound, ...pieces.map(({ id, cid }) => [id, cid])]))
}

/** SHA-256 of the canonical dag-cbor. */
export function digestOfTranscript(transcript: Transcript): Uint8Array {
  return sha256(encode(transcript))
}
