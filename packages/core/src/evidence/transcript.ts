/** What a verifier keeps of one deal in one round; the attestation commits to the digests of all. */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Verdict } from '../rounds/verdicts.ts'
import type { Address } from '../schema.ts'

export interface Transcript {
  readonly round: number
  readonly dealId: number
  /** Part of the digest, so that a copied transcript shows. */
  readonly verifier: Address
  readonly verdict: Verdict
  /** Why a bad proof did not verify; empty otherwise. */
  readonly reason: string
  /** Digest of the proofs and the provider's signature over them; absent when nothing came. */
  readonly push: { readonly proofs: Uint8Array; readonly signature: Uint8Array } | undefined
}

export function digestOfTranscript({ push, ...transcript }: Transcript): Uint8Array {
  return sha256(encode({ version: 1, ...transcript, push: push ?? null }))
}
