import { describe, expect, it } from 'vitest'
import { seedOf } from '../../src/beacon/beacon.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { createMemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { roundOpensMs } from '../../src/rounds/schedule.ts'
import { parametersWith, signatureOfRound } from '../ledger/network-fixture.ts'
import { partyOf } from './parties.ts'
import { SIM_TOOLS, SimNetwork } from './sim-network.ts'

const [sender, receiver] = [partyOf('sender'), partyOf('receiver')]
const parameters = parametersWith({ accounts: [{ address: sender.address, amount: 9_000n * 10n ** 18n }] })

describe('the ledger of simulations', () => {
  it('opens and passes over rounds as a ledger with a beacon does', async () => {
    const signatures = new Map<number, Uint8Array>()
    for (const round of [1, 2, 4]) signatures.set(round, await signatureOfRound(parameters, round))
    const cheap = new SimNetwork(parameters, round => seedOf(signatures.get(round)!))
    let nowMs = parameters.genesisMs - parameters.roundMs
    const real = createMemoryLedger(parameters, SIM_TOOLS, () => nowMs)
    const stake = () =>
      cheap.command('VerifierStake', sender, {
        verifier: sender.address,
        operator: sender.address,
        amount: parameters.money.stakeUnit,
        addresses: []
      })
    const open = (round: number) => {
      nowMs = roundOpensMs(parameters, round)
      return real.append({ kind: 'openRound', round, beaconSignature: signatures.get(round)! }, nowMs)
    }
    for (const round of [1, 2]) {
      cheap.openRound()
      expect(open(round).ok).toBe(true)
      const command = stake()
      cheap.take(command)
      expect((await real.submit(command)).ok).toBe(true)
      expect(hashState(cheap.state)).toBe(hashState(real.state))
    }
    cheap.voidRounds(1)
    nowMs = cheap.state.timeMs
    expect(real.append({ kind: 'voidRounds', from: 3, to: 3 }, nowMs).ok).toBe(true)
    cheap.openRound()
    expect(open(4).ok).toBe(true)
    expect(hashState(cheap.state)).toBe(hashState(real.state))
  })

  it('refuses what the wrong party signed', () => {
    const network = new SimNetwork(parameters, () => new Uint8Array(32))
    const transfer = { from: sender.address, to: receiver.address, amount: 1n, nonce: 0 }
    const command = network.command('Transfer', receiver, transfer)
    expect(network.submit(command)).toBe('BAD_SIGNATURE')
  })
})
