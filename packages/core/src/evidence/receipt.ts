/**
 * A receipt: all that it takes to see, on a machine with no network, what became of one deal in one round.
 *
 * It holds the network's parameters, the beacon's signature, what the round challenged, and either a verifier's attestation
 * with its transcript or the provider's self-proof. With a log head it shows too that the ledger took the command.
 * `checkReceipt` believes nothing of it but what signatures and hashes bear out.
 *
 * @see PROTOCOLS.md, Receipts
 */
import { decode, encode } from '@ipld/dag-cbor'
import { equalBytes } from '@noble/curves/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { BEACON_SIGNATURE_SIZE_BYTES } from '../beacon/beacon.ts'
import { pieceProofsSchema, signatureSchema } from '../ledger/commands.ts'
import { HEAD_SIZE_BYTES_MAX } from '../ledger/log-head.ts'
import { statementSchema } from '../ledger/statements.ts'
import { LEAVES_PER_ROUND_MAX, networkParametersSchema } from '../network.ts'
import { addressSchema, bytesOfLength, bytesUpTo, cidSchema, naturalSchema } from '../schema.ts'
import { MERKLE_PATH_NODES_MAX } from './merkle-path.ts'
import { transcriptPathSchema, transcriptSchema } from './transcript.ts'

/** Of a deal with some 50,000 pieces. */
export const RECEIPT_SIZE_BYTES_MAX = 4 * 1024 * 1024

const DIGEST_SIZE_BYTES = 32

const attestationSchema = z.strictObject({
  kind: z.literal('Attestation'),
  statement: statementSchema('Attestation'),
  signature: signatureSchema
})
const selfProofSchema = z.strictObject({
  kind: z.literal('SelfProof'),
  statement: statementSchema('SelfProof'),
  signature: signatureSchema,
  proofs: pieceProofsSchema
})

export const receiptSchema = z.strictObject({
  version: z.literal(1),
  parameters: networkParametersSchema,
  round: naturalSchema.min(1),
  beaconSignature: bytesOfLength(BEACON_SIGNATURE_SIZE_BYTES),
  dealId: naturalSchema,
  provider: addressSchema,
  leavesPerRound: naturalSchema.min(1).max(LEAVES_PER_ROUND_MAX),
  /** Those that the round challenged, ascending by number. */
  pieces: z.array(z.strictObject({ id: naturalSchema, cid: cidSchema })).min(1),
  evidence: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('attestation'),
      command: attestationSchema,
      /** Place of the deal among those that the verifier was assigned, and how many those are. */
      index: naturalSchema,
      size: naturalSchema.min(1),
      transcript: transcriptSchema,
      path: transcriptPathSchema,
      /** Null when nothing came. */
      proofs: pieceProofsSchema.nullable()
    }),
    z.strictObject({ kind: z.literal('self-proof'), command: selfProofSchema })
  ]),
  /** That the command stands in the host's log; null when nobody has shown it. */
  log: z
    .strictObject({
      /** As the host signed it. */
      head: bytesUpTo(HEAD_SIZE_BYTES_MAX),
      /** Of the command's entry. */
      sequence: naturalSchema,
      timeMs: naturalSchema,
      path: z.array(bytesOfLength(32)).max(MERKLE_PATH_NODES_MAX)
    })
    .nullable()
})
export type DealReceipt = z.output<typeof receiptSchema>

/** Canonical dag-cbor, and SHA-256 of it: a bit that flips in a drawer is told from one that somebody changed. */
export function encodeReceipt(receipt: DealReceipt): Uint8Array {
  const body = encode(z.encode(receiptSchema, receipt))
  return concatBytes(body, sha256(body))
}

export type DecodedReceipt =
  | { readonly ok: true; readonly receipt: DealReceipt }
  | { readonly ok: false; readonly reason: string }

/** Checks the form alone. */
export function decodeReceipt(bytes: Uint8Array): DecodedReceipt {
  if (bytes.length > RECEIPT_SIZE_BYTES_MAX) return { ok: false, reason: 'this is too large for a receipt' }
  const body = bytes.subarray(0, -DIGEST_SIZE_BYTES)
  if (bytes.length < DIGEST_SIZE_BYTES || !equalBytes(sha256(body), bytes.subarray(-DIGEST_SIZE_BYTES)))
    return { ok: false, reason: 'these bytes are no receipt, or were damaged' }
  const parsed = receiptSchema.safeParse(decodeSafely(body))
  if (!parsed.success) return { ok: false, reason: `this is no receipt: ${z.prettifyError(parsed.error)}` }
  if (!equalBytes(encodeReceipt(parsed.data), bytes))
    return { ok: false, reason: 'this receipt is not in its canonical form' }
  return { ok: true, receipt: parsed.data }
}

function decodeSafely(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch {
    return undefined
  }
}
