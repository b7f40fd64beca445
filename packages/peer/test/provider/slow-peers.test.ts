/** Strangers who stall: they hold no more than their share, are cut off in time, and honest transfers go on beside them. */
import { readRange, storePiece, upload } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { actorOf, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT, STALLED_MS } from '../../src/provider/transfer-budget.ts'
import type { OpenIncomingFile } from '../../src/storage/incoming-file.ts'
import { createIntakeWorkers } from '../../src/storage/index.ts'
import { collect } from '../collect.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { piecesLeftOpen } from './pieces-left-open.ts'
import { WireClient } from './wire.ts'

const MIB = 1024 * 1024
/** A worker's start, on a busy machine. */
const WAIT = { timeout: 15_000 }
const BYTES = randomBytes(1, 5 * MIB)

/** A disk that can stand still: what is written meanwhile waits. */
class SlowDisk {
  waiting = 0
  heldBytes = 0
  #ready = Promise.withResolvers<void>()
  readonly #open: OpenIncomingFile

  constructor(open: OpenIncomingFile) {
    this.#open = open
    this.goOn()
  }

  stop(): void {
    this.#ready = Promise.withResolvers()
  }

  goOn(): void {
    this.#ready.resolve()
  }

  readonly open: OpenIncomingFile = async options => {
    const file = await this.#open(options)
    const { write } = file
    file.write = async bytes => {
      this.waiting += 1
      this.heldBytes += bytes.length
      await this.#ready.promise
      await write.call(file, bytes)
      this.waiting -= 1
      this.heldBytes -= bytes.length
    }
    return file
  }
}

let life = new AsyncDisposableStack()
let network: TestNetwork
let provider: TestProvider
let disk: SlowDisk
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 1e9 } })
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  const workers = life.use(createIntakeWorkers({ count: 1 }))
  disk = new SlowDisk(workers.open)
  provider = life.use(
    await openTestProvider(path, network, { wireClock: network.clock, openIncoming: disk.open, capacityBytes: 1e9 })
  )
})
afterEach(async () => {
  disk.goOn()
  await provider.stopServing()
  await expect.poll(() => piecesLeftOpen(provider.directory)).toEqual([])
  expect(provider.errors).toEqual([])
  expect(provider.budget.takenBytes).toBe(0)
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const openClient = async (name: string) => new WireClient(life.use(await startNode(keyOf(name), [])), network)

/** An upload that sends its first MiB and then waits. */
const drip = ({ node, options }: WireClient, at: number, until: Promise<void>) =>
  upload(
    node.libp2p,
    provider.addresses,
    storePiece,
    { dealId: 1, sizeBytes: BYTES.length, uploadId: String(at).padStart(32, '0') },
    async function* () {
      yield BYTES.subarray(0, MIB)
      await until
    },
    options
  )

it('readers who take nothing hold their share and no more, until they are cut off', { timeout: 120_000 }, async () => {
  const client = await openClient('client')
  const piece = await client.store(provider.addresses, 1, BYTES)
  const strangers = await Promise.all(['a', 'b', 'c'].map(openClient))
  const answers = await Promise.all(
    strangers.flatMap(stranger =>
      Array.from({ length: 12 }, () => stranger.openRange(provider.addresses, { piece, length: BYTES.length }))
    )
  )
  const opened = answers.filter(answer => answer.kind === 'answer')
  expect(opened).toHaveLength(24)
  expect(answers.filter(answer => answer.kind === 'refused' && answer.code === 'BUSY')).toHaveLength(12)
  expect(provider.budget.takenBytes).toBe((3 / 8) * IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT)

  const honest = await client.readRange(provider.addresses, { piece, length: BYTES.length })
  if (honest.kind !== 'answer') throw new Error(honest.kind)
  expect(honest.value.bytes.equals(BYTES)).toBe(true)

  await network.clock.advanceTo(network.clock.now() + readRange.idleTimeoutMs + 1)
  await expect.poll(() => provider.budget.takenBytes, WAIT).toBe(0)
  for (const answer of opened) {
    if (answer.kind !== 'answer') continue
    await expect(collect(answer.value.chunks)).rejects.toMatchObject({ code: 'TRANSFER_CUT' })
  }
})

it('many who stall together keep nobody out for longer than a moment', { timeout: 120_000 }, async () => {
  const client = await openClient('client')
  const piece = await client.store(provider.addresses, 1, BYTES)
  // Eight peers of eight transfers each: seven that take nothing, and the client, who drips.
  const strangers = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(openClient))
  const stalled = Promise.withResolvers<void>()
  const drips = [0, 1, 2, 3].map(at => drip(client, at, stalled.promise))
  const stall = (stranger: WireClient) =>
    Array.from({ length: 8 }, () => stranger.openRange(provider.addresses, { piece, length: BYTES.length }))
  await Promise.all(strangers.flatMap(stall))
  const filler = await openClient('h')
  await Promise.all(stall(filler).slice(0, 4))
  await expect.poll(() => provider.budget.takenBytes, WAIT).toBe(IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT)

  const honest = await openClient('honest')
  const read = () => honest.readRange(provider.addresses, { piece, length: BYTES.length })
  expect(await read()).toMatchObject({ kind: 'refused', code: 'BUSY' })
  await network.clock.advanceTo(network.clock.now() + STALLED_MS + 1)
  const answers = [await read(), ...(await Promise.all([read(), read()]))]
  for (const answer of answers) {
    if (answer.kind !== 'answer') throw new Error(JSON.stringify(answer))
    expect(answer.value.bytes.equals(BYTES)).toBe(true)
  }
  expect(provider.budget.takenBytes).toBeLessThanOrEqual(IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT)
  await network.clock.advanceTo(network.clock.now() + storePiece.idleTimeoutMs + 1)
  stalled.resolve()
  await Promise.all(drips)
  await expect.poll(() => provider.budget.takenBytes, WAIT).toBe(0)
})

it('writers who drip hold no slab, and are cut off at the least rate; what they sent can be gone on with', {
  timeout: 120_000
}, async () => {
  const client = await openClient('client')
  const stalled = Promise.withResolvers<void>()
  const dripping = [0, 1, 2].map(at => drip(client, at, stalled.promise))
  await expect.poll(() => provider.store.usage().reservedBytes, WAIT).toBeGreaterThan(3 * BYTES.length)
  await expect.poll(() => provider.store.usage().unwrittenBytes, WAIT).toBeLessThan(3 * (BYTES.length - MIB / 2))

  expect(await client.upload(provider.addresses, 1, randomBytes(2, 5 * MIB))).toMatchObject({ kind: 'answer' })

  await network.clock.advanceTo(network.clock.now() + storePiece.idleTimeoutMs + 1)
  for (const answer of await Promise.all(dripping)) expect(answer).toMatchObject({ kind: 'no-answer', code: 'CUT' })
  stalled.resolve()
  await expect.poll(() => provider.store.usage(), WAIT).toMatchObject({ reservedBytes: 0, suspendedBytes: 3 * MIB })
})

it('many uploads to a disk that stands still hold a chunk each, stop no reader, and all end when it goes on', {
  timeout: 60_000
}, async () => {
  const client = await openClient('client')
  const piece = await client.store(provider.addresses, 1, BYTES)
  const others = ['two', 'three', 'four'].map(name => `provider ${name}`)
  const names = [...others, ...['one', 'two', 'three', 'four'].map(name => `verifier ${name}`)]
  for (const name of names) await network.take(network.dealOrder(PROVIDER, {}, actorOf(name)))
  const clients = [client, ...(await Promise.all(names.map(openClient)))]
  disk.stop()
  const bytes = BYTES.subarray(0, 3 * MIB)
  const answers = clients.flatMap((one, at) =>
    Array.from({ length: storePiece.streamsInboundMax }, (_, upload) =>
      one.upload(provider.addresses, at + 1, bytes, { uploadId: `${at}${upload}`.padStart(32, '0') })
    )
  )
  await expect.poll(() => disk.waiting, WAIT).toBe(answers.length)
  expect(answers.length).toBe(32)
  expect(disk.heldBytes).toBeLessThanOrEqual(answers.length * MIB)
  expect(provider.budget.takenBytes).toBeLessThanOrEqual(IN_FLIGHT_SIZE_BYTES_MAX_DEFAULT)

  const reader = await openClient('reader')
  const read = await reader.readRange(provider.addresses, { piece, length: BYTES.length })
  if (read.kind !== 'answer') throw new Error(JSON.stringify(read))
  expect(read.value.bytes.equals(BYTES)).toBe(true)

  disk.goOn()
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ kind: 'answer' })
  expect(disk).toMatchObject({ waiting: 0, heldBytes: 0 })
})
