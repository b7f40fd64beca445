/**
 * Who may read a private piece at its provider: the deal's client, and whoever brings a permission signed by the key of
 * the piece's label. Only a holder of the object's secret, or of its repair key, can make that signature, so that the
 * label on the ledger is a lock and the reference its key; no list of readers is kept anywhere.
 *
 * A permission lets a peer fetch ciphertext. It does not help to decrypt it.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { LastUsed } from '../content/index.ts'
import { createSigner, type SignatureVerifier } from '../identity.ts'
import { signatureSchema } from '../ledger/commands.ts'
import type { StatementDigest } from '../ledger/statements.ts'
import { type Address, addressSchema, naturalSchema } from '../schema.ts'
import { addressOfLabel } from './label.ts'

/** What goes over the wire; label, provider and reader are what the provider itself sees, and are not sent. */
export const readPermissionSchema = z.strictObject({ validUntilRound: naturalSchema, signature: signatureSchema })
export type ReadPermission = z.output<typeof readPermissionSchema>

export interface ReadPermissionTerms {
  /** Account of the provider that shall serve. */
  readonly provider: Address
  /** Account of the peer that will ask; see `addressOfPeer`. */
  readonly reader: Address
  /** Last round in which it counts. */
  readonly validUntilRound: number
}

/** What a request over HTTP brings, where nobody shows who he is: whoever has it may read, so it is shown to the provider alone. */
export interface BearerPermission {
  readonly permission: ReadPermission
  /** The account that the permission is for, as it says itself. */
  readonly reader: Address
}

const BEARER = /^Holdfast reader=(0x[0-9a-f]{40}), validUntilRound=(\d{1,15}), signature=((?:[0-9a-f]{2}){1,128})$/

/** The value of an `Authorization` header. */
export function formatBearer({ permission: { validUntilRound, signature }, reader }: BearerPermission): string {
  return `Holdfast reader=${reader}, validUntilRound=${validUntilRound}, signature=${bytesToHex(signature)}`
}

/** @returns undefined for what is none */
export function parseBearer(text: string): BearerPermission | undefined {
  const [, reader, round, signature] = BEARER.exec(text) ?? []
  if (signature === undefined) return undefined
  const permission = readPermissionSchema.safeParse({
    validUntilRound: Number(round),
    signature: hexToBytes(signature)
  })
  return permission.success ? { permission: permission.data, reader: addressSchema.parse(reader) } : undefined
}

/** @param labelKey - 32 bytes, the private key behind the label; see `deriveLabelKey` */
export function signReadPermission(
  labelKey: Uint8Array,
  terms: ReadPermissionTerms,
  digestOf: StatementDigest
): ReadPermission {
  const { provider, reader, validUntilRound } = terms
  const signer = createSigner(labelKey)
  const statement = { label: signer.address, provider, reader, validUntilRound }
  return { validUntilRound, signature: signer.sign(digestOf('ReadPermission', statement)) }
}

export interface ReadPermissionClaim {
  readonly permission: ReadPermission
  /** The label under which the piece stands on the ledger. */
  readonly label: Uint8Array
  /** The account that checks. */
  readonly provider: Address
  /** The account of the peer at the other end of the connection; over HTTP the one that the permission names. */
  readonly reader: Address
  /** The ledger's round. */
  readonly round: number
  /** Of the network: how far ahead a statement may be valid. */
  readonly statementRoundsMax: number
}

export type ReadPermissionVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'not private' | 'expired' | 'valid too long' | 'wrong signer' }

/** Permissions of readers who come back, whose signatures were seen to be right: in all some hundred KB. */
const PERMISSIONS_REMEMBERED_MAX = 1024

export interface PermissionTools {
  readonly digestOf: StatementDigest
  readonly verifier: SignatureVerifier
  /** Who signed what was shown before, so that it is not computed again; see {@link createKnownPermissions}. */
  readonly known?: LastUsed<Address> | undefined
}

export function createKnownPermissions(): LastUsed<Address> {
  return new LastUsed({ weightMax: PERMISSIONS_REMEMBERED_MAX, weightOf: () => 1 })
}

/**
 * Says whether a permission opens a piece to a reader; never throws on foreign bytes. Costs one signature recovery, where it is not
 * known.
 */
export function checkReadPermission(
  claim: ReadPermissionClaim,
  { digestOf, verifier, known }: PermissionTools
): ReadPermissionVerdict {
  const { permission, provider, reader, round, statementRoundsMax } = claim
  const { validUntilRound, signature } = permission
  const label = addressOfLabel(claim.label)
  if (label === undefined) return { ok: false, reason: 'not private' }
  if (validUntilRound < round) return { ok: false, reason: 'expired' }
  if (validUntilRound > round + statementRoundsMax) return { ok: false, reason: 'valid too long' }
  const key = `${label}/${provider}/${reader}/${validUntilRound}/${bytesToHex(signature)}`
  const signer =
    known?.get(key) ??
    verifier.recover(digestOf('ReadPermission', { label, provider, reader, validUntilRound }), signature)
  if (signer !== label) return { ok: false, reason: 'wrong signer' }
  known?.set(key, signer)
  return { ok: true }
}
