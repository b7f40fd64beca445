import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type BearerPermission,
  createSigner,
  formatBearer,
  labelOfAddress,
  proposeDeal,
  RANGE_OVER_HTTP_SIZE_BYTES_MAX,
  request,
  signReadPermission,
  statementDigestOf
} from '@holdfast/core'
import { enclosingQuads, verifyRange } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, PROVIDER, STRANGER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { createHttpSource } from '../../src/client/http-source.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { carOf, cidOf, nodeHasher, pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { piecesLeftOpen } from './pieces-left-open.ts'
import { WireClient } from './wire.ts'

const BYTES = randomBytes(1, 2_500_000)
const LABEL_KEY = randomBytes(2, 32)
const PRIVATE = labelOfAddress(createSigner(LABEL_KEY).address)

let life = new AsyncDisposableStack()
let network: TestNetwork
let provider: TestProvider
let client: WireClient
let stranger: WireClient
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 100_000_000 } })
  await network.take(network.ask(PROVIDER), network.dealOrder(PROVIDER))
  provider = life.use(await openTestProvider(path, network))
  client = new WireClient(life.use(await startNode(keyOf('client'), [])), network)
  stranger = new WireClient(life.use(await startNode(keyOf('stranger'), [])), network)
})
afterEach(async () => {
  await provider.stopServing()
  expect(provider.errors).toEqual([])
  expect(provider.budget.takenBytes).toBe(0)
  await expect.poll(() => piecesLeftOpen(provider.directory)).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const fileOf = (cid: CID) => join(provider.directory, cid.toString())

function permissionFor(reader = STRANGER) {
  const terms = { provider: PROVIDER.address, reader: reader.address, validUntilRound: network.state.round + 3 }
  return signReadPermission(LABEL_KEY, terms, statementDigestOf(network.state))
}

describe('a public piece', () => {
  it.each([
    [0, 1],
    [0, BYTES.length],
    [BYTES.length - 1, 1],
    [1_000_001, 1_200_000]
  ])('is read by a stranger from byte %i, %i bytes', async (offset, length) => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    const answer = await stranger.readRange(provider.addresses, { piece, offset, length })
    if (answer.kind !== 'answer') throw new Error(answer.kind)
    expect(answer.value).toMatchObject({ offset, length })
    expect(answer.value.nodes).toHaveLength(0)
    expect(answer.value.bytes.equals(BYTES.subarray(offset, offset + length))).toBe(true)
  })

  it.each([
    [0, 1],
    [127 * 5 + 3, 1_700_000],
    [BYTES.length - 3, 3]
  ])('is proved from byte %i, %i bytes, against its CID alone', async (offset, length) => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    const answer = await stranger.readRange(provider.addresses, { piece, offset, length, proof: true })
    if (answer.kind !== 'answer') throw new Error(answer.kind)
    const { bytes, nodes, ...header } = answer.value
    const range = { offset, size: length }
    const quads = enclosingQuads(range, BYTES.length)
    expect(header).toEqual({ offset: quads.offset, length: quads.size })
    const { root, rawSize } = (await provider.store.get(piece))!
    expect(verifyRange({ commitment: { root, rawSize }, range, bytes, nodes, nodeHasher })).toEqual({ ok: true })
    bytes[0]! ^= 1
    expect(verifyRange({ commitment: { root, rawSize }, range, bytes, nodes, nodeHasher }).ok).toBe(false)
  })

  it.each([
    ['behind its end', BYTES.length, 1, false],
    ['over its end', 0, BYTES.length + 1, false],
    ['too long to prove', 0, 16 * 1024 * 1024 + 1, true]
  ])('is refused %s', async (_, offset, length, proof) => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    expect(await client.readRange(provider.addresses, { piece, offset, length, proof })).toMatchObject({
      kind: 'refused',
      code: 'BAD_RANGE'
    })
  })

  it('is nobody’s before it is ordered but its client’s', async () => {
    const sent = await client.upload(provider.addresses, 1, BYTES)
    if (sent.kind !== 'answer') throw new Error(sent.kind)
    const { cid: piece } = sent.value
    expect(await client.readRange(provider.addresses, { piece, length: 5 })).toMatchObject({ kind: 'answer' })
    expect(await stranger.readRange(provider.addresses, { piece, length: 5 })).toMatchObject({ code: 'PIECE_MISSING' })
  })
})

describe('a private piece', () => {
  it('is its client’s, and that of whoever has a permission; to others it is not there', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES, PRIVATE)
    const wanted = { piece, offset: 7, length: 9 }
    expect(await client.readRange(provider.addresses, wanted)).toMatchObject({
      value: { bytes: Buffer.from(BYTES.subarray(7, 16)) }
    })
    const permission = permissionFor()
    expect(await stranger.readRange(provider.addresses, { ...wanted, permission })).toMatchObject({ kind: 'answer' })

    const absent = CID.parse(pieceCidOf(randomBytes(9, BYTES.length)))
    const refusals = await Promise.all([
      stranger.readRange(provider.addresses, wanted),
      stranger.readRange(provider.addresses, { ...wanted, permission: permissionFor(PROVIDER) }),
      stranger.readRange(provider.addresses, { ...wanted, offset: BYTES.length * 2 }),
      stranger.readRange(provider.addresses, { ...wanted, piece: absent }),
      stranger.readRange(provider.addresses, { ...wanted, piece: absent, permission })
    ])
    for (const refusal of refusals) {
      if (refusal.kind !== 'refused') throw new Error(refusal.kind)
      const said = { ...refusal, message: refusal.message.replaceAll(/bafkz\w+/g, 'CID') }
      expect(said).toEqual({
        kind: 'refused',
        code: 'PIECE_MISSING',
        message: 'I have no piece CID for you',
        details: {}
      })
    }
  })

  it('that is plain content all the same is served block by block to nobody', async () => {
    const block = randomBytes(3, 1000)
    await client.store(provider.addresses, 1, await carOf([block]), PRIVATE)
    expect(await provider.store.findBlock(await cidOf(block))).toBeUndefined()
  })

  it('cannot be made public by an order of somebody who did not bring it', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES, PRIVATE)
    await network.take(network.dealOrder(PROVIDER))
    const order = network.piecesOrder(2, [{ cid: piece }])
    if (order.kind !== 'PiecesOrder') throw new TypeError('expected an order')
    const { kind, statement, signature } = order
    const message = { kind, statement, signature }
    expect(await request(client.node.libp2p, provider.addresses, proposeDeal, message, client.options)).toMatchObject({
      kind: 'refused',
      code: 'PIECE_MISSING'
    })
  })
})

describe('over HTTPS', () => {
  function ask(piece: CID, offset: number, length: number, bearer: BearerPermission | undefined) {
    const { node } = stranger
    const source = life.use(createHttpSource({ named: [], party: node.party }))
    const port = Number(/\/tcp\/(\d+)/.exec(String(provider.addresses[0]))![1])
    return source.request({
      origin: `https://127.0.0.1:${port}`,
      peer: String(provider.node.peerId),
      target: `/piece/${piece}`,
      accept: 'application/octet-stream',
      ...(bearer !== undefined && { authorization: formatBearer(bearer) }),
      range: { offset, length },
      sizeBytesMax: length,
      timeoutMs: 5_000,
      wholeTimeoutMs: 5_000,
      allocate: sizeBytes => new Uint8Array(sizeBytes),
      onAnswer: () => undefined,
      onBytes: () => undefined
    })
  }
  const bearer = () => ({ permission: permissionFor(), reader: STRANGER.address })

  it.each([
    [0, 1],
    [65_536, 196_608],
    [1, 2_400_000],
    [BYTES.length - 1, 1]
  ])('a private piece is read with a permission from byte %i, %i bytes', async (offset, length) => {
    const piece = await client.store(provider.addresses, 1, BYTES, PRIVATE)
    const answer = await ask(piece, offset, length, bearer())
    if (!answer.ok) throw new Error(answer.reason)
    expect(Buffer.compare(answer.bytes, BYTES.subarray(offset, offset + length))).toBe(0)
  })

  it('to others it is not there, its client among them: nobody shows who he is', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES, PRIVATE)
    const absent = CID.parse(pieceCidOf(randomBytes(9, BYTES.length)))
    const refused = { ok: false, reason: 'answered with status 404' }
    expect(await ask(piece, 0, 9, undefined)).toMatchObject(refused)
    expect(await ask(piece, 0, 9, { ...bearer(), reader: CLIENT.address })).toMatchObject(refused)
    expect(await ask(piece, 0, 9, { permission: permissionFor(PROVIDER), reader: CLIENT.address })).toMatchObject(
      refused
    )
    expect(await ask(absent, 0, 9, bearer())).toMatchObject(refused)
  })

  it('a public piece is anybody’s, as far as it goes, and not all at once', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    expect(await ask(piece, 5, 9, undefined)).toMatchObject({ ok: true })
    expect(await ask(piece, BYTES.length, 9, undefined)).toMatchObject({ reason: 'answered with status 416' })
    const long = await client.store(provider.addresses, 1, randomBytes(4, RANGE_OVER_HTTP_SIZE_BYTES_MAX + 1))
    expect(await ask(long, 0, RANGE_OVER_HTTP_SIZE_BYTES_MAX + 1, undefined)).toMatchObject({
      reason: 'answered with status 416'
    })
  })

  it.each([
    ['the first byte', 5, 'answered with status 404'],
    ['a later one', 200_000, 'hung up in the middle of an answer']
  ])('what is wrong on the disk is not sent, be it %s', async (_, at, reason) => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    await flip(piece, at)
    expect(await ask(piece, 0, 300_000, undefined)).toMatchObject({ ok: false, reason })
    await expect.poll(async () => (await provider.store.get(piece))?.isDamaged).toBe(true)
  })
})

async function flip(cid: CID, at: number): Promise<void> {
  const bytes = await readFile(fileOf(cid))
  bytes[at]! ^= 1
  await writeFile(fileOf(cid), bytes)
}

describe('a byte that is wrong on the disk', () => {
  it('is refused at the front of a range, and the piece is marked', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    await flip(piece, 20_000)
    expect(await stranger.readRange(provider.addresses, { piece, offset: 16_300, length: 10 })).toMatchObject({
      kind: 'refused',
      code: 'DAMAGED'
    })
    expect(await stranger.readRange(provider.addresses, { piece, offset: 0, length: 10 })).toMatchObject({
      kind: 'answer'
    })
    expect(provider.events).toContainEqual({ type: 'range-wrong', piece: piece.toString(), offset: 16_256 })
    await expect.poll(async () => (await provider.store.get(piece))?.isDamaged).toBe(true)
  })

  it('ends a transfer that has begun, before any byte of its subtree', async () => {
    const piece = await client.store(provider.addresses, 1, BYTES)
    const at = 2_000_000
    await flip(piece, at)
    const answer = await stranger.openRange(provider.addresses, { piece, length: BYTES.length })
    if (answer.kind !== 'answer') throw new Error(answer.kind)
    const got: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of answer.value.chunks) got.push(chunk)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'TRANSFER_REFUSED', details: { code: 'DAMAGED' } })
    const bytes = Buffer.concat(got)
    expect(bytes.equals(BYTES.subarray(0, bytes.length))).toBe(true)
    expect(bytes.length).toBeLessThanOrEqual(at)
  })
})
