import { type Ledger, newestAskOf } from '@holdfast/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { PROVIDER, TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { announceAsk, announceStake } from '../../src/roles/announce.ts'

const OFFER = { addresses: ['/ip4/127.0.0.1/tcp/1'], region: 'eu', pricePerLeafRound: 7n, capacityBytes: 1e9 }
const [VERIFIER] = VERIFIERS

let network: TestNetwork
let drawn: number
beforeEach(() => {
  network = new TestNetwork()
  drawn = 0
})

function components(signer = PROVIDER, ledger: Ledger = network.ledger) {
  const random = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++drawn)
  return { ledger, signer, random, signal: undefined }
}

describe('an ask', () => {
  it('is made once, and again only when it says something else', async () => {
    expect(await announceAsk(components(), OFFER)).toBe(true)
    expect(newestAskOf(network.state, PROVIDER.address)).toMatchObject(OFFER)
    expect(await announceAsk(components(), OFFER)).toBe(false)
    const others = [
      { ...OFFER, addresses: ['/ip4/127.0.0.1/tcp/2'] },
      { ...OFFER, addresses: [] },
      { ...OFFER, region: '' },
      { ...OFFER, pricePerLeafRound: 8n },
      { ...OFFER, capacityBytes: 2e9 }
    ]
    for (const offer of others) {
      expect(await announceAsk(components(), offer)).toBe(true)
      expect(newestAskOf(network.state, PROVIDER.address)).toMatchObject(offer)
    }
  })

  it('is valid for no longer than the network allows', async () => {
    network = new TestNetwork({ statementRoundsMax: 3 })
    expect(await announceAsk(components(), OFFER)).toBe(true)
    expect(newestAskOf(network.state, PROVIDER.address)?.validUntilRound).toBe(3)
  })
})

it('the signal goes with what is submitted', async () => {
  const { signal } = new AbortController()
  const signals: unknown[] = []
  const ledger: Ledger = {
    ...network.ledger,
    submit(command, options) {
      signals.push(options?.signal)
      return network.ledger.submit(command)
    }
  }
  await announceAsk({ ...components(PROVIDER, ledger), signal }, OFFER)
  const { stakeUnit } = network.parameters.money
  await announceStake({ ...components(VERIFIER, ledger), signal }, { amount: stakeUnit, addresses: [] })
  expect(signals).toEqual([signal, signal])
})
