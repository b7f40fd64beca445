import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Answer,
  challenge,
  download,
  type Protocol,
  proposeDeal,
  pushProofs,
  readBlocks,
  request,
  storePiece,
  upload
} from '@holdfast/core'
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import { OTHER_PROVIDER, PROVIDER, STRANGER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import type { PeerNode } from '../../src/node.ts'
import { createTransferBudget } from '../../src/provider/transfer-budget.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { carOf, cidOf, pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'

let life = new AsyncDisposableStack()
let path: string
let network: TestNetwork
let client: PeerNode
let provider: TestProvider
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
  network = new TestNetwork()
  await network.take(network.ask(PROVIDER), network.ask(OTHER_PROVIDER))
  client = life.use(await startNode(keyOf('client'), []))
})
afterEach(async () => {
  // What others send is never a bug of ours.
  expect(provider.errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openProvider(
  ...options: Parameters<typeof openTestProvider> extends [string, TestNetwork, ...infer Rest] ? Rest : never
) {
  provider = life.use(await openTestProvider(path, network, ...options))
  return provider
}

const options = () => ({ networkId: network.state.networkId })

function ask<Request, Response>(protocol: Protocol<Request, Response>, message: Request, from = client) {
  return request(from.libp2p, provider.addresses, protocol, message, options())
}

/** The client's order alone, as it is proposed. */
function proposalOf(command: ReturnType<TestNetwork['dealOrder']>) {
  if (command.kind !== 'DealOrder' && command.kind !== 'PiecesOrder') throw new TypeError('expected an order')
  const { kind, statement, signature } = command
  return { kind, statement, signature } as z.output<typeof proposeDeal.request>
}

const propose = (command: ReturnType<TestNetwork['dealOrder']>) => ask(proposeDeal, proposalOf(command))

async function openDeal(): Promise<number> {
  const dealId = network.state.nextDealId
  await network.take(network.dealOrder(PROVIDER))
  return dealId
}

function send(
  dealId: number,
  sizeBytes: number,
  source: (offset: number) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { from = client, signal }: { from?: PeerNode; signal?: AbortSignal } = {}
): Promise<Answer<{ cid: CID; rawSize: number }>> {
  async function* chunks(offset: number) {
    yield* source(offset)
  }
  return upload(from.libp2p, provider.addresses, storePiece, { dealId, sizeBytes }, chunks, {
    ...options(),
    ...(signal !== undefined && { signal })
  })
}

const sendAll = (dealId: number, bytes: Uint8Array) => send(dealId, bytes.length, () => [bytes])

/** Stores a piece and has its order countersigned, which makes it public. */
async function publish(dealId: number, bytes: Uint8Array): Promise<CID> {
  const sent = await sendAll(dealId, bytes)
  if (sent.kind !== 'answer') throw new Error(`not stored: ${sent.kind}`)
  const { cid } = sent.value
  const proposed = await propose(network.piecesOrder(dealId, [{ cid }]))
  if (proposed.kind !== 'answer') throw new Error(`no acceptance: ${proposed.kind}`)
  return cid
}

const waitsForLedger = () => vi.waitFor(() => expect(network.clock.sleeping).toBe(1), 15_000)

/** Lets the time go by in which news of a deal may still be on its way. */
async function passLagOfLedger(): Promise<void> {
  await waitsForLedger()
  await network.clock.advanceTo(network.clock.now() + 60_000)
}

/** Once nothing is answered any more: no bytes, no promise of room, no file. */
async function expectNothingLeft(): Promise<void> {
  await provider.stopServing()
  expect(provider.store.usage()).toMatchObject({ usedBytes: 0, reservedBytes: 0 })
  expect(await readdir(join(provider.directory, 'incoming'))).toEqual([])
}

async function readAll(cids: CID[]): Promise<Answer<Uint8Array>> {
  const answer = await download(client.libp2p, provider.addresses, readBlocks, { cids }, options())
  if (answer.kind !== 'answer') return answer
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.value.chunks) chunks.push(chunk)
  return { kind: 'answer', value: Buffer.concat(chunks) }
}

describe('an order', () => {
  beforeEach(() => openProvider())

  it('at the price that is asked is countersigned, and the ledger takes it', async () => {
    const order = network.dealOrder(PROVIDER)
    const answer = await propose(order)
    if (answer.kind !== 'answer') throw new Error(`no acceptance: ${answer.kind}`)
    expect(await network.submit({ ...order, acceptance: answer.value.acceptance } as typeof order)).toMatchObject({
      ok: true
    })
  })

  it.each([
    ['at a lower price', 'PRICE_TOO_LOW', () => network.dealOrder(PROVIDER, { pricePerLeafRound: 99n })],
    ['for another provider', 'NOT_FOR_ME', () => network.dealOrder(OTHER_PROVIDER)],
    ['with too much to prove', 'TOO_MANY_LEAVES', () => network.dealOrder(PROVIDER, { leavesPerRound: 65 })],
    ['that its client did not sign', 'BAD_SIGNATURE', () => network.dealOrder(PROVIDER, { client: STRANGER.address })],
    ['for a deal that is not there', 'NO_DEAL', () => network.piecesOrder(9, [{ cid: OBJECT }])]
  ])('%s is refused: %s', async (_, code, order) => {
    expect(await propose(order())).toMatchObject({ kind: 'refused', code })
  })

  it('for a piece that is not here is refused, with its name', async () => {
    const dealId = await openDeal()
    expect(await propose(network.piecesOrder(dealId, [{ cid: OBJECT }]))).toMatchObject({
      kind: 'refused',
      code: 'PIECE_MISSING',
      message: expect.stringContaining(OBJECT.toString())
    })
  })

  it('for somebody else’s deal is refused', async () => {
    const dealId = await openDeal()
    const order = network.piecesOrder(dealId, [{ cid: OBJECT }], { client: STRANGER.address }, [STRANGER, PROVIDER])
    expect(await propose(order)).toMatchObject({ kind: 'refused', code: 'NO_DEAL' })
  })
})

const BYTES = randomBytes(1, 3000)

const OBJECT = CID.parse(pieceCidOf(BYTES))

describe('a piece', () => {
  it('is on disk and a lease when the answer comes; then its order is countersigned', async () => {
    await openProvider()
    const dealId = await openDeal()
    const answer = await sendAll(dealId, BYTES)
    expect(answer).toMatchObject({ kind: 'answer', value: { rawSize: 3000 } })
    const piece = await provider.store.get(OBJECT)
    expect(piece).toMatchObject({ rawSize: 3000, deals: [] })
    const order = network.piecesOrder(dealId, [{ cid: OBJECT }])
    const proposed = await propose(order)
    if (proposed.kind !== 'answer') throw new Error(`no acceptance: ${proposed.kind}`)
    expect(await network.submit({ ...order, acceptance: proposed.value.acceptance } as typeof order)).toMatchObject({
      ok: true
    })
  })

  it.each([
    ['without a deal', 'NO_DEAL', 7, 3000],
    ['larger than a piece may be', 'PIECE_TOO_LARGE', 1, PIECE_SIZE_BYTES_MAX + 1]
  ])('%s is refused before a byte is sent: %s', async (_, code, dealId, sizeBytes) => {
    await openProvider()
    await openDeal()
    let asked = 0
    const answer = send(dealId, sizeBytes, () => {
      asked += 1
      return [BYTES]
    })
    if (code === 'NO_DEAL') await passLagOfLedger()
    expect(await answer).toMatchObject({ kind: 'refused', code })
    expect(asked).toBe(0)
    await expectNothingLeft()
  })

  it('of a deal that the ledger here has yet to hear of waits for the news', async () => {
    await openProvider()
    const dealId = network.state.nextDealId
    const answer = sendAll(dealId, BYTES)
    await waitsForLedger()
    expect(await openDeal()).toBe(dealId)
    expect(await answer).toMatchObject({ kind: 'answer', value: { rawSize: BYTES.length } })
    expect(network.clock.sleeping).toBe(0)
  })

  it('of a stranger is refused', async () => {
    await openProvider()
    const stranger = life.use(await startNode(keyOf('stranger'), []))
    const answer = await send(await openDeal(), 3000, () => [BYTES], { from: stranger })
    expect(answer).toMatchObject({ kind: 'refused', code: 'NOT_A_PARTY' })
    await expectNothingLeft()
  })

  it('for which there is no room is refused, with how much there is', async () => {
    await openProvider({ capacityBytes: 2_000_000 })
    const answer = await send(await openDeal(), 3_000_000, () => [randomBytes(1, 3_000_000)])
    expect(answer).toMatchObject({ kind: 'refused', code: 'NO_SPACE', details: { freeBytes: 2_000_000 } })
    await expectNothingLeft()
  })

  it.each([
    ['fewer', 2999],
    ['more', 3001]
  ])('of %s bytes than were declared is refused, and leaves nothing', async (_, came) => {
    await openProvider()
    const answer = await send(await openDeal(), 3000, () => [randomBytes(1, came)])
    expect(answer).toMatchObject({
      kind: 'refused',
      code: 'WRONG_SIZE',
      message: `3000 bytes were declared and ${came} came`
    })
    await expectNothingLeft()
  })

  it('whose sending is aborted leaves nothing', async () => {
    await openProvider()
    const sizeBytes = 8_000_000
    const leaving = new AbortController()
    const answer = send(
      await openDeal(),
      sizeBytes,
      function* () {
        yield randomBytes(1, 4_000_000)
        leaving.abort(new Error('no longer wanted'))
        yield randomBytes(2, 4_000_000)
      },
      { signal: leaving.signal }
    )
    await expect(answer).rejects.toThrow('no longer wanted')
    await expectNothingLeft()
  })

  it.each(['write', 'datasync'])(
    'that fills the disk at %s is refused as NO_SPACE, and leaves nothing',
    async operation => {
      const files = failingFileSystem(call => (call.operation === operation ? systemError('ENOSPC') : undefined))
      await openProvider({ files })
      const answer = await sendAll(await openDeal(), randomBytes(1, 3_000_000))
      expect(answer).toMatchObject({ kind: 'refused', code: 'NO_SPACE' })
      await expectNothingLeft()
    }
  )
})

/** A node of a file over blocks that each hold so many bytes of content. */
async function fileOf(blocks: readonly Uint8Array[], contentSize: number, cids?: readonly CID[]) {
  const varint = (value: number) => [(value & 127) | 128, value >> 7]
  const sizes = blocks.flatMap(() => [0x20, ...varint(contentSize)])
  const message = Uint8Array.of(8, 2, 0x18, ...varint(blocks.length * contentSize), ...sizes)
  const links = (cids ?? (await Promise.all(blocks.map(cidOf)))).map(cid => ({ Name: '', Hash: cid, Tsize: 1 }))
  const block = dagPb.encode({ Data: message, Links: links })
  return { block, cid: CID.createV1(dagPb.code, await sha256.digest(block)) }
}

describe('blocks', () => {
  const [a, b] = [randomBytes(10, 1500), randomBytes(11, 900)]

  it('come end to end, in the order asked', async () => {
    await openProvider()
    const car = await carOf([a, b])
    await publish(await openDeal(), car)
    const answer = await readAll([await cidOf(b), await cidOf(a), await cidOf(b)])
    expect(answer).toEqual({ kind: 'answer', value: Buffer.concat([b, a, b]) })
  })

  it('that are not here are refused by name', async () => {
    await openProvider()
    await publish(await openDeal(), await carOf([a]))
    expect(await readAll([await cidOf(a), await cidOf(b)])).toMatchObject({
      kind: 'refused',
      code: 'BLOCK_MISSING',
      message: expect.stringContaining((await cidOf(b)).toString())
    })
  })

  it('are waited for while the many of a piece are being found', async () => {
    await openProvider()
    const many = Array.from({ length: 33_000 }, (_, i) => Uint8Array.of(i >> 16, i >> 8, i))
    await publish(await openDeal(), await carOf(many))
    expect(await readAll([await cidOf(many.at(-1)!)])).toEqual({ kind: 'answer', value: Buffer.from(many.at(-1)!) })
  })

  it('of a CAR that lies about any of them are not served', async () => {
    await openProvider()
    const dealId = await openDeal()
    await publish(dealId, await carOf([b, randomBytes(12, 700)], [await cidOf(b), await cidOf(a)]))
    expect(await readAll([await cidOf(b)])).toMatchObject({ kind: 'refused', code: 'BLOCK_MISSING' })
  })

  it('cannot be read before an order says that they are public', async () => {
    await openProvider()
    const dealId = await openDeal()
    await sendAll(dealId, await carOf([a]))
    expect(await readAll([await cidOf(a)])).toMatchObject({ kind: 'refused', code: 'BLOCK_MISSING' })
    await publish(dealId, await carOf([a]))
    expect(await readAll([await cidOf(a)])).toEqual({ kind: 'answer', value: Buffer.from(a) })
  })

  it('come in order however many there are, from memory that is used again', async () => {
    await openProvider()
    const many = Array.from({ length: 12 }, (_, i) => randomBytes(20 + i, 150_000 + i))
    await publish(await openDeal(), await carOf(many))
    const wanted = [...many, ...many.toReversed()]
    const answer = await readAll(await Promise.all(wanted.map(cidOf)))
    expect(answer).toEqual({ kind: 'answer', value: Buffer.concat(wanted) })
  })

  it('that are wrong on the disk are not served, and those before them are', async () => {
    await openProvider()
    const [a, b] = [randomBytes(40, 1024 * 1024), randomBytes(41, 5000)]
    const piece = await publish(await openDeal(), await carOf([a, b]))
    await using file = await open(join(provider.directory, piece.toString()), 'r+')
    await file.write(Uint8Array.of(b.at(-1)! ^ 1), 0, 1, (await file.stat()).size - 1)
    const answer = await download(
      client.libp2p,
      provider.addresses,
      readBlocks,
      { cids: [await cidOf(a), await cidOf(b)] },
      options()
    )
    if (answer.kind !== 'answer') throw new Error('expected bytes')
    const { chunks } = answer.value
    expect(Buffer.from((await chunks.next()).value!).equals(a)).toBe(true)
    await expect(chunks.next()).rejects.toMatchObject({ code: 'TRANSFER_REFUSED', details: { code: 'DAMAGED' } })
  })

  it('are sent in part to who asks for one, of a block that is still whole', async () => {
    await openProvider()
    const [a, b] = [randomBytes(41, 200_000), randomBytes(42, 5000)]
    const dealId = await openDeal()
    await publish(dealId, await carOf([a, b], [await cidOf(a), await cidOf(b)]))
    const part = async (blocks: readonly Uint8Array[], offset: number, length: number) => {
      const message = { cids: await Promise.all(blocks.map(cidOf)), part: { offset, length } }
      const answer = await download(client.libp2p, provider.addresses, readBlocks, message, options())
      if (answer.kind !== 'answer') return answer
      const chunks: Uint8Array[] = []
      for await (const chunk of answer.value.chunks) chunks.push(chunk)
      return { sizesBytes: answer.value.header.sizesBytes, bytes: Buffer.concat(chunks) }
    }
    expect(await part([a], 16_384, 40_000)).toEqual({ sizesBytes: [40_000], bytes: a.subarray(16_384, 56_384) })
    expect(await part([b], 4999, 1)).toEqual({ sizesBytes: [1], bytes: b.subarray(4999) })
    expect(await part([b], 0, 5000)).toEqual({ sizesBytes: [5000], bytes: b })
    for (const [blocks, offset, length] of [
      [[b], 4999, 2],
      [[b], 0, 0],
      [[b], 5000, 1],
      [[a, b], 0, 1]
    ] as const)
      expect(await part(blocks, offset, length)).toMatchObject({ kind: 'refused', code: 'BAD_RANGE' })
  })

  it('count whole also for who asks for a byte of each: they are held whole', async () => {
    const budget = createTransferBudget()
    const took = vi.spyOn(budget, 'take')
    await openProvider({ budget })
    const block = randomBytes(43, 200_000)
    const cid = await cidOf(block)
    await publish(await openDeal(), await carOf([block]))
    took.mockClear()
    const message = { cids: [cid], part: { offset: 7, length: 1 } }
    const answer = await download(client.libp2p, provider.addresses, readBlocks, message, options())
    if (answer.kind !== 'answer') throw new Error('expected bytes')
    for await (const chunk of answer.value.chunks) expect([...chunk]).toEqual([block[7]])
    expect(took.mock.calls.map(([, sizeBytes]) => sizeBytes)).toEqual([200_000])
  })

  it('of a range come along with the root of their file: the nodes on the way, then the leaves', async () => {
    await openProvider()
    const leaves = Array.from({ length: 6 }, (_, i) => randomBytes(50 + i, 1000))
    const [left, right] = [await fileOf(leaves.slice(0, 3), 1000), await fileOf(leaves.slice(3), 1000)]
    const root = await fileOf([left.block, right.block], 3000, [left.cid, right.cid])
    const names = [...(await Promise.all(leaves.map(cidOf))), left.cid, right.cid, root.cid]
    await publish(await openDeal(), await carOf([...leaves, left.block, right.block, root.block], names))
    const ahead = async (offset: number, length: number) => {
      const message = { cids: [root.cid], range: { offset, length } }
      const answer = await download(client.libp2p, provider.addresses, readBlocks, message, options())
      if (answer.kind !== 'answer') throw new Error('expected bytes')
      for await (const _ of answer.value.chunks);
      return (answer.value.header.ahead ?? []).map(cid => names.findIndex(name => name.equals(cid)))
    }
    expect(await ahead(4500, 10)).toEqual([7, 4])
    expect(await ahead(2500, 1000)).toEqual([6, 2, 7, 3])
    expect(await ahead(6000, 10)).toEqual([])
  })
})

describe('a challenge', () => {
  it('is answered to the verifiers that the round assigned, and to nobody else', async () => {
    await openProvider()
    await network.stakeAll()
    const dealId = await openDeal()
    await sendAll(dealId, BYTES)
    await network.take(network.piecesOrder(dealId, [{ cid: OBJECT }]))
    await network.openRounds(3)
    const { round } = network.state
    const itemsFor = async (from: PeerNode) => {
      const answer = await ask(challenge, { round, dealIds: [dealId, 99] }, from)
      if (answer.kind !== 'answer') throw new Error(`no answer: ${answer.kind}`)
      return answer.value.items
    }
    expect(await itemsFor(client)).toEqual([])
    const items = await Promise.all(
      ['one', 'two', 'three', 'four'].map(async name =>
        itemsFor(life.use(await startNode(keyOf(`verifier ${name}`), [])))
      )
    )
    expect(items.map(({ length }) => length).sort()).toEqual([0, 1, 1, 1])
    expect(items.flat().map(item => item.dealId)).toEqual([dealId, dealId, dealId])
    // What was answered fits the message that a push has as well.
    expect(pushProofs.request.safeParse({ round, items: items.flat() }).success).toBe(true)
    const answer = await ask(challenge, { round: round - 1, dealIds: [dealId] })
    expect(answer).toMatchObject({ kind: 'answer', value: { items: [] } })
  })
})

it('an order of a client that has no money is the ledger’s business', async () => {
  await openProvider()
  const order = network.dealOrder(PROVIDER, { client: STRANGER.address, escrow: 1n }, STRANGER)
  const proposed = await propose(order)
  if (proposed.kind !== 'answer') throw new Error(`no acceptance: ${proposed.kind}`)
  expect(await network.refusalOf({ ...order, acceptance: proposed.value.acceptance } as typeof order)).toBe(
    'BALANCE_TOO_SMALL'
  )
})
