import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { createFallbackSource, hashState, verifySeenReceipt } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, PROVIDER, STRANGER, TestNetwork, TOOLS } from '../../../core/test/ledger/network-fixture.ts'
import { createDurableFollower } from '../../src/ledger/durable-follower.ts'
import { formatSegmentName } from '../../src/ledger/segment-log-format.ts'
import { wasmSignatureVerifier } from '../../src/ledger/wasm-signatures.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestFiles } from './open-test-files.ts'
import { openTestFollower, reached, sourceOf, type TestFollower } from './open-test-follower.ts'
import { openTestHost, type TestHost } from './open-test-host.ts'

const network = new TestNetwork()
const transfer = (nonce: number) => network.transfer(CLIENT, PROVIDER, 1n, nonce)
const tools = { ...TOOLS, signatures: wasmSignatureVerifier }

let life = new AsyncDisposableStack()
let path: string
let hosting: TestHost
let source: ReturnType<typeof sourceOf>
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  hosting = life.use(await openTestHost(life.use(await temporaryDirectory()).path, { tools }))
  await hosting.host.start()
  source = sourceOf(hosting.host)
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function startFollower(options: Parameters<typeof openTestFollower>[3] = {}): Promise<TestFollower> {
  const opened = life.use(await openTestFollower(path, source, hosting.clock, { tools, ...options }))
  await opened.follower.start()
  return opened
}

async function grow(from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => hosting.host.submit(transfer(from + index))))
}

const hash = () => hashState(hosting.host.state)

describe('a durable follower', () => {
  it('asks after a restart for what it does not have, and for nothing else', async () => {
    await grow(0, 20)
    const first = await startFollower()
    await reached(first.follower, 21)
    await first[Symbol.asyncDispose]()
    await grow(20, 5)
    source.asked.length = 0
    const { follower } = await startFollower()
    await reached(follower, 26)
    expect(source.asked[0]).toBe(21)
    expect(hashState(follower.state)).toBe(hash())
  })

  it('goes on from a snapshot', async () => {
    await grow(0, 1100)
    const first = await startFollower()
    await reached(first.follower, 1101)
    await first[Symbol.asyncDispose]()
    const { follower } = await startFollower()
    expect(follower.snapshotSequence).toBe(1101)
    await grow(1100, 2)
    await reached(follower, 1103)
    expect(hashState(follower.state)).toBe(hash())
  })

  it('reads again from the host what a crash tore off its log, and what it lost of heads', async () => {
    await grow(0, 10)
    const first = await startFollower()
    await reached(first.follower, 11)
    await first[Symbol.asyncDispose]()
    await truncate(join(path, 'ledger', formatSegmentName(0)), 1800)
    await rm(join(path, 'ledger', 'heads'))
    const { follower } = await startFollower()
    await reached(follower, 11)
    expect(hashState(follower.state)).toBe(hash())
  })

  it('stops when its disk fails, and has nothing wrong afterwards', async () => {
    let failing = false
    const files = failingFileSystem(({ operation }) =>
      failing && operation === 'datasync' ? systemError('EIO') : undefined
    )
    await using disk = await openTestFiles(path, { owner: 'follower', files })
    const { follower, damage } = await openOn(disk)
    await follower.start()
    failing = true
    await grow(0, 3)
    while (damage.length === 0) await new Promise(resolve => setImmediate(resolve))
    expect(damage).toMatchObject([{ code: 'FOLLOWER_FAILED' }])
    await follower.stop()
    await disk[Symbol.asyncDispose]()
    const again = await startFollower()
    await reached(again.follower, 4)
    expect(hashState(again.follower.state)).toBe(hash())
  })

  it('serves entries, heads and proofs as the host does', async () => {
    await grow(0, 5)
    const { follower } = await startFollower()
    await reached(follower, 6)
    const { served } = follower
    const { signal } = new AbortController()
    expect(await served.entries(2, 0, signal)).toEqual(await hosting.host.entries(2, 0, signal))
    expect(await served.head()).toEqual(await hosting.host.head())
    expect(await served.tree.inclusion(3, 6, served.read)).toEqual(
      await hosting.host.tree.inclusion(3, 6, hosting.host.read)
    )
  })

  it('can be followed itself, while the host is gone', async () => {
    await grow(0, 5)
    const first = await startFollower()
    await reached(first.follower, 6)
    const { served, heads } = first.follower
    const secondHand = {
      entries: async (from: number, signal: AbortSignal) => ({
        ...(await served.entries(from, 0, signal)),
        head: heads.latest()
      }),
      head: async (number: number | undefined) => await served.head(number),
      submit: source.submit
    }
    source.isReachable = false
    const other = life.use(await temporaryDirectory())
    const both = createFallbackSource([source, secondHand], hosting.clock)
    const opened = life.use(await openTestFollower(other.path, both, hosting.clock, { tools }))
    await opened.follower.start()
    await reached(opened.follower, 6)
    expect(hashState(opened.follower.state)).toBe(hash())
  })
})

async function openOn(disk: Awaited<ReturnType<typeof openTestFiles>>) {
  const damage: unknown[] = []
  const follower = await createDurableFollower({
    files: disk.files,
    parameters: network.parameters,
    source,
    host: source,
    tools,
    clock: hosting.clock,
    signer: STRANGER,
    onDamage: error => damage.push(error)
  })
  return { follower, damage }
}

describe('what is passed on', () => {
  const { signal } = new AbortController()

  it('gets the host’s receipt', async () => {
    const { follower } = await startFollower()
    expect(await follower.served.submit(transfer(0), { signal })).toEqual({ ok: true, sequence: 1 })
    expect(await follower.served.submit(transfer(7), { signal })).toMatchObject({ ok: false })
  })

  it('and is left unanswered gets this peer’s word that it was seen', async () => {
    const { follower } = await startFollower()
    source.isReachable = false
    await expect(follower.served.submit(transfer(0), { signal })).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    const { networkId } = network.state
    const receipt = follower.served.seen!(transfer(0))
    expect(verifySeenReceipt(receipt, networkId, TOOLS.signatures)).toMatchObject({
      peer: STRANGER.address,
      command: network.digestOf('Transfer', transfer(0).statement as never),
      round: 0
    })
    expect(verifySeenReceipt(receipt, new Uint8Array(32), TOOLS.signatures)).toBeUndefined()
    expect(verifySeenReceipt(receipt.subarray(1), networkId, TOOLS.signatures)).toBeUndefined()
  })

  it('is not waited for longer than whoever asked would wait', async () => {
    const never = { ...source, submit: (_: unknown, during?: AbortSignal) => untilAborted(during!) }
    const { follower } = await startFollower({ host: never })
    const submitted = follower.served.submit(transfer(0), { signal })
    submitted.catch(() => undefined)
    await hosting.clock.advanceTo(hosting.clock.now() + 10_000)
    await expect(submitted).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
  })
})

function untilAborted(during: AbortSignal): Promise<never> {
  return new Promise((_, reject) => during.addEventListener('abort', () => reject(during.reason)))
}
