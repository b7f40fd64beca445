/** The parameters of a devnet: those of a real network, with rounds of seconds and prices that show on a screen. */
import { type Address, type NetworkParameters, parseCredits } from '@holdfast/core'

export interface DevnetAccounts {
  readonly host: Address
  readonly client: Address
  readonly verifier: Address
  /** 96 bytes in hex: the host's own BLS key. */
  readonly beaconPublicKey: string
}

/** Time for the host to start before round 1. */
const START_MS = 1_500

export const DEVNET_PRICE_PER_LEAF_ROUND = parseCredits('0.000001')

export function devnetParameters(
  { host, client, verifier, beaconPublicKey }: DevnetAccounts,
  nowMs: number,
  roundMs: number
): NetworkParameters {
  const genesisMs = nowMs + START_MS
  return {
    version: 1,
    name: 'devnet',
    host,
    genesisMs,
    roundMs,
    roundLateMsMax: Math.floor(roundMs / 3),
    beacon: {
      scheme: 'bls-unchained-g1-rfc9380',
      source: 'host',
      publicKey: beaconPublicKey,
      genesisMs,
      periodMs: roundMs
    },
    accounts: [
      { address: client, amount: parseCredits('1000000') },
      { address: verifier, amount: parseCredits('1000') }
    ],
    proving: {
      verifiersPerDeal: 1,
      quorum: 1,
      openingOneIn: 64,
      cureRounds: 24,
      docketLeavesMax: 4096,
      disputeRounds: 24,
      answerRounds: 8,
      leavesPerRoundMax: 256,
      attestAtPermille: 500,
      selfProveAtPermille: 750
    },
    money: {
      pricePerRoundMin: parseCredits('0.001'),
      verifierFeePpm: 50_000,
      noticeRounds: 25,
      collateralRounds: 128,
      earnInPpm: 500_000,
      uncollateralisedBytesMax: 64 * 2 ** 30,
      repairRounds: 24,
      stakeUnit: parseCredits('100'),
      openingBond: parseCredits('0.01'),
      transcriptBond: parseCredits('0.01'),
      silencePenalty: parseCredits('0.1'),
      refuterPpm: 250_000,
      repairRewardPpm: 200_000
    },
    statementRoundsMax: 1_000
  }
}
