import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createSigner,
  labelOfAddress,
  pullPiece,
  readRange,
  refuse,
  request,
  serveDownload,
  signReadPermission,
  statementDigestOf
} from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { CLIENT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { dialableSources, reachOf } from '../../src/provider/reachable-source.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { WireClient } from './wire.ts'

type Question = z.output<typeof pullPiece.request>

const MIB = 1024 * 1024
const BYTES = randomBytes(1, 6 * MIB + 5)
const PIECE = CID.parse(pieceCidOf(BYTES))
const LABEL_KEY = randomBytes(2, 32)

let life = new AsyncDisposableStack()
let network: TestNetwork
let source: TestProvider
let puller: TestProvider
let client: WireClient
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 100_000_000 } })
  await network.take(network.ask(PROVIDER), network.ask(OTHER_PROVIDER))
  await network.take(network.dealOrder(PROVIDER), network.dealOrder(OTHER_PROVIDER))
  source = life.use(await openTestProvider(join(path, 'source'), network))
  puller = life.use(await openTestProvider(join(path, 'puller'), network, { name: 'provider two' }))
  client = new WireClient(life.use(await startNode(keyOf('client'), [])), network)
})
afterEach(async () => {
  await puller.stopServing()
  expect(puller.errors).toEqual([])
  expect(puller.budget.takenBytes).toBe(0)
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

function ask(changes: Partial<Question> = {}, from: WireClient = client) {
  const message = { dealId: 2, piece: PIECE, from: source.node.addresses(), waitMs: 0, ...changes }
  return request(from.node.libp2p, puller.addresses, pullPiece, message, client.options)
}

/** Asks until there is an end of it. The clock stands still, so that an answer is held back until the pull ends. */
async function pull(changes: Partial<Question> = {}) {
  for (;;) {
    const answer = await ask({ waitMs: 5000, ...changes })
    if (answer.kind !== 'answer' || answer.value.held) return answer
  }
}

const incoming = () => readdir(join(puller.directory, 'incoming'))

describe('a pull', () => {
  it('brings a public piece, as a lease of the deal that it came under', async () => {
    await client.store(source.addresses, 1, BYTES)
    expect(await pull()).toEqual({ kind: 'answer', value: { receivedBytes: BYTES.length, held: true } })
    expect(await puller.store.check(PIECE)).toEqual({ ok: true })
    expect(await puller.store.get(PIECE)).toMatchObject({ holders: [{ dealId: '2' }], isPublic: false })
    expect(await ask()).toMatchObject({ value: { held: true } })
    await network.take(network.piecesOrder(2, [{ cid: PIECE }], {}, [CLIENT, OTHER_PROVIDER]))
  })

  it('brings a private piece with the client’s permission for the one that pulls', async () => {
    const label = labelOfAddress(createSigner(LABEL_KEY).address)
    await client.store(source.addresses, 1, BYTES, label)
    expect(await pull()).toMatchObject({
      kind: 'refused',
      code: 'PULL_FAILED',
      message: expect.stringContaining('PIECE_MISSING')
    })
    const terms = {
      provider: PROVIDER.address,
      reader: OTHER_PROVIDER.address,
      validUntilRound: network.state.round + 3
    }
    const permission = signReadPermission(LABEL_KEY, terms, statementDigestOf(network.state))
    expect(await pull({ permission })).toMatchObject({ value: { held: true } })
  })

  it('says of a piece that another deal brought nothing that it would not say of one that is not here', async () => {
    await client.store(source.addresses, 1, BYTES)
    expect(await pull()).toMatchObject({ value: { held: true } })
    await network.take(network.dealOrder(OTHER_PROVIDER))
    expect(await ask({ dealId: 3 })).toMatchObject({ value: { held: false } })
    expect(await pull({ dealId: 3 })).toMatchObject({ value: { held: true } })
  })

  it.each<[string, string, () => Promise<Partial<Question>> | Partial<Question>]>([
    ['of somebody else’s deal', 'NO_DEAL', () => ({ dealId: 1 })],
    ['of what is no piece', 'BAD_PIECE', () => ({ piece: CID.parse('bafkqaaa') })],
    ['from a name', 'BAD_SOURCE', () => ({ from: ['/dns4/example.org/tcp/1/p2p/16Uiu2HAm'] })],
    [
      'from a machine of a house that the provider is not part of',
      'BAD_SOURCE',
      () => ({ from: ['/ip4/192.168.1.1/tcp/22'] })
    ],
    ['from nobody', 'PULL_FAILED', () => ({ from: ['/ip4/127.0.0.1/tcp/1'] })],
    ['of a piece that the source does not have', 'PULL_FAILED', () => ({})]
  ])('%s is refused: %s', async (_, code, changes) => {
    expect(await pull(await changes())).toMatchObject({ kind: 'refused', code })
    expect(await incoming()).toEqual([])
  })

  it('of a stranger is refused', async () => {
    const stranger = new WireClient(life.use(await startNode(keyOf('stranger'), [])), network)
    expect(await ask({}, stranger)).toMatchObject({ kind: 'refused', code: 'NOT_A_PARTY' })
  })
})

describe('a source that lies', () => {
  /** A peer that answers every range with whatever a test says. */
  async function from(chunks: (offset: number) => AsyncIterable<Uint8Array>): Promise<Partial<Question>> {
    const node = life.use(await startNode(keyOf('liar')))
    life.use(
      await serveDownload(
        node.libp2p,
        readRange,
        async ({ offset, length }) => ({
          ok: true,
          value: { header: { offset, length, nodes: new Uint8Array() }, chunks: chunks(offset) }
        }),
        client.options
      )
    )
    return { from: node.addresses() }
  }

  it('with other bytes is found by the commitment, and nothing of it is kept', async () => {
    const lies = await from(async function* (offset) {
      yield randomBytes(7, BYTES.length).subarray(offset)
    })
    expect(await pull(lies)).toMatchObject({
      kind: 'refused',
      code: 'PULL_FAILED',
      message: expect.stringContaining('instead')
    })
    expect(await incoming()).toEqual([])
    expect(puller.store.usage()).toMatchObject({ usedBytes: 0, reservedBytes: 0, suspendedBytes: 0 })
  })

  it('without end is left when it has sent more than the piece has', async () => {
    const lies = await from(async function* () {
      for (;;) yield new Uint8Array(MIB)
    })
    expect(await pull(lies)).toMatchObject({
      kind: 'refused',
      code: 'PULL_FAILED',
      message: expect.stringContaining('more')
    })
  })

  it('that breaks off is gone on with from another one', async () => {
    await client.store(source.addresses, 1, BYTES)
    const lies = await from(async function* (offset) {
      if (offset === 0) yield BYTES.subarray(0, 2 * MIB)
      throw new Error('the disk is gone')
    })
    const refused = await pull(lies)
    expect(refused).toMatchObject({ kind: 'refused', code: 'PULL_FAILED' })
    expect(puller.store.usage().suspendedBytes).toBe(2 * MIB)
    expect(await pull()).toMatchObject({ value: { held: true } })
    expect(await puller.store.check(PIECE)).toEqual({ ok: true })
  })

  it('that is slow is left when nobody asks any more, and what it sent is kept', async () => {
    const stalled = Promise.withResolvers<void>()
    const lies = await from(async function* () {
      yield BYTES.subarray(0, 2 * MIB)
      await stalled.promise
    })
    expect(await ask(lies)).toMatchObject({ value: { held: false } })
    await expect
      .poll(async () => (await ask(lies)).kind === 'answer' && puller.store.usage().unwrittenBytes < 5 * MIB)
      .toBe(true)
    await network.clock.advanceTo(network.clock.now() + 61_000)
    await expect.poll(() => puller.store.usage().suspendedBytes).toBe(2 * MIB)
    stalled.resolve()
  })
})

describe('an address', () => {
  it.each([
    ['/ip4/8.8.8.8/tcp/1', 'everywhere'],
    ['/ip6/2a00::1/tcp/1', 'everywhere'],
    ['/ip4/127.0.0.1/tcp/1', 'machine'],
    ['/ip4/0.0.0.0/tcp/1', 'machine'],
    ['/ip6/::1/tcp/1', 'machine'],
    ['/ip6/::ffff:127.0.0.1/tcp/1', 'machine'],
    ['/ip6/::ffff:10.0.0.1/tcp/1', 'house'],
    ['/ip4/10.1.2.3/tcp/1', 'house'],
    ['/ip4/172.31.0.1/tcp/1', 'house'],
    ['/ip4/169.254.169.254/tcp/80', 'house'],
    ['/ip4/100.64.0.1/tcp/1', 'house'],
    ['/ip6/fd00::1/tcp/1', 'house'],
    ['/ip6/fe80::1/tcp/1', 'house'],
    ['/ip4/224.0.0.1/tcp/1', 'nowhere'],
    ['/ip6/64:ff9b::7f00:1/tcp/1', 'nowhere'],
    ['/dns4/localhost/tcp/1', 'nowhere'],
    ['/dnsaddr/example.org', 'nowhere'],
    ['nonsense', 'nowhere']
  ])('%s is reached from %s', (address, reach) => {
    expect(reachOf(address)).toBe(reach)
  })

  it.each([
    ['a public peer dials public ones only', ['/ip4/8.8.8.8/tcp/1', '/ip4/192.168.1.2/tcp/1'], ['/ip4/9.9.9.9/tcp/1']],
    [
      'a peer of a house dials those of a house too',
      ['/ip4/192.168.1.2/tcp/1'],
      ['/ip4/9.9.9.9/tcp/1', '/ip4/10.0.0.1/tcp/1']
    ],
    [
      'a peer of a devnet dials its own machine',
      ['/ip4/127.0.0.1/tcp/1'],
      ['/ip4/9.9.9.9/tcp/1', '/ip4/127.0.0.1/tcp/1']
    ],
    ['a peer that only dials out dials public ones only', [], ['/ip4/9.9.9.9/tcp/1']]
  ])('%s', (_, announced, dialled) => {
    const from = ['/ip4/9.9.9.9/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1', '/dns4/x.org/tcp/1']
    expect(dialableSources(from, announced).map(String)).toEqual(dialled)
  })
})

it('a source may refuse midway, and is not asked again', async () => {
  let asked = 0
  const node = life.use(await startNode(keyOf('refuser')))
  life.use(
    await serveDownload(
      node.libp2p,
      readRange,
      async () => {
        asked += 1
        return refuse('BUSY', 'later')
      },
      client.options
    )
  )
  expect(await pull({ from: node.addresses() })).toMatchObject({ kind: 'refused', code: 'PULL_FAILED' })
  expect(asked).toBe(1)
})
