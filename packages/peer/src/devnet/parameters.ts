/** The parameters of a devnet: those of a new network, with rounds of seconds and prices that show on a screen. */
import { type Address, type NetworkParameters, parseCredits } from '@holdfast/core'
import { newNetworkParameters } from '../network-parameters.ts'

export interface DevnetAccounts {
  readonly host: Address
  readonly client: Address
  readonly verifier: Address
  /** 96 bytes in hex: the host's own BLS key. */
  readonly beaconPublicKey: string
}

/** Time for the host to start before round 1. */
const START_MS_DEFAULT = 1_500

export const DEVNET_PRICE_PER_LEAF_ROUND = parseCredits('0.000001')

/** One verifier checks every deal. */
export function devnetParameters(
  { host, client, verifier, beaconPublicKey }: DevnetAccounts,
  nowMs: number,
  { roundMs, startMs = START_MS_DEFAULT }: { readonly roundMs: number; readonly startMs?: number | undefined }
): NetworkParameters {
  const parameters = newNetworkParameters({
    name: 'devnet',
    host,
    genesisMs: nowMs + startMs,
    roundMs,
    beacon: { hostKey: beaconPublicKey },
    accounts: [
      { address: client, amount: parseCredits('1000000') },
      { address: verifier, amount: parseCredits('1000') }
    ]
  })
  return {
    ...parameters,
    proving: { ...parameters.proving, verifiersPerDeal: 1, quorum: 1 },
    money: { ...parameters.money, pricePerRoundMin: parseCredits('0.001') }
  }
}
