/**
 * What parties sign: EIP-712 typed data, so that the same signature can settle on an EVM chain without being made again.
 *
 * One table declares each statement's fields, in order, with their Solidity type and their schema; types, digests and
 * validation follow from it. The network's id is the domain's salt. Transfers carry a sequential nonce; everything else
 * an id that is unique for its signer and may come in any order, and a last round in which it is valid.
 *
 * @see PROTOCOLS.md, Statements
 */
import { z } from 'zod'
import {
  addressesSchema,
  addressSchema,
  amountSchema,
  bytesBetween,
  bytesOfLength,
  bytesUpTo,
  cidSchema,
  naturalSchema
} from '../schema.ts'
import { compileTypedData, hashDomain } from './typed-data.ts'

/** Pieces in one order: keeps an `addPieces` entry far below the entry limit. */
export const PIECES_PER_ORDER_MAX = 1024

/** Label of a piece: the root CID of a public object, or the opaque tag of a private one. */
export const LABEL_SIZE_BYTES_MAX = 64

/** Regions that a take-over order names at most. */
export const REGIONS_MAX = 16

/** A unique 128-bit id, 32 hex digits. */
export const statementIdSchema = z.string().regex(/^[0-9a-f]{32}$/, '128 bits in hex')

const address = { solidity: 'address', schema: addressSchema }
const amount = { solidity: 'uint128', schema: amountSchema }
const natural = { solidity: 'uint64', schema: naturalSchema }
const digest = { solidity: 'bytes32', schema: bytesOfLength(32) }
const id = { solidity: 'bytes16', schema: statementIdSchema }
const cids = { solidity: 'bytes[]', schema: z.array(cidSchema).min(1).max(PIECES_PER_ORDER_MAX) }
const addresses = { solidity: 'string[]', schema: addressesSchema }
/** Opaque bytes, one for each piece. */
const labels = {
  solidity: 'bytes[]',
  schema: z.array(bytesBetween(1, LABEL_SIZE_BYTES_MAX)).min(1).max(PIECES_PER_ORDER_MAX)
}
const pieceIds = { solidity: 'uint64[]', schema: z.array(naturalSchema).min(1).max(PIECES_PER_ORDER_MAX) }
const flag = { solidity: 'bool', schema: z.boolean() }
const regionSchema = z
  .string()
  .max(64)
  .regex(/^[\x20-\x7e]*$/)
const region = { solidity: 'string', schema: regionSchema }
const regions = { solidity: 'string[]', schema: z.array(regionSchema).max(REGIONS_MAX) }
/** Two bits a deal: 16 KiB cover 65,536 deals a verifier and round. */
const verdicts = { solidity: 'bytes', schema: bytesUpTo(16 * 1024) }

/** Once: the field that names the signer. */
const SIGNERS = {
  Transfer: 'from',
  Ask: 'provider',
  VerifierStake: 'verifier',
  DealOrder: 'client',
  PiecesOrder: 'client',
  RemovePieces: 'client',
  Acceptance: 'provider',
  TopUp: 'client',
  EndDeal: 'party',
  Attestation: 'verifier',
  SelfProof: 'provider',
  ProofPush: 'provider',
  DemandOpening: 'client',
  Unstake: 'verifier',
  DemandTranscript: 'demander',
  AnswerTranscript: 'verifier',
  Refute: 'refuter',
  TakeOverOrder: 'client',
  HandOver: 'provider',
  KeyChange: 'account',
  ParameterChange: 'host',
  ReadPermission: 'label',
  RepairNotice: 'provider'
} as const

const FIELDS = {
  Transfer: { from: address, to: address, amount, nonce: natural },
  /** What a provider offers, and whose machine it is; a later one replaces it. */
  Ask: {
    provider: address,
    operator: address,
    id,
    validUntilRound: natural,
    addresses,
    region,
    pricePerLeafRound: amount,
    capacityBytes: natural
  },
  /** Locks `amount` more as the verifier's stake, and says where it is reached and whose machine it is. */
  VerifierStake: { verifier: address, operator: address, id, validUntilRound: natural, amount, addresses },
  /** Opens a deal; counts only with the provider's Acceptance. */
  DealOrder: {
    client: address,
    provider: address,
    id,
    validUntilRound: natural,
    pricePerLeafRound: amount,
    leavesPerRound: natural,
    escrow: amount
  },
  /** Adds pieces to a deal, one label each; counts only with the provider's Acceptance. */
  PiecesOrder: {
    client: address,
    id,
    validUntilRound: natural,
    dealId: natural,
    pieces: cids,
    labels,
    deposit: amount
  },
  /** Takes pieces out of a deal, by their numbers in it. */
  RemovePieces: { client: address, id, validUntilRound: natural, dealId: natural, pieceIds },
  /** The provider's word for an order, by the order's digest: it has what the order says and takes its price. */
  Acceptance: { provider: address, order: digest },
  TopUp: { client: address, id, validUntilRound: natural, dealId: natural, amount },
  /** Gives notice; either side may. */
  EndDeal: { party: address, id, validUntilRound: natural, dealId: natural },
  /** A verifier's verdicts on all deals assigned to it in a round, and the root over its transcripts. */
  Attestation: { verifier: address, id, validUntilRound: natural, round: natural, verdicts, transcripts: digest },
  /**
   * Proof on the ledger itself: of a round's leaves, or of leaves of the docket. Binds the proofs by their digest, and what
   * the round asked, so that it says by itself which pieces it is about.
   */
  SelfProof: {
    provider: address,
    id,
    validUntilRound: natural,
    dealId: natural,
    round: natural,
    docket: flag,
    asked: digest,
    proofs: digest
  },
  /** Never on the ledger: signs the proofs that a provider pushes to one verifier, so that a bad one is evidence. */
  ProofPush: { provider: address, verifier: address, dealId: natural, round: natural, proofs: digest },
  /** Demands that the deal be opened on the ledger in the next round, against a bond. */
  DemandOpening: { client: address, id, validUntilRound: natural, dealId: natural, bond: amount },
  /** Takes part of a verifier's stake back, or all of it. */
  Unstake: { verifier: address, id, validUntilRound: natural, amount },
  /** Demands the transcript under a verdict, against a bond. */
  DemandTranscript: {
    demander: address,
    id,
    validUntilRound: natural,
    verifier: address,
    round: natural,
    dealId: natural,
    bond: amount
  },
  /** A verifier's answer to such a demand, by the transcript's digest. */
  AnswerTranscript: {
    verifier: address,
    id,
    validUntilRound: natural,
    round: natural,
    dealId: natural,
    transcript: digest
  },
  /** Shows that a transcript under a verifier's own root does not support its verdict. */
  Refute: {
    refuter: address,
    id,
    validUntilRound: natural,
    verifier: address,
    round: natural,
    dealId: natural,
    transcript: digest
  },
  /** Says beforehand who may take the deal's pieces over when its provider fails, and for what. */
  TakeOverOrder: {
    client: address,
    id,
    validUntilRound: natural,
    dealId: natural,
    pricePerLeafRoundMax: amount,
    reward: amount,
    regions
  },
  /** Takes a failed deal's pieces over under its take-over order. */
  HandOver: { provider: address, id, validUntilRound: natural, dealId: natural, pricePerLeafRound: amount },
  /** Reserved: another key for an account. */
  KeyChange: { account: address, id, validUntilRound: natural, successor: address },
  /** Reserved: other parameters for the network, by the digest of what they are, from an opening on. */
  ParameterChange: { host: address, id, validUntilRound: natural, fromOpening: natural, parameters: digest },
  /** Never on the ledger: lets one peer read one private piece at one provider. Signed by the key of the piece's label. */
  ReadPermission: { label: address, provider: address, reader: address, validUntilRound: natural },
  /** Never on the ledger: a provider's word that it has lost these pieces and cannot get them again by itself. */
  RepairNotice: { provider: address, dealId: natural, round: natural, pieces: cids }
} as const

type Fields = typeof FIELDS
export type StatementKind = keyof Fields
export type Statement<Kind extends StatementKind> = {
  -readonly [Name in keyof Fields[Kind]]: Fields[Kind][Name] extends { schema: infer Schema extends z.ZodType }
    ? z.output<Schema>
    : never
}

type StatementShape<Kind extends StatementKind> = {
  -readonly [Name in keyof Fields[Kind]]: Fields[Kind][Name] extends { schema: infer Schema extends z.ZodType }
    ? Schema
    : never
}

/** The schema of a statement; refuses fields that it does not know. */
export function statementSchema<Kind extends StatementKind>(
  kind: Kind
): z.ZodObject<StatementShape<Kind>, z.core.$strict> {
  const shape = Object.fromEntries(Object.entries(FIELDS[kind]).map(([name, { schema }]) => [name, schema]))
  return z.strictObject(shape as StatementShape<Kind>)
}

/** The account that must have signed a statement. */
export function signerOf<Kind extends StatementKind>(kind: Kind, statement: Statement<Kind>) {
  return (statement as Record<string, unknown>)[SIGNERS[kind]] as z.output<typeof addressSchema>
}

/** Computes what is signed: a function of one network, because the domain is. */
export type StatementDigest = <Kind extends StatementKind>(kind: Kind, statement: Statement<Kind>) => Uint8Array

/**
 * Statements are never changed once they are made, so the digest of each is computed once, however often it is asked for.
 *
 * @param networkId - 32 bytes; the salt of the EIP-712 domain
 */
export function createStatementDigest(networkId: Uint8Array): StatementDigest {
  const domainHash = hashDomain('Holdfast', '1', networkId)
  const compiled = new Map<StatementKind, CompiledKind>()
  return (kind, statement) => {
    const known = compiled.get(kind)
    const { compute, digests } = known ?? compileKind(kind, domainHash)
    if (known === undefined) compiled.set(kind, { compute, digests })
    const digest = digests.get(statement) ?? compute(statement)
    digests.set(statement, digest)
    return digest
  }
}

const digests = new WeakMap<Uint8Array, StatementDigest>()

/** What parties sign on a network; made once for each id that stands in a state. */
export function statementDigestOf({ networkId }: { readonly networkId: Uint8Array }): StatementDigest {
  const known = digests.get(networkId)
  if (known !== undefined) return known
  const digest = createStatementDigest(networkId)
  digests.set(networkId, digest)
  return digest
}

interface CompiledKind {
  readonly compute: (statement: Readonly<Record<string, unknown>>) => Uint8Array
  readonly digests: WeakMap<object, Uint8Array>
}

function compileKind(kind: StatementKind, domainHash: Uint8Array): CompiledKind {
  const fields = Object.entries(FIELDS[kind]).map(([name, { solidity }]) => ({ name, type: solidity }))
  return { compute: compileTypedData(kind, fields, domainHash), digests: new WeakMap() }
}
