import { type Command, decodeEntry, encodeEntry, hashState, MESSAGE_SIZE_BYTES_MAX, roundOpensMs } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pieceOf } from '../../../core/test/ledger/memory-pieces.ts'
import {
  BEACON,
  CLIENT,
  PARAMETERS,
  PROVIDER,
  parametersWith,
  TestNetwork,
  TOOLS
} from '../../../core/test/ledger/network-fixture.ts'
import { settled, VirtualClock } from '../../../core/test/virtual-clock.ts'
import { GROUP_SIZE_BYTES_MAX, readSegmentLog } from '../../src/ledger/segment-log.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { nextEntry, openTestHost, type TestHost } from './open-test-host.ts'

/** Signs commands; its own ledger stays at genesis. */
const network = new TestNetwork()
const transfer = (nonce: number, amount = 1n) => network.transfer(CLIENT, PROVIDER, amount, nonce)
const opensMs = (round: number) => roundOpensMs(PARAMETERS, round)

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openHost(...options: Parameters<typeof openTestHost> extends [string, ...infer Rest] ? Rest : never) {
  return life.use(await openTestHost(path, ...options))
}

async function startHost(...options: Parameters<typeof openHost>): Promise<TestHost> {
  const opened = await openHost(...options)
  await opened.host.start()
  return opened
}

async function entriesOnDisk(directory: string): Promise<string[]> {
  const kinds: string[] = []
  for await (const { payload } of readSegmentLog(directory)) {
    const { body } = decodeEntry(payload)!
    kinds.push(body.kind === 'command' ? body.command.kind : body.kind)
  }
  return kinds
}

describe('a command', () => {
  it('is on the disk when its receipt comes', async () => {
    const { host, directory } = await startHost()
    expect(await entriesOnDisk(directory)).toEqual(['genesis'])
    for (let nonce = 0; nonce < 3; nonce += 1) {
      expect(await host.submit(transfer(nonce))).toEqual({ ok: true, sequence: nonce + 1 })
      expect(await entriesOnDisk(directory)).toHaveLength(nonce + 2)
    }
  })

  it('is told to nobody before it is on the disk, and a head over it after it', async () => {
    const synced: string[] = []
    const files = failingFileSystem(({ operation, path }) => {
      if (operation === 'datasync') synced.push(path.endsWith('.segment') ? 'log' : 'heads')
      return undefined
    })
    const { host } = await startHost({ log: { files } })
    synced.length = 0
    const told = nextEntry(host, () => true).then(() => [...synced])
    await host.submit(transfer(0))
    expect(await told).toEqual(['log', 'heads'])
  })

  it('shares one fsync with those that come together, and each has its own receipt', async () => {
    let syncs = 0
    const files = failingFileSystem(({ operation, path }) => {
      if (operation === 'datasync' && path.endsWith('.segment')) syncs += 1
      return undefined
    })
    const { host, directory } = await startHost({ log: { files } })
    const before = syncs
    const commands = [transfer(0), transfer(1), transfer(5), transfer(0), transfer(2)]
    const receipts = await Promise.all(commands.map(command => host.submit(command)))
    expect(receipts.map(receipt => (receipt.ok ? receipt.sequence : receipt.refusal.code))).toEqual([
      1,
      2,
      'WRONG_NONCE',
      'WRONG_NONCE',
      3
    ])
    expect(syncs).toBe(before + 1)
    expect(await entriesOnDisk(directory)).toHaveLength(4)
  })

  it('is taken in whatever turn it comes, also while the last group is just done', async () => {
    const { host } = await startHost()
    const receipts: number[] = []
    let nonce = 0
    async function submitInTurn(turns: number): Promise<void> {
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      const receipt = await host.submit(transfer(nonce++))
      if (receipt.ok) receipts.push(receipt.sequence)
    }
    for (let turns = 0; turns < 12; turns += 1) await submitInTurn(turns)
    await Promise.all(Array.from({ length: 12 }, (_, turns) => submitInTurn(turns)))
    // From a receipt, from a listener, and from a receipt of that.
    const end = host.subscribe(() => {
      end()
      void submitInTurn(0)
    })
    await submitInTurn(0).then(() => submitInTurn(0))
    expect([...receipts].sort((a, b) => a - b)).toEqual(Array.from({ length: 27 }, (_, index) => index + 1))
  })

  it('that is there already gets its first receipt again', async () => {
    const { host, directory } = await startHost()
    const ask = network.ask(PROVIDER)
    const [first, second] = await Promise.all([host.submit(ask), host.submit(ask)])
    expect(first).toEqual({ ok: true, sequence: 1 })
    expect(second).toEqual(first)
    expect(await host.submit(ask)).toEqual(first)
    expect(await entriesOnDisk(directory)).toEqual(['genesis', 'Ask'])
  })

  it('may come with so many large ones that the log cannot take them at once', { timeout: 120_000 }, async () => {
    const crowd = await openCrowdedHost(90)
    const orders = crowd.orders(90)
    expect(orders.reduce((sum, order) => sum + sizeOf(order), 0)).toBeGreaterThan(GROUP_SIZE_BYTES_MAX)
    const receipts = await Promise.all(orders.map(order => crowd.host.submit(order)))
    expect(receipts.filter(({ ok }) => !ok)).toEqual([])
    expect(crowd.failures).toEqual([])
  })

  it('finds nobody before the start', async () => {
    const { host } = await openHost()
    await expect(host.submit(transfer(0))).rejects.toThrow(TypeError)
  })

  it('finds nobody after the stop, and the host fails for nobody', async () => {
    const { host, failures, directory } = await startHost()
    const waiting = host.submit(transfer(0))
    const stopped = host.stop()
    await expect(host.submit(transfer(1))).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    await expect(waiting).resolves.toEqual({ ok: true, sequence: 1 })
    await stopped
    await host.stop()
    await expect(host.submit(transfer(1))).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    expect(failures).toEqual([])
    expect(await entriesOnDisk(directory)).toEqual(['genesis', 'Transfer'])
  })
})

describe('a log that cannot be written', () => {
  it('ends the host: nothing is acknowledged any more, and a restart has what was', async () => {
    let isBroken = false
    const files = failingFileSystem(({ operation }) =>
      isBroken && operation === 'datasync' ? systemError('EIO') : undefined
    )
    const opened = await startHost({ log: { files } })
    const { host, failures } = opened
    expect(await host.submit(transfer(0, 5n))).toEqual({ ok: true, sequence: 1 })
    const hash = hashState(host.state)
    isBroken = true
    const told: number[] = []
    host.subscribe(({ entry }) => told.push(entry.sequence))
    const results = await Promise.allSettled([transfer(1), transfer(9), transfer(2)].map(one => host.submit(one)))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await expect(host.submit(transfer(1))).rejects.toMatchObject({ code: 'LOG_POISONED' })
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatchObject({ code: 'LOG_POISONED' })
    expect(told).toEqual([])
    await opened[Symbol.asyncDispose]()

    // The bytes may have reached the file all the same: then the restart has them, but nothing that was acknowledged is gone.
    const { host: again } = await startHost()
    expect(again.state.sequence).toBeGreaterThanOrEqual(2)
    if (again.state.sequence === 2) expect(hashState(again.state)).toBe(hash)
    const nonce = again.state.accounts.get(CLIENT.address)!.nonce
    expect(await again.submit(transfer(nonce))).toMatchObject({ ok: true })
  })

  it('has exactly what was acknowledged when no byte of the rest was written', async () => {
    let isBroken = false
    const files = failingFileSystem(({ operation }) =>
      isBroken && operation === 'write' ? systemError('ENOSPC') : undefined
    )
    const opened = await startHost({ log: { files } })
    const { host, failures, directory } = opened
    await host.submit(transfer(0, 5n))
    const hash = hashState(host.state)
    isBroken = true
    await expect(host.submit(transfer(1))).rejects.toMatchObject({ code: 'LOG_POISONED' })
    expect(failures).toHaveLength(1)
    expect(await entriesOnDisk(directory)).toEqual(['genesis', 'Transfer'])
    await opened[Symbol.asyncDispose]()
    const { host: again } = await startHost()
    expect(hashState(again.state)).toBe(hash)
  })

  it('ends the rounds too', async () => {
    let isBroken = false
    const files = failingFileSystem(({ operation }) =>
      isBroken && operation === 'datasync' ? systemError('EIO') : undefined
    )
    const failed = Promise.withResolvers<unknown>()
    const { clock } = await startHost({ log: { files }, onFailure: failed.resolve })
    isBroken = true
    await clock.advanceTo(opensMs(1))
    await expect(failed.promise).resolves.toMatchObject({ code: 'LOG_POISONED' })
    await settled()
    expect(clock.sleeping).toBe(0)
  })
})

it('a listener that throws ends the host, and what is durable is acknowledged all the same', async () => {
  const { host, failures } = await startHost()
  host.subscribe(() => {
    throw new Error('a bug of ours')
  })
  expect(await host.submit(transfer(0))).toEqual({ ok: true, sequence: 1 })
  expect(failures).toEqual([new Error('a bug of ours')])
  await expect(host.submit(transfer(1))).rejects.toThrow('a bug of ours')
})

it('a command that breaks the machine ends the host, and nobody waits for ever', async () => {
  const { host, failures } = await startHost()
  const broken = { ...transfer(0), statement: null } as unknown as Command
  const results = await Promise.allSettled([host.submit(broken), host.submit(transfer(0))])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(failures).toHaveLength(1)
})

describe('a restart', () => {
  it('replays to the same state', async () => {
    const opened = await startHost()
    const { host, clock } = opened
    await host.submit(network.ask(PROVIDER))
    const round = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await clock.advanceTo(opensMs(1))
    await round
    await host.submit(transfer(0))
    const { sequence, timeMs } = host.state
    const hash = hashState(host.state)
    await opened[Symbol.asyncDispose]()
    const { host: again } = await startHost()
    expect(again.state).toMatchObject({ sequence, timeMs, round: 1 })
    expect(hashState(again.state)).toBe(hash)
  })

  it('is refused over the log of another network', async () => {
    const opened = await startHost()
    await opened[Symbol.asyncDispose]()
    const { host } = await openHost({ parameters: parametersWith({ name: 'another' }) })
    await expect(host.start()).rejects.toMatchObject({
      code: 'LOG_INVALID',
      message: expect.stringContaining('another network'),
      details: { sequence: 0 }
    })
  })

  it('starts once, however often it is told to', async () => {
    const opened = await startHost()
    await opened.host.submit(transfer(0))
    await opened[Symbol.asyncDispose]()
    const { host, clock } = await openHost()
    await Promise.all([host.start(), host.start()])
    await host.start()
    expect(host.state.sequence).toBe(2)
    await settled()
    expect(clock.sleeping).toBe(1)
  })

  it('can be stopped in the middle of the replay', async () => {
    const opened = await startHost()
    await opened.host.submit(transfer(0))
    await opened[Symbol.asyncDispose]()
    const { host, clock } = await openHost()
    const starting = host.start()
    starting.catch(() => undefined)
    await host.stop()
    await expect(starting).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    expect(clock.sleeping).toBe(0)
  })
})

describe('rounds', () => {
  it('open one by one, each at its time', async () => {
    const { host, clock } = await startHost()
    for (let round = 1; round <= 3; round += 1) {
      const opened = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
      await clock.advanceTo(opensMs(round) - 1)
      expect(host.state.round).toBe(round - 1)
      await clock.advanceTo(opensMs(round))
      const { entry } = await opened
      expect(entry).toMatchObject({ timeMs: opensMs(round), body: { kind: 'openRound', round } })
    }
  })

  it('that went by in an outage are void, and no round is opened late', async () => {
    const opened = await startHost()
    const first = nextEntry(opened.host, ({ entry }) => entry.body.kind === 'openRound')
    await opened.clock.advanceTo(opensMs(1))
    await first
    await opened[Symbol.asyncDispose]()

    const { host, clock } = await openHost()
    clock.jumpTo(opensMs(5) + PARAMETERS.roundLateMsMax + 1)
    const voided = nextEntry(host, ({ entry }) => entry.body.kind === 'voidRounds')
    await host.start()
    expect((await voided).entry.body).toEqual({ kind: 'voidRounds', from: 2, to: 5 })
    const next = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await clock.advanceTo(opensMs(6))
    expect((await next).entry.body).toMatchObject({ round: 6 })
  })

  it('that can still be opened in time are opened after the void ones', async () => {
    const { host, clock } = await openHost()
    clock.jumpTo(opensMs(3) + PARAMETERS.roundLateMsMax)
    const bodies: unknown[] = []
    host.subscribe(({ entry }) => bodies.push(entry.body))
    const opened = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await host.start()
    await opened
    expect(bodies).toMatchObject([
      { kind: 'genesis' },
      { kind: 'voidRounds', from: 1, to: 2 },
      { kind: 'openRound', round: 3 }
    ])
  })

  it('that became late while the beacon signed are void', async () => {
    const { host, clock } = await openHost({
      beacon: {
        ...BEACON,
        async signatureOf(round) {
          if (round === 2) clock.jumpTo(opensMs(2) + PARAMETERS.roundLateMsMax + 1)
          return await BEACON.signatureOf(round)
        }
      }
    })
    const bodies: unknown[] = []
    host.subscribe(({ entry }) => bodies.push(entry.body))
    await host.start()
    for (const round of [1, 2]) {
      const next = nextEntry(host, () => true)
      await clock.advanceTo(opensMs(round))
      await next
    }
    expect(bodies.slice(1)).toMatchObject([
      { kind: 'openRound', round: 1 },
      { kind: 'voidRounds', from: 2, to: 2 }
    ])
  })

  it('are waited for a minute at a time, because a sleep does not count the time a machine was suspended', async () => {
    const parameters = parametersWith({ roundMs: 3_600_000, beacon: { periodMs: 3_600_000 } })
    const clock = new VirtualClock(parameters.genesisMs)
    const sleeps: number[] = []
    const sleep = (ms: number, signal?: AbortSignal) => {
      sleeps.push(ms)
      return clock.sleep(ms, signal)
    }
    const { host } = await openHost({ parameters, clock: { now: () => clock.now(), sleep } })
    const first = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await host.start()
    await first
    const second = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
    await clock.advanceTo(roundOpensMs(parameters, 2))
    expect((await second).entry.timeMs).toBe(roundOpensMs(parameters, 2))
    expect(Math.max(...sleeps)).toBe(60_000)
  })

  it('end with a stop in the middle of the waiting', async () => {
    const { host, clock, failures } = await startHost()
    await settled()
    expect(clock.sleeping).toBe(1)
    await host.stop()
    expect(clock.sleeping).toBe(0)
    await clock.advanceTo(opensMs(2))
    expect(host.state.round).toBe(0)
    expect(failures).toEqual([])
  })

  it('a beacon of other rounds ends the host', async () => {
    const failed = Promise.withResolvers<unknown>()
    const beacon = { ...BEACON, signatureOf: (round: number) => BEACON.signatureOf(round + 1) }
    const { clock } = await startHost({ beacon, onFailure: failed.resolve })
    await clock.advanceTo(opensMs(1))
    await expect(failed.promise).resolves.toMatchObject({ code: 'ROUND_REFUSED', details: { code: 'BAD_BEACON' } })
  })
})

describe('entries', () => {
  const never = new AbortController().signal

  it('come from any sequence on, as they were written', async () => {
    const { host } = await startHost()
    await host.submit(transfer(0))
    await host.submit(transfer(1))
    const { entries, length } = await host.entries(1, 0, never)
    expect(length).toBe(3)
    expect(entries.map(bytes => decodeEntry(bytes)?.sequence)).toEqual([1, 2])
    expect(await host.entries(3, 0, never)).toEqual({ entries: [], length: 3 })
  })

  it('come as soon as there are any', async () => {
    const { host, clock } = await startHost()
    const answer = host.entries(1, 10_000, never)
    await settled()
    expect(clock.sleeping).toBe(2)
    await host.submit(transfer(0))
    expect((await answer).entries).toHaveLength(1)
    expect(clock.sleeping).toBe(1)
  })

  it('are none when the wait is over', async () => {
    const { host, clock } = await startHost()
    const answer = host.entries(1, 500, never)
    await clock.advanceTo(clock.now() + 500)
    expect(await answer).toEqual({ entries: [], length: 1 })
  })

  it('let go of a reader that leaves, and of all when the host stops', async () => {
    const { host, clock } = await startHost()
    const leaving = new AbortController()
    const left = host.entries(1, 10_000, leaving.signal)
    const stayed = host.entries(1, 10_000, never)
    await settled()
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await expect(host.entries(1, 10_000, leaving.signal)).rejects.toThrow('left')
    await host.stop()
    await expect(stayed).resolves.toEqual({ entries: [], length: 1 })
    await expect(host.entries(1, 10_000, never)).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    expect(clock.sleeping).toBe(0)
  })

  it('come in answers that fit a message', async () => {
    const crowd = await openCrowdedHost(20)
    await Promise.all(crowd.orders(20).map(order => crowd.host.submit(order)))
    const { sequence } = crowd.host.state
    let answers = 0
    for (let read = 0; read < sequence; answers += 1) {
      const { entries, length } = await crowd.host.entries(read, 0, never)
      expect(length).toBe(sequence)
      expect(entries.length).toBeGreaterThan(0)
      expect(entries.reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(MESSAGE_SIZE_BYTES_MAX - 1024)
      read += entries.length
    }
    expect(answers).toBeGreaterThan(1)
  })
})

/**
 * A host with a deal for each of the largest orders that a test submits: 1024 pieces, 46 KB. Signatures are not what is
 * tested here and would take most of the time, so the first byte of one says whose it is.
 */
async function openCrowdedHost(deals: number) {
  const signatures = { recover: (_: Uint8Array, [first]: Uint8Array) => (first === 0 ? CLIENT : PROVIDER).address }
  const parameters = parametersWith({ money: { uncollateralisedBytesMax: 2 ** 50 } })
  const opened = await startHost({ parameters, tools: { ...TOOLS, signatures } })
  const ofClient = new Uint8Array(65)
  const ofProvider = new Uint8Array(65).fill(1)
  const pieces = Array.from({ length: 1024 }, (_, index) => pieceOf(`piece ${index}`, 127).cid)
  await opened.host.submit({ ...network.ask(PROVIDER), signature: ofProvider } as Command)
  for (let deal = 0; deal < deals; deal += 1) {
    const statement = {
      client: CLIENT.address,
      provider: PROVIDER.address,
      ...network.validity(),
      pricePerLeafRound: 100n,
      leavesPerRound: 4,
      escrow: 10n ** 12n
    }
    expect(
      await opened.host.submit({ kind: 'DealOrder', statement, signature: ofClient, acceptance: ofProvider })
    ).toMatchObject({ ok: true })
  }
  const orders = (count: number): Command[] =>
    Array.from({ length: count }, (_, index) => ({
      kind: 'PiecesOrder',
      statement: {
        client: CLIENT.address,
        ...network.validity(),
        dealId: index + 1,
        pieces,
        labels: pieces.map(() => new Uint8Array(64)),
        deposit: 0n
      },
      signature: ofClient,
      acceptance: ofProvider
    }))
  return { ...opened, orders }
}

function sizeOf(command: Command): number {
  return encodeEntry({ version: 1, sequence: 0, timeMs: 0, body: { kind: 'command', command } }).length
}
