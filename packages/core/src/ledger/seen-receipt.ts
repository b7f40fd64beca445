/**
 * "Seen, not answered": what a follower signs when the host leaves a command unanswered that it passed on.
 *
 * Evidence and nothing else: it shows that somebody handed this command to this peer at that time, as this peer says. No
 * rule takes it. Many of them, by peers that do not know each other, show a host that leaves commands out.
 *
 * @see PROTOCOLS.md, Receipts
 */
import { decode, encode } from '@ipld/dag-cbor'
import { z } from 'zod'
import { SIGNATURE_SIZE_BYTES, type SignatureVerifier, type Signer } from '../identity.ts'
import { addressSchema, bytesOfLength, naturalSchema } from '../schema.ts'
import { compileTypedData, hashDomain } from './typed-data.ts'

/** Largest encoded receipt. */
export const SEEN_RECEIPT_SIZE_BYTES_MAX = 512

const receiptFields = {
  /** Who signed it. */
  peer: addressSchema,
  /** EIP-712 digest of the command's statement. */
  command: bytesOfLength(32),
  /** The ledger's round as this peer knew it, and this peer's clock. */
  round: naturalSchema,
  timeMs: naturalSchema
}
const seenReceiptSchema = z.strictObject({ ...receiptFields, signature: bytesOfLength(SIGNATURE_SIZE_BYTES) })

export type SeenReceipt = Readonly<z.output<typeof seenReceiptSchema>>

const FIELDS = [
  { name: 'peer', type: 'address' },
  { name: 'command', type: 'bytes32' },
  { name: 'round', type: 'uint64' },
  { name: 'timeMs', type: 'uint64' }
]

function digestOf(networkId: Uint8Array, facts: Omit<SeenReceipt, 'signature'>): Uint8Array {
  return compileTypedData('Seen', FIELDS, hashDomain('Holdfast', '1', networkId))(facts)
}

/** @returns the receipt, encoded in at most 512 bytes */
export function signSeenReceipt(
  networkId: Uint8Array,
  facts: Pick<SeenReceipt, 'command' | 'round' | 'timeMs'>,
  signer: Signer
): Uint8Array {
  const full = { peer: signer.address, ...facts }
  return encode(z.encode(seenReceiptSchema, { ...full, signature: signer.sign(digestOf(networkId, full)) }))
}

/** @returns undefined for bytes that are no receipt, or none that the peer which it names has signed on this network */
export function verifySeenReceipt(
  bytes: Uint8Array,
  networkId: Uint8Array,
  signatures: SignatureVerifier
): SeenReceipt | undefined {
  if (bytes.length > SEEN_RECEIPT_SIZE_BYTES_MAX) return undefined
  try {
    const receipt = seenReceiptSchema.parse(decode(bytes))
    return signatures.recover(digestOf(networkId, receipt), receipt.signature) === receipt.peer ? receipt : undefined
  } catch {
    return undefined
  }
}
