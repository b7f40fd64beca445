import { describe, expect, it } from 'vitest'
import {
  attestFromMs,
  beaconRoundOf,
  opensLate,
  roundAtMs,
  roundOpensMs,
  selfProveFromMs
} from '../../src/rounds/schedule.ts'
import { parametersWith } from '../ledger/network-fixture.ts'

const parameters = parametersWith()
const { genesisMs, roundMs, roundLateMsMax } = parameters

describe('the schedule', () => {
  it('counts rounds from 1 at genesis', () => {
    expect(roundOpensMs(parameters, 1)).toBe(genesisMs)
    expect(roundOpensMs(parameters, 3)).toBe(genesisMs + 2 * roundMs)
    expect([genesisMs - roundMs * 9, genesisMs - 1, genesisMs].map(ms => roundAtMs(parameters, ms))).toEqual([0, 0, 1])
    expect(roundAtMs(parameters, genesisMs + roundMs - 1)).toBe(1)
    expect(roundAtMs(parameters, genesisMs + roundMs)).toBe(2)
  })

  it('puts the phases into their parts of a round', () => {
    expect(attestFromMs(parameters, 2)).toBe(genesisMs + 1.5 * roundMs)
    expect(selfProveFromMs(parameters, 2)).toBe(genesisMs + 1.75 * roundMs)
  })

  it('calls a round late when its time and the grace are over', () => {
    expect(opensLate(parameters, 2, genesisMs + roundMs + roundLateMsMax)).toBe(false)
    expect(opensLate(parameters, 2, genesisMs + roundMs + roundLateMsMax + 1)).toBe(true)
  })

  it('opens a round with the newest beacon round that exists then', () => {
    expect([1, 2, 3].map(round => beaconRoundOf(parameters, round))).toEqual([1, 2, 3])
    const quicknet = parametersWith({ beacon: { source: 'drand', genesisMs: genesisMs - 10_000, periodMs: 3_000 } })
    for (const round of [1, 2, 3, 100]) {
      const opensMs = roundOpensMs(quicknet, round)
      const existsMs = quicknet.beacon.genesisMs + (beaconRoundOf(quicknet, round) - 1) * 3_000
      expect(existsMs).toBeLessThanOrEqual(opensMs)
      expect(existsMs + 3_000).toBeGreaterThan(opensMs)
      expect(existsMs).toBeGreaterThan(roundOpensMs(quicknet, round - 1) + roundLateMsMax)
    }
  })
})
