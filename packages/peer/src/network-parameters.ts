/** The parameters of a new network: what `holdfast network create` and the devnet begin with. */
import { type Address, type NetworkParameters, parseCredits, QUICKNET } from '@holdfast/core'

const HOUR_MS = 60 * 60 * 1000

export interface NewNetwork {
  readonly name: string
  readonly host: Address
  /** When round 1 opens, milliseconds of Unix time. */
  readonly genesisMs: number
  readonly roundMs?: number
  /** `drand`, or the host's own BLS key, 96 bytes in hex. */
  readonly beacon: 'drand' | { readonly hostKey: string }
  readonly accounts: NetworkParameters['accounts']
}

/**
 * Rounds of an hour with the design's defaults: three verifiers a deal and two passes, one deal in 64 opened on the ledger,
 * a day to cure a fault, and collateral of twice what a cheat could earn between two openings.
 */
export function newNetworkParameters({
  name,
  host,
  genesisMs,
  roundMs = HOUR_MS,
  beacon,
  accounts
}: NewNetwork): NetworkParameters {
  return {
    version: 1,
    name,
    host,
    genesisMs,
    roundMs,
    roundLateMsMax: Math.floor(roundMs / 3),
    beacon:
      beacon === 'drand'
        ? {
            scheme: 'bls-unchained-g1-rfc9380',
            source: 'drand',
            publicKey: QUICKNET.publicKey,
            genesisMs: QUICKNET.genesisMs,
            periodMs: QUICKNET.periodMs
          }
        : {
            scheme: 'bls-unchained-g1-rfc9380',
            source: 'host',
            publicKey: beacon.hostKey,
            genesisMs,
            periodMs: roundMs
          },
    accounts,
    proving: {
      verifiersPerDeal: 3,
      quorum: 2,
      openingOneIn: 64,
      cureRounds: 24,
      docketLeavesMax: 24 * 256,
      disputeRounds: 24,
      answerRounds: 8,
      leavesPerRoundMax: 256,
      attestAtPermille: 500,
      selfProveAtPermille: 750
    },
    money: {
      // A deal of 320 MB at the price that providers ask by default: less must not cost its checkers money.
      pricePerRoundMin: parseCredits('0.000001'),
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
