import { type Command, CoreError, type Ledger, newestAskOf } from '@holdfast/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { PROVIDER, TestNetwork, VERIFIERS } from '../../../core/test/ledger/network-fixture.ts'
import { type AnnounceEvent, announceAsk, announceStake, describeAnnounce } from '../../src/roles/announce.ts'

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

describe('while nobody answers for the ledger', () => {
  /** A ledger that is away for so many tries. */
  function away(tries: number): { ledger: Ledger; submitted: Command[] } {
    const submitted: Command[] = []
    const ledger: Ledger = {
      ...network.ledger,
      get state() {
        return network.state
      },
      async submit(command) {
        submitted.push(command)
        if (submitted.length <= tries) throw new CoreError('LEDGER_UNREACHABLE', 'the host restarts')
        return await network.ledger.submit(command)
      }
    }
    return { ledger, submitted }
  }

  it('the same statement is tried again, ever more seldom, and each try is told', async () => {
    const { ledger, submitted } = away(8)
    const events: AnnounceEvent[] = []
    const slept: number[] = []
    const clock = { sleep: async (ms: number) => void slept.push(ms) }
    await announceAsk({ ...components(PROVIDER, ledger), clock, onAnnounce: event => events.push(event) }, OFFER)
    expect(new Set(submitted).size).toBe(1)
    expect(slept).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    expect(events.map(({ kind }) => kind)).toEqual([...Array(8).fill('unanswered'), 'announced'])
    expect(describeAnnounce(events[1]!)).toBe(
      "nobody answers for the ledger, so this peer's ask is not announced yet: the host restarts. It tries again in 1 s"
    )
    expect(newestAskOf(network.state, PROVIDER.address)).toMatchObject(OFFER)
  })

  it('a statement that has expired meanwhile is made anew', async () => {
    const { ledger, submitted } = away(1)
    const clock = { sleep: () => network.openRounds(12) }
    await announceAsk({ ...components(PROVIDER, ledger), clock }, OFFER)
    expect(submitted).toHaveLength(3)
    expect(newestAskOf(network.state, PROVIDER.address)).toMatchObject(OFFER)
  })

  it('who stops waits no longer', async () => {
    const { ledger } = away(1_000)
    const stopping = new AbortController()
    const announcing = announceAsk(
      {
        ...components(PROVIDER, ledger),
        signal: stopping.signal,
        onAnnounce: () => stopping.abort(new Error('enough'))
      },
      OFFER
    )
    await expect(announcing).rejects.toThrow('enough')
  })
})
