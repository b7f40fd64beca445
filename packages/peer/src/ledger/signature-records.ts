/** What the signature pool and its threads say to each other: one buffer a batch, because it is cheap to send and objects are not. */
import type { Address, SignedDigest } from '@holdfast/core'
import { SIGNATURE_SIZE_BYTES } from '@holdfast/core/threads/signatures'

/** What a thread is sent: records of digest and signature, end to end. */
export interface SignatureBatch {
  readonly id: number
  readonly records: Uint8Array
}

/** What it answers, in the same order. */
export interface SignatureAnswer {
  readonly id: number
  readonly signers: readonly (Address | undefined)[]
}

/** What a thread is sent between the batches: a beacon's signature to check. */
export interface BeaconQuestion {
  readonly id: number
  readonly publicKey: Uint8Array
  readonly beaconRound: number
  readonly signature: Uint8Array
}

export interface BeaconAnswer {
  readonly id: number
  readonly isGood: boolean
}

export const DIGEST_SIZE_BYTES = 32
export const SIGNATURE_RECORD_SIZE_BYTES = DIGEST_SIZE_BYTES + SIGNATURE_SIZE_BYTES

/** Others are no signatures, which needs no thread to find. */
export function fitsRecord({ digest, signature }: SignedDigest): boolean {
  return digest.length === DIGEST_SIZE_BYTES && signature.length === SIGNATURE_SIZE_BYTES
}

export function packRecords(batch: readonly SignedDigest[]): Uint8Array<ArrayBuffer> {
  const records = new Uint8Array(batch.length * SIGNATURE_RECORD_SIZE_BYTES)
  for (const [index, { digest, signature }] of batch.entries()) {
    records.set(digest, index * SIGNATURE_RECORD_SIZE_BYTES)
    records.set(signature, index * SIGNATURE_RECORD_SIZE_BYTES + DIGEST_SIZE_BYTES)
  }
  return records
}
