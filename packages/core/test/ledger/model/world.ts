/** The small world of the model runs: few parties, small pieces, short terms, so that a run meets every end of a deal. */
import { leafCountOf } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { portableSignatureVerifier, type SignatureVerifier, type Signer } from '../../../src/identity.ts'
import { type NetworkParameters, networkParametersSchema } from '../../../src/network.ts'
import { type Address, addressSchema } from '../../../src/schema.ts'
import { MemoryPieces, pieceOf } from '../memory-pieces.ts'
import {
  actorOf,
  BEACON,
  CLIENT,
  PARAMETERS,
  type ParameterChanges,
  PROVIDERS,
  parametersWith,
  STRANGER,
  VERIFIERS
} from '../network-fixture.ts'

export const CLIENTS: readonly Signer[] = [CLIENT, actorOf('client two')]
export const STORERS = PROVIDERS.slice(0, 3)
/** The last one is a provider too: it must not check its own deals. */
export const CHECKERS: readonly Signer[] = [...VERIFIERS, STORERS[2]!]
export const EVERYBODY: readonly Signer[] = [...CLIENTS, ...STORERS, ...VERIFIERS, STRANGER]

export const PIECES = [127, 200, 400, 508, 700, 1000].map(size => pieceOf(`model piece of ${size}`, size))
/** All providers' stores in one: who has lost what is a matter of what a run lets them say. */
export const STORE = new MemoryPieces(...PIECES)
export const pieceFacts = PIECES.map(({ cid, rawSize }) => ({
  name: cid.toString(),
  isPiece: true,
  rawSize,
  leafCount: leafCountOf(rawSize)
}))

/** Keys, real or for show. */
export interface Keys {
  signerOf(address: Address): Signer
  readonly signatures: SignatureVerifier
}

const realSigners = new Map([...EVERYBODY].map(signer => [signer.address, signer]))

export const realKeys: Keys = {
  signerOf: address => realSigners.get(address)!,
  signatures: portableSignatureVerifier
}

/** Signatures that anybody could forge and nobody does: the address and the digest. A thousand times as fast as real ones. */
export const cheapKeys: Keys = {
  signerOf: address => ({
    address,
    sign(digest) {
      const signature = new Uint8Array(65)
      for (let index = 0; index < 20; index += 1)
        signature[index] = Number.parseInt(address.slice(2 + 2 * index, 4 + 2 * index), 16)
      signature.set(digest, 20)
      signature[64] = 27
      return signature
    }
  }),
  signatures: {
    recover(digest, signature) {
      if (signature.length !== 65 || signature[64] !== 27) return undefined
      const fits = digest.every((byte, index) => signature[20 + index] === byte)
      return `0x${bytesToHex(fits ? signature.subarray(0, 20) : sha256(signature).subarray(0, 20))}`
    }
  }
}

/** Rounds that a run opens at most, and how far into the beacon's chain a network may begin. */
export const ROUNDS_MAX = 40
export const SHIFTS = 8

const variants: readonly ParameterChanges[] = [
  {},
  { proving: { verifiersPerDeal: 3, quorum: 2, openingOneIn: 3, cureRounds: 2 }, money: { noticeRounds: 3 } },
  {
    proving: { verifiersPerDeal: 1, quorum: 1, docketLeavesMax: 4, leavesPerRoundMax: 4, openingOneIn: 6 },
    money: { collateralRounds: 12, pricePerRoundMin: 1000n, stakeUnit: 997n }
  },
  {
    proving: { verifiersPerDeal: 2, quorum: 2, disputeRounds: 1, answerRounds: 2 },
    money: { earnInPpm: 1_000_000, repairRounds: 1 }
  },
  {
    proving: { verifiersPerDeal: 2, quorum: 1, openingOneIn: 2, docketLeavesMax: 5, leavesPerRoundMax: 5 },
    money: {
      silencePenalty: 1000n,
      verifierFeePpm: 99_999,
      uncollateralisedBytesMax: 900,
      collateralRounds: 4,
      earnInPpm: 1_000_000
    }
  }
]

/** @param shift - where in the beacon's chain the network begins: other draws for the same steps */
export function parametersOf(variant: number, shift: number): NetworkParameters {
  const { proving, money } = variants[variant % variants.length]!
  const parameters = parametersWith({
    accounts: [...CLIENTS, ...STORERS, ...VERIFIERS].map(({ address }) => ({ address, amount: 300_000n })),
    beacon: { genesisMs: PARAMETERS.genesisMs - shift * PARAMETERS.roundMs },
    proving: {
      verifiersPerDeal: 2,
      quorum: 1,
      openingOneIn: 1_000,
      cureRounds: 1,
      docketLeavesMax: 64,
      disputeRounds: 3,
      answerRounds: 2,
      leavesPerRoundMax: 6,
      ...proving
    },
    money: {
      pricePerRoundMin: 7n,
      verifierFeePpm: 60_001,
      noticeRounds: 2,
      collateralRounds: 2_000,
      earnInPpm: 700_003,
      uncollateralisedBytesMax: 2_500,
      repairRounds: 3,
      stakeUnit: 1_000n,
      openingBond: 50n,
      transcriptBond: 70n,
      silencePenalty: 301n,
      refuterPpm: 333_333,
      repairRewardPpm: 250_001,
      ...money
    },
    statementRoundsMax: 6
  })
  // As a network's description would be read.
  return networkParametersSchema.decode(z.encode(networkParametersSchema, parameters))
}

export const VARIANTS = variants.length
export const NOBODY: Address = addressSchema.parse(`0x${'0'.repeat(40)}`)
const signatures = new Map<number, Uint8Array>()

/** The beacon's signatures for all rounds that a run may open; takes seconds the first time. */
export async function prepareBeacon(): Promise<void> {
  for (let round = 1; round <= ROUNDS_MAX + SHIFTS; round += 1)
    if (!signatures.has(round)) signatures.set(round, await BEACON.signatureOf(round))
}

export function signatureOf(beaconRound: number): Uint8Array {
  return signatures.get(beaconRound)!
}
