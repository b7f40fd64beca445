/** When things happen: rounds and their phases as functions of the network's parameters. Schedules peers, decides nothing. */
import type { NetworkParameters } from '../network.ts'

/** When a round opens, milliseconds of Unix time. Rounds count from 1. */
export function roundOpensMs({ genesisMs, roundMs }: NetworkParameters, round: number): number {
  return genesisMs + (round - 1) * roundMs
}

/** The round that a clock should find open; 0 before the first. */
export function roundAtMs({ genesisMs, roundMs }: NetworkParameters, timeMs: number): number {
  return Math.max(0, Math.floor((timeMs - genesisMs) / roundMs) + 1)
}

/** From here on verifiers ask those who did not come, and attest. */
export function attestFromMs(parameters: NetworkParameters, round: number): number {
  return roundOpensMs(parameters, round) + permille(parameters.roundMs, parameters.proving.attestAtPermille)
}

/** From here on a provider whose deal no quorum has passed proves it to the ledger itself. */
export function selfProveFromMs(parameters: NetworkParameters, round: number): number {
  return roundOpensMs(parameters, round) + permille(parameters.roundMs, parameters.proving.selfProveAtPermille)
}

/**
 * Says whether the entry that opens a round came so late that the round before it is void where it is not proved: a
 * dead host must not turn into faults of others.
 */
export function opensLate(parameters: NetworkParameters, round: number, timeMs: number): boolean {
  return timeMs > roundOpensMs(parameters, round) + parameters.roundLateMsMax
}

/** The round of the beacon's chain whose signature opens a round: the newest that exists when the round opens. */
export function beaconRoundOf(parameters: NetworkParameters, round: number): number {
  const { genesisMs, periodMs } = parameters.beacon
  return Math.floor((roundOpensMs(parameters, round) - genesisMs) / periodMs) + 1
}

function permille(ms: number, thousandths: number): number {
  return Math.floor((ms * thousandths) / 1000)
}
