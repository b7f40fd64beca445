import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  type AuditCursor,
  type Clock,
  createSigner,
  isRepairNotice,
  labelOfAddress,
  portableSignatureVerifier,
  repairNotices,
  request
} from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LABEL, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createHealer, type HealEvent, PRIVATE_OBSTACLE } from '../../src/provider/heal-pieces.ts'
import { createStorePieceReader } from '../../src/provider/piece-reader.ts'
import { type AuditEvent, createSelfAudit, type SelfAudit } from '../../src/provider/self-audit.ts'
import { createWounds, type Wounds } from '../../src/provider/wounds.ts'
import { createVerifiedReader } from '../../src/storage/index.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { nodeHasher, pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { WireClient } from './wire.ts'

const DAY_MS = 24 * 60 * 60_000
const MIB = 1024 * 1024
const BYTES = randomBytes(1, 2 * MIB + 5)
const PIECE = CID.parse(pieceCidOf(BYTES))
const PRIVATE_LABEL = labelOfAddress(createSigner(randomBytes(2, 32)).address)

/** Time passes as soon as somebody waits for it, but no wait may be longer than this, and none ends while it is held. */
class RushingClock implements Clock {
  nowMs = 0
  readonly #sleepMsMax: number
  readonly #isHeld: () => boolean

  constructor(sleepMsMax: number, isHeld = () => false) {
    this.#sleepMsMax = sleepMsMax
    this.#isHeld = isHeld
  }

  now(): number {
    return this.nowMs
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const untilMs = this.nowMs + ms
    if (ms > this.#sleepMsMax || this.#isHeld()) {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
    }
    await setImmediate()
    signal?.throwIfAborted()
    this.nowMs = Math.max(this.nowMs, untilMs)
  }
}

let life = new AsyncDisposableStack()
let network: TestNetwork
let source: TestProvider
let damaged: TestProvider
let client: WireClient
let events: (AuditEvent | HealEvent)[]
let errors: unknown[]
let listeners: (() => void)[]
let wounds: Wounds | undefined
let cursor: AuditCursor | undefined

const lost = {
  list: () => wounds?.list().flatMap(({ piece, obstacle }) => (obstacle === PRIVATE_OBSTACLE ? [piece] : [])) ?? [],
  mended: (piece: string) => wounds?.hurry(piece)
}

beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  events = []
  errors = []
  listeners = []
  cursor = undefined
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 100_000_000 } })
  source = life.use(await openTestProvider(join(path, 'source'), network))
  damaged = life.use(await openTestProvider(join(path, 'damaged'), network, { name: 'provider two', lost }))
  const asks = { addresses: source.node.addresses() }
  await network.take(network.ask(PROVIDER, asks), network.ask(OTHER_PROVIDER))
  await network.take(network.dealOrder(PROVIDER), network.dealOrder(OTHER_PROVIDER))
  client = new WireClient(life.use(await startNode(keyOf('client'), [])), network)
})
afterEach(async () => {
  expect(errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** Both providers hold the piece, and are paid for it. */
async function storeOnBoth(label?: Uint8Array): Promise<void> {
  await client.store(source.addresses, 1, BYTES, label)
  await client.store(damaged.addresses, 2, BYTES, label)
  await source.store.keep(PIECE, '1', label === undefined ? CID.decode(LABEL) : undefined)
  await damaged.store.keep(PIECE, '2', label === undefined ? CID.decode(LABEL) : undefined)
  await network.openRounds(3)
}

function note(event: AuditEvent | HealEvent): void {
  events.push(event)
  for (const listener of listeners) listener()
}

/** Resolves with the first event of that kind. */
async function event<Kind extends (AuditEvent | HealEvent)['kind']>(kind: Kind) {
  for (;;) {
    const found = events.find(one => one.kind === kind)
    if (found !== undefined) return found as Extract<AuditEvent | HealEvent, { kind: Kind }>
    await new Promise<void>(resolve => listeners.push(resolve))
  }
}

function startAudit(clock: RushingClock, periodMs = 30 * DAY_MS): SelfAudit {
  const { store } = damaged
  wounds = createWounds(clock)
  const options = { wounds, onEvent: note, onError: (error: unknown) => errors.push(error) }
  const audit = life.use(
    createSelfAudit({
      ...options,
      ledger: network.ledger,
      signer: OTHER_PROVIDER,
      store,
      reader: createVerifiedReader(store, nodeHasher),
      pieces: createStorePieceReader(store),
      nodeHasher,
      clock,
      random: sizeBytes => randomBytes(events.length, sizeBytes),
      periodMs,
      cursor: {
        read: async () => cursor,
        write: async written => {
          cursor = written
        }
      }
    })
  )
  const healer = life.use(
    createHealer({
      ...options,
      components: {
        node: damaged.node.libp2p,
        ledger: network.ledger,
        store,
        signer: OTHER_PROVIDER,
        clock,
        announced: () => damaged.node.addresses()
      },
      options: client.options
    })
  )
  audit.start()
  healer.start()
  return audit
}

/** What the damaged provider says to somebody that it has lost. */
async function noticesFor(asker: WireClient) {
  const answer = await request(
    asker.node.libp2p,
    damaged.addresses,
    repairNotices,
    { dealIds: [1, 2, 3] },
    client.options
  )
  if (answer.kind !== 'answer') throw new Error(JSON.stringify(answer))
  const { notices } = answer.value
  for (const notice of notices) expect(isRepairNotice(network.state, notice, portableSignatureVerifier)).toBe(true)
  return notices
}

const fileOf = ({ directory }: TestProvider) => join(directory, PIECE.toString())

async function flipByte(provider: TestProvider, offset: number): Promise<void> {
  const bytes = await readFile(fileOf(provider))
  bytes[offset]! ^= 1
  await writeFile(fileOf(provider), bytes)
}

describe('the audit of a provider’s own disk', () => {
  it('reads everything once in its time, and goes on where it was', async () => {
    await storeOnBoth()
    let first: SelfAudit | undefined
    const hasRead = () => (first?.progress().readBytes ?? 0) > 0
    first = startAudit(new RushingClock(DAY_MS * 30, hasRead))
    await expect.poll(hasRead).toBe(true)
    await first.stop()
    const before = first.progress().readBytes
    expect(before).toBeLessThan(BYTES.length)
    expect(cursor).toMatchObject({ piece: PIECE.toString(), offset: before })
    const second = startAudit(new RushingClock(DAY_MS * 30))
    await event('passed')
    expect(second.progress().totalBytes).toBe(BYTES.length)
    expect(wounds!.list()).toEqual([])
  })

  it('finds a flipped byte, and fetches the piece from another replica', async () => {
    await storeOnBoth()
    await flipByte(damaged, MIB)
    startAudit(new RushingClock(DAY_MS * 30))
    expect(await event('rot')).toMatchObject({ piece: PIECE.toString(), deals: [2] })
    expect(await event('healed')).toMatchObject({ piece: PIECE.toString(), from: PROVIDER.address })
    expect(await damaged.store.check(PIECE)).toEqual({ ok: true })
    expect(await damaged.store.get(PIECE)).toMatchObject({ isDamaged: false, deals: ['2'] })
    await expect.poll(() => wounds!.list()).toEqual([])
    expect(wounds!.healed).toBe(1)
    expect(await noticesFor(client)).toEqual([])
    expect(await readdir(join(damaged.directory, 'incoming'))).toEqual([])
  })

  it('fetches a file that is gone, also where the quota is full', async () => {
    await storeOnBoth()
    const { freeBytes } = damaged.store.usage()
    const hog = await damaged.store.receive({ sizeBytes: Math.floor(freeBytes * 0.98) })
    if (!hog.ok || !('writer' in hog)) throw new Error('expected room')
    await rm(fileOf(damaged))
    startAudit(new RushingClock(DAY_MS * 30))
    await event('healed')
    expect((await stat(fileOf(damaged))).size).toBe(BYTES.length)
    expect(await damaged.store.get(PIECE)).toMatchObject({ deals: ['2'], isDamaged: false })
    await hog.writer.abort()
  })

  it('finds by a challenge of its own what the reading has not come to yet', async () => {
    await storeOnBoth()
    await writeFile(fileOf(damaged), new Uint8Array(BYTES.length))
    // No pause of the reading passes in this time, the spreading of challenges over a round does.
    const clock = new RushingClock(network.parameters.roundMs)
    const audit = startAudit(clock, 10_000 * DAY_MS)
    await event('healed')
    expect(audit.progress().challenges).toBeGreaterThan(0)
    expect(await damaged.store.check(PIECE)).toEqual({ ok: true })
  })

  it('keeps a private piece on its list until somebody sends it again', async () => {
    await storeOnBoth(PRIVATE_LABEL)
    await flipByte(damaged, 7)
    // Whose next try would come by itself only hours later.
    let isTimeHeld = false
    startAudit(new RushingClock(DAY_MS * 30, () => isTimeHeld))
    expect(await event('cannotHeal')).toMatchObject({ obstacle: PRIVATE_OBSTACLE })
    expect(wounds!.list()).toMatchObject([{ piece: PIECE.toString(), obstacle: PRIVATE_OBSTACLE }])
    expect(await noticesFor(client)).toMatchObject([{ dealId: 2, pieces: [PIECE] }])
    expect(await noticesFor(new WireClient(source.node, network))).toEqual([])
    isTimeHeld = true
    expect(await client.upload(damaged.addresses, 2, BYTES, { mends: PIECE })).toMatchObject({ kind: 'answer' })
    expect(await event('whole')).toEqual({ kind: 'whole', piece: PIECE.toString() })
    expect(await damaged.store.get(PIECE)).toMatchObject({ isDamaged: false, deals: ['2'] })
    await expect.poll(() => wounds!.list()).toEqual([])
  })

  it('takes nothing from a replica that rotted as well', async () => {
    await storeOnBoth()
    await flipByte(damaged, 7)
    await flipByte(source, MIB + 7)
    startAudit(new RushingClock(DAY_MS * 30))
    expect(await event('cannotHeal')).toMatchObject({ obstacle: expect.stringContaining(PROVIDER.address) })
    expect(await damaged.store.get(PIECE)).toMatchObject({ isDamaged: true, deals: ['2'] })
  })

  it('stops while it rests', async () => {
    await storeOnBoth()
    const audit = startAudit(new RushingClock(0), 10_000 * DAY_MS)
    await expect.poll(() => audit.progress().readBytes).toBeGreaterThan(0)
    await audit.stop()
    await audit.stop()
  })
})
