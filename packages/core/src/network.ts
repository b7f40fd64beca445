/**
 * The network description: what makes a network, and where it is found.
 *
 * The parameters never change; the hash of their canonical dag-cbor is the network's id and part of every signature's
 * domain, so that nothing signed on one network means anything on another. The addresses may move: the host signs them
 * with a growing sequence number.
 */
import { encode } from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { BEACON_PUBLIC_KEY_SIZE_BYTES } from './beacon/beacon.ts'
import { CoreError } from './error.ts'
import { portableSignatureVerifier, SIGNATURE_SIZE_BYTES, type SignatureVerifier, type Signer } from './identity.ts'
import { AMOUNT_MAX, addressesSchema, addressSchema, amountSchema, naturalSchema } from './schema.ts'

const PPM = 1_000_000
const ppmSchema = z.int().min(0).max(PPM)
const positive = z.int().min(1)
const hexOf = (sizeBytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${sizeBytes * 2}}$`), `${sizeBytes} bytes in hex`)

/** Shortest round: signatures, a hop and an fsync each way must fit into its quarters on a busy machine. */
export const ROUND_MS_MIN = 1_000

/** Leaves of a deal in a round: their proof, each in another piece of the largest size, still fits one entry. */
export const LEAVES_PER_ROUND_MAX = 256

/** Places that the whole supply could stake: all of them are shuffled in every round. */
export const VERIFIER_PLACES_MAX = 2 ** 16

/** Rounds that verifiers can be held to what they attested: the evidence of all of them is kept in memory. */
export const DISPUTE_ROUNDS_MAX = 1024

const supplyOf = (accounts: readonly { readonly amount: bigint }[]) =>
  accounts.reduce((sum, { amount }) => sum + amount, 0n)

export const networkParametersSchema = z
  .strictObject({
    version: z.literal(1),
    name: z.string().min(1).max(64),
    /** Account of the ledger host: signs addresses and log heads. */
    host: addressSchema,
    /** When round 1 opens, milliseconds of Unix time. */
    genesisMs: naturalSchema,
    roundMs: z.int().min(ROUND_MS_MIN),
    /** How late `openRound` may come before the rounds that it closes count as void. */
    roundLateMsMax: positive,
    beacon: z.strictObject({
      scheme: z.literal('bls-unchained-g1-rfc9380'),
      /** `host`: the host's own key, who can foresee every challenge. `drand`: a public chain. */
      source: z.enum(['host', 'drand']),
      publicKey: hexOf(BEACON_PUBLIC_KEY_SIZE_BYTES),
      genesisMs: naturalSchema,
      periodMs: positive
    }),
    /** Genesis balances: all the credits there will ever be. */
    accounts: z
      .array(z.strictObject({ address: addressSchema, amount: amountSchema }))
      .min(1)
      .max(1024),
    proving: z.strictObject({
      /** Verifiers that check a deal in a round, and how many passes make it proved. */
      verifiersPerDeal: positive.max(64),
      quorum: positive.max(64),
      /** Of how many deals one must be opened on the ledger itself, drawn by the beacon. */
      openingOneIn: positive,
      /** Open, non-void rounds that a leaf may stay on the docket before collateral is touched. */
      cureRounds: positive,
      docketLeavesMax: positive,
      /** Rounds in which a verifier can be held to what it attested; nothing older is disputed. */
      disputeRounds: positive.max(DISPUTE_ROUNDS_MAX),
      /** Whole rounds, open and non-void, that a verifier has to answer a demand for a transcript. */
      answerRounds: positive.max(DISPUTE_ROUNDS_MAX),
      leavesPerRoundMax: positive.max(LEAVES_PER_ROUND_MAX),
      /** Thousandths of a round after which verifiers attest, and after which providers prove to the ledger themselves. */
      attestAtPermille: z.int().min(1).max(999),
      selfProveAtPermille: z.int().min(1).max(999)
    }),
    money: z.strictObject({
      pricePerRoundMin: amountSchema,
      /** At most half: a client who is its own verifiers would pay its provider with little but what roundings leave. */
      verifierFeePpm: ppmSchema.max(PPM / 2),
      /** Rounds of price that stay escrowed, so that an end leaves the other side time. */
      noticeRounds: positive,
      /** Collateral of a deal, in rounds of its price, and the share of pay withheld until it is full. */
      collateralRounds: positive,
      earnInPpm: ppmSchema,
      uncollateralisedBytesMax: positive,
      /** Rounds after which a repair budget that nobody used is burned. */
      repairRounds: positive,
      /** Of one verifier's place. */
      stakeUnit: amountSchema,
      /** Least bonds of whoever demands an opening or a transcript, so that a demand costs what its answer costs. */
      openingBond: amountSchema,
      transcriptBond: amountSchema,
      /** What a verifier loses for a round in which it was assigned and did not attest. */
      silencePenalty: amountSchema,
      /** Share of a refuted verifier's loss that goes to who refuted it; the rest is burned. */
      refuterPpm: ppmSchema,
      /** Share of a repair budget that the next provider may earn as its reward, at most. */
      repairRewardPpm: ppmSchema
    }),
    /** How far ahead `validUntilRound` may lie: bounds the memory of used ids. */
    statementRoundsMax: positive
  })
  .refine(p => p.proving.quorum <= p.proving.verifiersPerDeal, 'quorum is at most verifiersPerDeal')
  .refine(p => p.proving.attestAtPermille < p.proving.selfProveAtPermille, 'attestation comes before self-proof')
  .refine(p => p.money.noticeRounds > p.proving.cureRounds, 'noticeRounds is at least cureRounds + 1')
  .refine(
    p => p.money.collateralRounds >= 2 * p.proving.openingOneIn,
    'collateral is at least twice what a cheat earns between two drawn openings'
  )
  .refine(
    p => p.money.collateralRounds * (PPM - p.money.repairRewardPpm) >= p.proving.openingOneIn * PPM,
    'what a failure costs is more than a cheat earns between two drawn openings, also when a friend takes the reward'
  )
  .refine(p => p.money.earnInPpm >= PPM / 2, 'until there is collateral, at least as much is withheld as is paid out')
  .refine(
    p => p.proving.docketLeavesMax >= p.proving.cureRounds * p.proving.leavesPerRoundMax,
    'a docket has room for all that a deal can owe, or what is lost would hide behind what is there'
  )
  .refine(p => p.money.silencePenalty <= p.money.stakeUnit, 'silence costs at most a place')
  .refine(p => p.money.refuterPpm <= PPM / 2, 'who refutes a friend burns at least half of its stake')
  .refine(p => p.roundLateMsMax < p.roundMs, 'a round may not be later than its length')
  .refine(p => p.beacon.periodMs <= p.roundMs, 'every round has a beacon round of its own')
  .refine(p => p.beacon.genesisMs <= p.genesisMs, 'the beacon begins before the network')
  .refine(
    p => p.beacon.source === 'host' || p.roundLateMsMax + p.beacon.periodMs <= p.roundMs,
    'what a round challenges is frozen before its beacon is out'
  )
  .refine(p => supplyOf(p.accounts) <= AMOUNT_MAX, 'all credits together are an amount')
  .refine(
    ({ accounts, money }) => supplyOf(accounts) <= money.stakeUnit * BigInt(VERIFIER_PLACES_MAX),
    `the supply stakes at most ${VERIFIER_PLACES_MAX} places`
  )

export type NetworkParameters = z.output<typeof networkParametersSchema>

export const networkDescriptionSchema = z.strictObject({
  parameters: networkParametersSchema,
  addresses: z.strictObject({ sequence: naturalSchema, host: addressesSchema, bootstrap: addressesSchema }),
  /** The host's signature over network id and addresses. */
  signature: hexOf(SIGNATURE_SIZE_BYTES)
})
export type NetworkDescription = z.output<typeof networkDescriptionSchema>
export type NetworkAddresses = NetworkDescription['addresses']

/** The network's id, 32 bytes: SHA-256 of the canonical dag-cbor of its parameters. */
export function networkIdOf(parameters: NetworkParameters): Uint8Array {
  return sha256(encode(z.encode(networkParametersSchema, parameters)))
}

function addressesDigest(parameters: NetworkParameters, addresses: NetworkAddresses): Uint8Array {
  return sha256(encode({ kind: 'holdfast-network-addresses', network: networkIdOf(parameters), ...addresses }))
}

/** Makes the description that others join by; the signer must be the network's host. */
export function describeNetwork(
  parameters: NetworkParameters,
  addresses: NetworkAddresses,
  signer: Signer
): NetworkDescription {
  if (signer.address !== parameters.host)
    throw new RangeError(`expected the host's signer ${parameters.host}, got ${signer.address}`)
  return { parameters, addresses, signature: bytesToHex(signer.sign(addressesDigest(parameters, addresses))) }
}

/** One line a field, so that people can read and compare descriptions. */
export function formatNetworkDescription(description: NetworkDescription): string {
  return `${JSON.stringify(z.encode(networkDescriptionSchema, description), null, 2)}\n`
}

/** @throws {CoreError} `NETWORK_INVALID` when the text is no description or its addresses are not the host's */
export function parseNetworkDescription(
  text: string,
  verifier: SignatureVerifier = portableSignatureVerifier
): NetworkDescription {
  const parsed = networkDescriptionSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    throw new CoreError('NETWORK_INVALID', `this is no network description: ${z.prettifyError(parsed.error)}`)
  }
  const { parameters, addresses, signature } = parsed.data
  if (verifier.recover(addressesDigest(parameters, addresses), hexToBytes(signature)) !== parameters.host) {
    throw new CoreError(
      'NETWORK_INVALID',
      'the addresses in this network description are not signed by its host; ask a member for the file again'
    )
  }
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CoreError('NETWORK_INVALID', 'this is no network description: it is not JSON', {}, { cause })
  }
}
