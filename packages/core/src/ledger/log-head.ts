/**
 * Log heads: the host's signed word for how the log stood at a moment.
 *
 * A head names the number of entries and the root of the tree over them, and the hash of the head before it. The host
 * signs one for every group of entries that it made durable, and makes the head durable before it shows it to anybody:
 * two different heads of one number, once both are seen, prove to everybody that it keeps two histories (fork-proof.ts).
 *
 * @see PROTOCOLS.md, Heads
 */
import { decode, encode } from '@ipld/dag-cbor'
import { equalBytes } from '@noble/curves/utils.js'
import { z } from 'zod'
import { SIGNATURE_SIZE_BYTES, type SignatureVerifier, type Signer } from '../identity.ts'
import { type Address, bytesOfLength, naturalSchema } from '../schema.ts'
import { compileTypedData, hashDomain } from './typed-data.ts'

/** Largest encoded head, so that one fits the envelope of every message. */
export const HEAD_SIZE_BYTES_MAX = 512

const headFields = {
  version: z.literal(1),
  networkId: bytesOfLength(32),
  /** Counts from 0 without gaps. */
  number: naturalSchema,
  /** Entries of the log; grows with every head. */
  size: naturalSchema.min(1),
  /** Of the RFC 6962 tree over so many entries. */
  root: bytesOfLength(32),
  /** That of the newest of these entries. */
  timeMs: naturalSchema,
  /** `hashHead` of the head before; 32 zero bytes in head 0. */
  previous: bytesOfLength(32)
}
const signedHeadSchema = z.strictObject({ ...headFields, signature: bytesOfLength(SIGNATURE_SIZE_BYTES) })

export type LogHead = Readonly<z.output<z.ZodObject<typeof headFields, z.core.$strict>>>
export type SignedLogHead = Readonly<z.output<typeof signedHeadSchema>>

/** Whose heads one believes. `signatures` recovers who signed. */
export interface HeadAuthority {
  readonly networkId: Uint8Array
  /** the network's ledger host */
  readonly host: Address
  readonly signatures: SignatureVerifier
}

export type HeadVerdict =
  | { readonly ok: true; readonly head: SignedLogHead }
  | { readonly ok: false; readonly reason: string }

/** The head that follows another, or the first one. Signs nothing. */
export function headAfter(
  previous: LogHead | undefined,
  facts: Pick<LogHead, 'networkId' | 'size' | 'root' | 'timeMs'>
): LogHead {
  const { networkId, size, root, timeMs } = facts
  return {
    version: 1,
    networkId,
    number: previous === undefined ? 0 : previous.number + 1,
    size,
    root,
    timeMs,
    previous: previous === undefined ? new Uint8Array(32) : hashHead(previous)
  }
}

/**
 * What names a head, 32 bytes: its EIP-712 digest, which the host signs. Does not cover the signature, so that a head that
 * is signed twice is one head.
 */
export function hashHead({ networkId, number, size, root, timeMs, previous }: LogHead): Uint8Array {
  const hash = compileTypedData('LogHead', LOG_HEAD_FIELDS, hashDomain('Holdfast', '1', networkId))
  return hash({ number, size, root, timeMs, previous })
}

const LOG_HEAD_FIELDS = [
  { name: 'number', type: 'uint64' },
  { name: 'size', type: 'uint64' },
  { name: 'root', type: 'bytes32' },
  { name: 'timeMs', type: 'uint64' },
  { name: 'previous', type: 'bytes32' }
]

/** @param signer - the host's */
export function signHead(head: LogHead, signer: Pick<Signer, 'sign'>): SignedLogHead {
  return { ...head, signature: signer.sign(hashHead(head)) }
}

/** Canonical dag-cbor, at most 512 bytes, in memory of their own: heads are kept for long. */
export function encodeHead(head: SignedLogHead): Uint8Array {
  return Uint8Array.from(encode(z.encode(signedHeadSchema, head)))
}

/** Does not look at the signature. @returns undefined for bytes that are no head, or not its canonical ones */
export function decodeHead(bytes: Uint8Array): SignedLogHead | undefined {
  if (bytes.length > HEAD_SIZE_BYTES_MAX) return undefined
  try {
    const head = signedHeadSchema.parse(decode(bytes))
    return equalBytes(encodeHead(head), bytes) ? head : undefined
  } catch {
    return undefined
  }
}

/** Whether these bytes are a head of this network that its host has signed; one signature is checked, and that last. */
export function verifyHead(bytes: Uint8Array, authority: HeadAuthority): HeadVerdict {
  const head = decodeHead(bytes)
  if (head === undefined) return { ok: false, reason: 'these bytes are no log head' }
  if (!equalBytes(head.networkId, authority.networkId)) return { ok: false, reason: 'the head is of another network' }
  if (authority.signatures.recover(hashHead(head), head.signature) !== authority.host) {
    return { ok: false, reason: 'the head is not signed by the host of this network' }
  }
  return { ok: true, head }
}
