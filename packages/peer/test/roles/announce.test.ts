import { type Ledger, newestAskOf } from '@holdfast/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { PROVIDER, STRANGER, TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
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

describe('a stake', () => {
  it('is made once; new addresses cost nothing more', async () => {
    const before = network.freeOf(VERIFIER!)
    const { stakeUnit } = network.parameters.money
    expect(await announceStake(components(VERIFIER), ['/ip4/127.0.0.1/tcp/1'])).toBe(true)
    expect(await announceStake(components(VERIFIER), ['/ip4/127.0.0.1/tcp/1'])).toBe(false)
    expect(await announceStake(components(VERIFIER), ['/ip4/127.0.0.1/tcp/2'])).toBe(true)
    expect(network.state.verifiers.get(VERIFIER!.address)).toEqual({
      stake: stakeUnit,
      leaving: [],
      operator: VERIFIER!.address,
      addresses: ['/ip4/127.0.0.1/tcp/2']
    })
    expect(network.freeOf(VERIFIER!)).toBe(before - stakeUnit)
  })

  it('of a peer without money fails with the ledger’s reason', async () => {
    await expect(announceStake(components(STRANGER), [])).rejects.toMatchObject({
      code: 'NOT_ANNOUNCED',
      message: expect.stringContaining('0 atto free'),
      details: { code: 'BALANCE_TOO_SMALL' }
    })
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
  await announceStake({ ...components(VERIFIER, ledger), signal }, [])
  expect(signals).toEqual([signal, signal])
})
