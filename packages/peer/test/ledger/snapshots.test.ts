import { join } from 'node:path'
import { hashState } from '@holdfast/core'
import fc from 'fast-check'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, PARAMETERS, PROVIDER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { recoverLedger } from '../../src/ledger/recover-ledger.ts'
import type { SnapshotFacts } from '../../src/ledger/snapshot-store.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFiles } from './open-test-files.ts'
import { openTestHost, type TestHost } from './open-test-host.ts'

/** A replay is done for every flipped bit. */
const FAST_TOOLS = { ...TOOLS, signatures: wasmSignatureVerifier }
const FLIPS = process.env.HOLDFAST_LONG === '1' ? 1000 : 20

const network = new TestNetwork()
const transfer = (nonce: number, amount = 1n) => network.transfer(CLIENT, PROVIDER, amount, nonce)

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function startHost(snapshotEntries?: number): Promise<TestHost> {
  const opened = life.use(
    await openTestHost(path, {
      tools: FAST_TOOLS,
      ...(snapshotEntries !== undefined && { snapshotEntries })
    })
  )
  await opened.host.start()
  return opened
}

/** Replays the files under the path from a snapshot if there is one. */
async function recovered(): Promise<{ snapshotSequence: number; hash: string; ignored: unknown[] }> {
  await using opened = await openTestFiles(path)
  const ignored: unknown[] = []
  const { machine, snapshotSequence } = await recoverLedger({
    log: opened.files.log,
    snapshots: opened.files.snapshots,
    parameters: PARAMETERS,
    tools: FAST_TOOLS,
    heads: opened.files.heads.all(),
    onSnapshotIgnored: (sequence, reason) => ignored.push([sequence, reason])
  })
  return { snapshotSequence, hash: hashState(machine.state), ignored }
}

describe('a snapshot', () => {
  it('is made by a thread while the host goes on, and a start goes on from it', async () => {
    const opened = await startHost(10)
    const nonce = await opened.payUntilSnapshots(2, 0)
    const { host } = opened
    const hash = hashState(host.state)
    expect(opened.snapshotEvents.every(({ type }) => type === 'snapshot-written')).toBe(true)
    await opened[Symbol.asyncDispose]()
    const again = await startHost()
    expect(again.host.snapshotSequence).toBeGreaterThan(10)
    expect(hashState(again.host.state)).toBe(hash)
    expect(await again.host.submit(transfer(nonce))).toMatchObject({ ok: true })
    const entry = again.host.length - 1
    expect(await again.host.tree.inclusion(entry, again.host.length, again.host.read)).not.toEqual([])
  })

  it('is one of the two newest, each whole', async () => {
    const opened = await startHost(5)
    await opened.payUntilSnapshots(3, 0)
    const kept = await opened.files.snapshots.list()
    expect(kept).toHaveLength(2)
    for (const { sequence, stateHash } of kept) {
      const { machine } = await recoverLedger({
        log: { length: sequence, read: range => opened.files.log.read({ to: sequence, ...range }) },
        parameters: PARAMETERS,
        tools: FAST_TOOLS
      })
      expect(hashState(machine.state)).toBe(stateHash)
    }
  })

  it('that a stop interrupts is not there, and the next start makes another', async () => {
    const opened = await startHost(5)
    await Promise.all(Array.from({ length: 8 }, (_, nonce) => opened.host.submit(transfer(nonce))))
    await opened[Symbol.asyncDispose]()
    expect((await recovered()).ignored).toEqual([])
    const again = await startHost(5)
    await again.payUntilSnapshots(1, 8)
  })

  it('is written at the stop when there is enough to say', async () => {
    const opened = await startHost()
    for (let nonce = 0; nonce < 1000; nonce += 200)
      await Promise.all(Array.from({ length: 200 }, (_, index) => opened.host.submit(transfer(nonce + index))))
    const hash = hashState(opened.host.state)
    await opened[Symbol.asyncDispose]()
    expect(await recovered()).toEqual({ snapshotSequence: 1001, hash, ignored: [] })
  })

  it('without its marker is none', async () => {
    const opened = await startHost(10)
    await opened.payUntilSnapshots(1, 0)
    const hash = hashState(opened.host.state)
    await opened.level.sublevel('snapshots').clear({ gte: 'm', lt: 'n' })
    await opened[Symbol.asyncDispose]()
    expect(await recovered()).toEqual({ snapshotSequence: 0, hash, ignored: [] })
  })

  it('of another log is passed over', async () => {
    const opened = await startHost(10)
    await opened.payUntilSnapshots(1, 0)
    const store = opened.files.snapshots
    const [newest] = await store.list()
    const records: Uint8Array[] = []
    for await (const record of store.read(newest!.sequence)) records.push(record)
    await store.write(newest!.sequence, records, () => ({ ...facts(newest!), chainHash: new Uint8Array(32) }))
    const hash = hashState(opened.host.state)
    await opened[Symbol.asyncDispose]()
    const { snapshotSequence, hash: found, ignored } = await recovered()
    expect([snapshotSequence, found, ignored.length]).toEqual([0, hash, 1])
  })
})

function facts({ stateHash, chainHash, tree }: SnapshotFacts) {
  return { stateHash, chainHash, tree }
}

it('flipped bits in its records are found when it is read, and the state is right all the same', {
  timeout: 60_000 + FLIPS * 300
}, async () => {
  const opened = await startHost(10)
  await opened.payUntilSnapshots(1, 0)
  const hash = hashState(opened.host.state)
  await opened[Symbol.asyncDispose]()
  const flip = async (key: number, position: number, bit: number) => {
    await using level = new Level<string, string>(join(path, 'state'))
    const values = level.sublevel<string, Uint8Array>('snapshots', { valueEncoding: 'view' })
    const keys = await values.keys().all()
    const chosen = keys[key % keys.length]!
    const value = Uint8Array.from((await values.get(chosen))!)
    value[position % value.length]! ^= 1 << bit
    await values.put(chosen, value)
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), async (...place) => {
      await flip(...place)
      expect(await recovered()).toMatchObject({ snapshotSequence: 0, hash })
      await flip(...place)
    }),
    { numRuns: FLIPS }
  )
  expect((await recovered()).snapshotSequence).toBeGreaterThan(0)
})
