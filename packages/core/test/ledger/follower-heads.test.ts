import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import { createFollower, type Follower, type FollowerOptions, type LedgerSource } from '../../src/ledger/follower.ts'
import { verifyForkProof } from '../../src/ledger/fork-proof.ts'
import { hashState } from '../../src/ledger/hash-state.ts'
import { encodeHead, signHead } from '../../src/ledger/log-head.ts'
import { decodeState, encodeState } from '../../src/ledger/state-codec.ts'
import { settled } from '../virtual-clock.ts'
import { AUTHORITY, MemoryLog } from './memory-log.ts'
import { MemoryStore } from './memory-store.ts'
import { CLIENT, HOST, TOOLS } from './network-fixture.ts'

let host: MemoryLog
let store: MemoryStore
let damage: CoreError[]
/** Whom the follower asks: tests may change it in between. */
let source: LedgerSource

beforeEach(async () => {
  host = new MemoryLog()
  await host.grow(7)
  store = new MemoryStore()
  damage = []
  source = host
})

function follow(options: Partial<FollowerOptions> = {}): Follower {
  const { parameters, clock } = host.network
  return createFollower({
    parameters,
    source: {
      entries: (from, signal) => source.entries(from, signal),
      head: (number, signal) => source.head(number, signal),
      submit: (command, signal) => source.submit(command, signal)
    },
    tools: TOOLS,
    clock,
    store,
    onDamage: error => damage.push(error),
    ...options
  })
}

/** Lets a source that a test has put in place be asked: whoever waits at the old one is woken by a head of that. */
async function replaceHostBy(other: LedgerSource): Promise<void> {
  source = other
  await host.grow(1, 9n)
  await settled()
  await settled()
}

describe('a follower and heads', () => {
  it('keeps the host’s newest head once it has checked it, and sends it on', async () => {
    await using follower = follow()
    expect(follower.head).toBeUndefined()
    await follower.start()
    expect(follower.head).toEqual(host.newest)
    await host.grow(4)
    await settled()
    expect(follower.head).toEqual(host.newest)
    expect(follower.heads.latest()).toEqual(encodeHead(host.newest))
    expect(follower.tree.root()).toEqual(host.tree.root())
  })

  it('stores entries with the head over them before it tells anybody', async () => {
    await using follower = follow()
    const stored: [number, number | undefined][] = []
    follower.subscribe(({ entry }) => stored.push([entry.sequence, store.entries.length]))
    await follower.start()
    await host.grow(3)
    await settled()
    for (const [sequence, length] of stored) expect(length).toBeGreaterThan(sequence)
    expect(store.entries).toEqual(host.entriesSoFar)
    expect(store.heads.at(-1)).toEqual(host.newest)
  })

  it('stores a head that came after its entries', async () => {
    const head = encodeHead(host.newest)
    let answers = 0
    source = {
      ...methodsOf(host),
      async entries(from, signal) {
        answers += 1
        if (answers === 3) return { entries: [], length: from, head }
        return { ...(await host.entries(from, signal)), head: undefined }
      }
    }
    await using follower = follow()
    await follower.start()
    expect(store.heads).toEqual([])
    await settled()
    expect(store.entries).toEqual(host.entriesSoFar)
    expect(store.heads).toEqual([host.newest])
  })

  it('goes on from what was kept', async () => {
    const first = follow()
    await first.start()
    await first.stop()
    const state = await decodeState(encodeState(first.state), host.network.parameters)
    await host.grow(5)
    await using second = follow({ start: { state, tree: first.tree.save(), head: first.head } })
    expect(second.head).toEqual(first.head)
    await second.start()
    expect(hashState(second.state)).toBe(hashState(host.network.state))
    expect(second.head).toEqual(host.newest)
    expect(store.entries).toEqual(host.entriesSoFar)
  })

  it('does not start from a tree over other entries than its state', () => {
    const { tree } = new MemoryLog()
    expect(() => follow({ start: { state: host.network.state, tree: tree.save(), head: undefined } })).toThrow(
      RangeError
    )
  })

  it('drops heads that are not the host’s, and goes on without', async () => {
    source = {
      ...methodsOf(host),
      entries: async (from, signal) => ({
        ...(await host.entries(from, signal)),
        head: encodeHead(signHead(host.newest, CLIENT))
      })
    }
    await using follower = follow()
    await follower.start()
    expect(hashState(follower.state)).toBe(hashState(host.network.state))
    expect(follower.head).toBeUndefined()
    source = host
    await host.grow(1)
    await settled()
    expect(follower.head).toBeUndefined() // that answer still came from the other source
    await host.grow(1)
    await settled()
    expect(follower.head).toEqual(host.newest)
  })

  it('stops at a head over other entries than it was given, before it stores or tells them', async () => {
    const other = new MemoryLog(host, 5)
    await other.grow(2, 3n)
    source = {
      ...methodsOf(host),
      entries: async (from, signal) => ({ ...(await host.entries(from, signal)), head: encodeHead(other.newest) })
    }
    await using follower = follow()
    const told: number[] = []
    follower.subscribe(({ entry }) => told.push(entry.sequence))
    await expect(follower.start()).rejects.toMatchObject({ code: 'LOG_FORKED' })
    expect(damage).toMatchObject([{ code: 'LOG_FORKED' }])
    expect(told.at(-1) ?? -1).toBeLessThan(5)
    expect(store.entries.length).toBe(told.length)
    await expect(follower.submit(host.network.transfer(CLIENT, HOST, 1n))).rejects.toMatchObject({ code: 'LOG_FORKED' })
  })

  it('stops when others have seen another history, and keeps the proof', async () => {
    await using follower = follow()
    await follower.start()
    const other = new MemoryLog(host, 5)
    await other.grow(1, 3n)
    follower.heads.saw(encodeHead(other.newest))
    await follower.heads.settled()
    await settled()
    expect(damage).toMatchObject([{ code: 'LOG_FORKED' }])
    expect(verifyForkProof(damage[0]!.details.proof as Uint8Array, AUTHORITY).ok).toBe(true)
    await host.grow(2)
    expect(follower.state.sequence).toBe(8)
  })

  it('compares a head from afar that is ahead of it once it has come that far', async () => {
    await using follower = follow()
    await follower.start()
    const other = new MemoryLog(host)
    await other.grow(5, 3n)
    follower.heads.saw(encodeHead(signHead({ ...other.newest, number: 1_000 }, HOST)))
    await follower.heads.settled()
    expect(damage).toEqual([])
    await host.grow(6)
    await settled()
    await follower.heads.settled()
    await settled()
    expect(damage).toMatchObject([{ code: 'LOG_FORKED' }])
  })

  it('finds out that a host has gone on from an old image, with a proof', async () => {
    await using follower = follow()
    await follower.start()
    const restored = new MemoryLog(host, 5)
    await restored.grow(9, 3n)
    await replaceHostBy(restored)
    expect(damage).toMatchObject([{ code: 'LOG_FORKED' }])
    expect(verifyForkProof(damage[0]!.details.proof as Uint8Array, AUTHORITY).ok).toBe(true)
  })

  it('finds out that a host has lost what it had signed, and says which head it lacks', async () => {
    await using follower = follow()
    await follower.start()
    await replaceHostBy(new MemoryLog(host, 5))
    expect(damage).toMatchObject([{ code: 'LOG_INVALID', details: { head: encodeHead(follower.head!) } }])
  })

  it('ends when its store fails, having told nothing that is not stored', async () => {
    await using follower = follow()
    await follower.start()
    const told: number[] = []
    follower.subscribe(({ entry }) => told.push(entry.sequence))
    store.failure = new CoreError('DISK_FULL', 'the disk is full')
    await host.grow(2)
    await settled()
    expect(damage).toMatchObject([{ code: 'DISK_FULL' }])
    expect(told).toEqual([])
  })

  it('is damaged when its own store is, and never proves what it holds no more', async () => {
    await host.grow(300)
    await using follower = follow()
    await follower.start()
    store.entries[4] = store.entries[5]!
    await expect(follower.proofs.tree.inclusion(3, 300, follower.proofs.read)).rejects.toMatchObject({
      code: 'LOG_DAMAGED'
    })
  })
})

function methodsOf(log: MemoryLog): LedgerSource {
  return {
    entries: (from, signal) => log.entries(from, signal),
    head: number => log.head(number),
    submit: command => log.submit(command)
  }
}
