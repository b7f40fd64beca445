import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import { type Entry, encodeEntry } from '../../src/ledger/entry.ts'
import { createFollower, type Follower, type LedgerSource } from '../../src/ledger/follower.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { settled } from '../virtual-clock.ts'
import { CLIENT, PROVIDER, STRANGER, TestNetwork, TOOLS } from './network-fixture.ts'

/** The memory ledger's log, read and submitted to as a host's would be, with faults at hand. */
class MemorySource implements LedgerSource {
  readonly log: Uint8Array[]
  isReachable = true
  readonly #network: TestNetwork
  readonly #readers = new Set<() => void>()

  constructor(network: TestNetwork) {
    this.#network = network
    const { networkId } = network.state
    const timeMs = network.parameters.genesisMs - 1000
    const genesis: Entry = { version: 1, sequence: 0, timeMs, body: { kind: 'genesis', networkId } }
    this.log = [genesis, ...network.applied.map(({ entry }) => entry)].map(encodeEntry)
    network.ledger.subscribe(({ entry }) => this.append(encodeEntry(entry)))
  }

  append(bytes: Uint8Array): void {
    this.log.push(bytes)
    for (const wake of [...this.#readers]) wake()
  }

  async entries(from: number, signal: AbortSignal) {
    this.#expectReachable()
    if (from >= this.log.length && from > 0 && this.#answeredOnce) await this.#nextEntry(signal)
    this.#answeredOnce = true
    this.#expectReachable()
    return { entries: this.log.slice(from, from + 3), length: this.log.length }
  }

  async head() {
    this.#expectReachable()
    return undefined
  }

  async submit(command: Parameters<LedgerSource['submit']>[0]) {
    this.#expectReachable()
    return await this.#network.ledger.submit(command)
  }

  #answeredOnce = false

  #expectReachable(): void {
    if (!this.isReachable) throw new CoreError('LEDGER_UNREACHABLE', 'the host is down')
  }

  #nextEntry(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        this.#readers.delete(wake)
        resolve()
      }
      this.#readers.add(wake)
      signal.addEventListener('abort', () => {
        this.#readers.delete(wake)
        reject(signal.reason)
      })
    })
  }
}

let network: TestNetwork
let source: MemorySource
let damage: CoreError[]
let follower: Follower

beforeEach(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  await network.openDealWithPieces()
  source = new MemorySource(network)
  damage = []
  const { parameters, clock } = network
  follower = createFollower({ parameters, source, tools: TOOLS, clock, onDamage: error => damage.push(error) })
})

describe('a follower', () => {
  it('reaches the host’s state, and goes on with it', async () => {
    await using _ = follower
    await follower.start()
    expect(hashState(follower.state)).toBe(hashState(network.state))
    await network.openRounds(2)
    await network.attestAll(() => 'pass')
    await network.openRound()
    network.voidRounds(5)
    await network.openRound()
    expect(hashState(follower.state)).toBe(hashState(network.state))
    expect(damage).toEqual([])
  })

  it('tells each entry and its events once, in order', async () => {
    const seen: number[] = []
    await using _ = follower
    follower.subscribe(({ entry }) => seen.push(entry.sequence))
    await follower.start()
    await network.openRounds(2)
    expect(seen).toEqual(Array.from({ length: network.state.sequence }, (_, index) => index))
  })

  it('reads its own writes', async () => {
    await using _ = follower
    await follower.start()
    const receipt = await follower.submit(network.transfer(CLIENT, STRANGER, 5n))
    expect(receipt).toEqual({ ok: true, sequence: network.state.sequence - 1 })
    expect(follower.state.accounts.get(STRANGER.address)!.free).toBe(5n)
    const refused = await follower.submit(network.transfer(CLIENT, STRANGER, 5n, 9))
    expect(refused.ok || refused.refusal.code).toBe('WRONG_NONCE')
  })

  it('waits for a host that is not there, and catches up', async () => {
    await using _ = follower
    source.isReachable = false
    let caughtUp = false
    const starting = follower.start().then(() => {
      caughtUp = true
    })
    await network.clock.advanceTo(network.clock.now() + 500)
    expect(caughtUp).toBe(false)
    expect(follower.state.sequence).toBe(0)
    await expect(follower.submit(network.ask(PROVIDER))).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    source.isReachable = true
    await network.clock.advanceTo(network.clock.now() + 500)
    await starting
    source.isReachable = false
    await network.openRound()
    expect(follower.state.round).toBe(0)
    source.isReachable = true
    await network.clock.advanceTo(network.clock.now() + 500)
    expect(hashState(follower.state)).toBe(hashState(network.state))
  })

  it('says once that the host gives no answer, until it has given one', async () => {
    const told: string[] = []
    const onUnreachable = ({ message }: CoreError) => told.push(message)
    const { parameters, clock } = network
    await using waiter = createFollower({ parameters, source, tools: TOOLS, clock, onUnreachable })
    source.isReachable = false
    const starting = waiter.start()
    await clock.advanceTo(clock.now() + 2_000)
    expect(told).toEqual(['the host is down'])
    source.isReachable = true
    await clock.advanceTo(clock.now() + 500)
    await starting
    source.isReachable = false
    await network.openRound()
    await clock.advanceTo(clock.now() + 2_000)
    expect(told).toEqual(['the host is down', 'the host is down'])
  })

  it.each<[string, (log: Uint8Array[]) => void]>([
    ['bytes that are no entry', log => log.splice(3, 1, Uint8Array.of(1, 2, 3))],
    ['an entry with a flipped bit', log => log.splice(3, 1, log[3]!.with(log[3]!.length - 80, log[3]!.at(-80)! ^ 1))],
    ['entries in another order', log => log.splice(2, 2, log[3]!, log[2]!)],
    ['an entry twice', log => log.splice(3, 0, log[2]!)],
    ['a missing entry', log => log.splice(3, 1)]
  ])('stops at %s and says so', async (_, tamper) => {
    await using __ = follower
    tamper(source.log)
    await expect(follower.start()).rejects.toMatchObject({ code: 'LOG_INVALID' })
    expect(damage).toMatchObject([{ code: 'LOG_INVALID' }])
    const { sequence } = follower.state
    expect(sequence).toBeLessThanOrEqual(3)
    await network.openRound()
    expect(follower.state.sequence).toBe(sequence)
  })

  it('stops at the log of another network', async () => {
    await using _ = follower
    source.log.splice(0, source.log.length, ...new MemorySource(new TestNetwork({ name: 'another' })).log)
    await expect(follower.start()).rejects.toThrow('another network')
  })
})

describe('stopping a follower', () => {
  it('is idempotent and leaves nothing behind', async () => {
    await follower.start()
    await Promise.all([follower.stop(), follower.stop()])
    await follower.stop()
    await network.openRound()
    expect(follower.state.round).toBe(0)
    expect(network.clock.sleeping).toBe(0)
  })

  it('before it has caught up ends its start', async () => {
    source.isReachable = false
    const starting = follower.start()
    const ended = expect(starting).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    await settled()
    await follower.stop()
    await ended
  })

  it('ends a submission that waits for its entry', async () => {
    const { parameters, clock } = network
    const liar: LedgerSource = {
      entries: (from, signal) => source.entries(from, signal),
      head: async () => undefined,
      submit: async () => ({ ok: true, sequence: 10_000 })
    }
    const waiter = createFollower({ parameters, source: liar, tools: TOOLS, clock })
    await waiter.start()
    const submissions = [waiter.submit(network.ask(PROVIDER)), waiter.submit(network.ask(PROVIDER))]
    const ended = submissions.map(one => expect(one).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' }))
    const abort = new AbortController()
    const aborted = expect(waiter.submit(network.ask(PROVIDER), { signal: abort.signal })).rejects.toBe('enough')
    await settled()
    abort.abort('enough')
    await aborted
    await waiter.stop()
    await Promise.all(ended)
    await expect(waiter.submit(network.ask(PROVIDER))).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
  })

  it('happens when a listener throws, and is told', async () => {
    follower.subscribe(({ entry }) => {
      if (entry.sequence === 2) throw new TypeError('a bug in a listener')
    })
    await expect(follower.start()).rejects.toMatchObject({ code: 'FOLLOWER_FAILED' })
    expect(damage).toMatchObject([{ code: 'FOLLOWER_FAILED', message: expect.stringContaining('a bug in a listener') }])
    await follower.stop()
  })

  it('is not what aborting a start or a submission does', async () => {
    source.isReachable = false
    const reason = new Error('no patience')
    await expect(follower.start(AbortSignal.abort(reason))).rejects.toBe(reason)
    source.isReachable = true
    await network.clock.advanceTo(network.clock.now() + 500)
    expect(hashState(follower.state)).toBe(hashState(network.state))
    await follower.stop()
  })
})
