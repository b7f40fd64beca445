/** A private piece that a provider lost, made again by its client from another replica: over the wire, on real stores. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  asRepairKey,
  deriveLabel,
  portableSignatureVerifier,
  type RepairEvent,
  type RepairReference,
  readReplica,
  repairObjects
} from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT, OTHER_PROVIDER, PROVIDER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { nodePieceCiphers } from '../../src/ciphers.ts'
import { keyOf, startNode } from '../open-nodes.ts'
import { nodeHasher, pieceCidOf, randomBytes } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestProvider, type TestProvider } from './open-test-provider.ts'
import { WireClient } from './wire.ts'

const INNER = randomBytes(1, 1024 * 1024 + 5)
const REFERENCE: RepairReference = { repairKey: asRepairKey(randomBytes(2, 32)), layout: 'distinct', pieceCount: 1 }

let life = new AsyncDisposableStack()
let network: TestNetwork
let providers: TestProvider[]
let client: WireClient
/** What the second provider misses, and what it was told is back. */
let lost: Set<string>
let mended: string[]
let replicas: { bytes: Uint8Array; cid: CID }[]
let events: RepairEvent[]

beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  network = new TestNetwork({ money: { uncollateralisedBytesMax: 100_000_000 } })
  lost = new Set()
  mended = []
  events = []
  const losses = { list: () => [...lost], mended: (piece: string) => void mended.push(piece) }
  // The second one has no quota for another piece.
  const second = { name: 'provider two', lost: losses, capacityBytes: Math.floor(INNER.length * 1.5) }
  providers = [
    life.use(await openTestProvider(join(path, 'one'), network)),
    life.use(await openTestProvider(join(path, 'two'), network, second))
  ]
  client = new WireClient(life.use(await startNode(keyOf('client'), [])), network)
  const [one, two] = providers.map(({ node }) => ({ addresses: node.addresses() }))
  await network.take(network.ask(PROVIDER, one), network.ask(OTHER_PROVIDER, two))
  await network.take(network.dealOrder(PROVIDER), network.dealOrder(OTHER_PROVIDER))
  replicas = []
  for (const [replica, provider] of providers.entries()) {
    const place = { replica, piece: 0 }
    const bytes = await replicaOf(place)
    const cid = await client.store(provider.addresses, replica + 1, bytes, deriveLabel(REFERENCE.repairKey, place))
    await provider.store.keep(cid, String(replica + 1))
    replicas.push({ bytes, cid })
  }
  await network.openRounds(3)
})
afterEach(async () => {
  for (const { errors } of providers) expect(errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function replicaOf(place: { replica: number; piece: number }): Promise<Uint8Array> {
  async function* inner() {
    yield new Uint8Array(INNER)
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of readReplica({ ...REFERENCE, ciphers: nodePieceCiphers, place, inner: inner() }))
    chunks.push(chunk)
  return Buffer.concat(chunks)
}

const repair = (references = [REFERENCE], signal?: AbortSignal) =>
  repairObjects(
    {
      node: client.node.libp2p,
      ledger: network.ledger,
      signer: CLIENT,
      random: sizeBytes => randomBytes(9, sizeBytes),
      verifier: portableSignatureVerifier,
      ciphers: nodePieceCiphers,
      nodeHasher
    },
    references,
    { onProgress: event => events.push(event), signal }
  )

const fileOf = (index: number) => join(providers[index]!.directory, replicas[index]!.cid.toString())

async function flipByte(index: number, offset: number): Promise<void> {
  const bytes = await readFile(fileOf(index))
  bytes[offset]! ^= 1
  await writeFile(fileOf(index), bytes)
}

describe('a repair by the client', () => {
  it.each(['a flipped byte', 'a missing file'])('makes good %s, also where the quota is full', async what => {
    const { cid } = replicas[1]!
    if (what === 'a missing file') await rm(fileOf(1))
    else await flipByte(1, 77_777)
    lost.add(cid.toString())
    const { sequence } = network.state
    const found = { piece: cid.toString(), dealId: 2, provider: OTHER_PROVIDER.address, from: PROVIDER.address }
    expect(await repair()).toMatchObject({ repaired: [found], failed: [] })
    expect(events.map(({ kind }) => kind).filter(kind => kind !== 'progress')).toEqual(['repairing', 'repaired'])
    expect(await providers[1]!.store.check(cid)).toEqual({ ok: true })
    expect(await providers[1]!.store.get(cid)).toMatchObject({ isDamaged: false, deals: ['2'] })
    expect(mended).toEqual([cid.toString()])
    expect(network.state.sequence).toBe(sequence)
    // A second loss of the same piece is made good as well.
    await rm(fileOf(1))
    expect(await repair()).toMatchObject({ repaired: [found], failed: [] })
    expect(await providers[1]!.store.check(cid)).toEqual({ ok: true })
  })

  it('has nothing to do where nobody says that something is lost', async () => {
    expect(await repair()).toEqual({ repaired: [], failed: [] })
    expect(await repair([{ ...REFERENCE, repairKey: asRepairKey(randomBytes(3, 32)) }])).toEqual({
      repaired: [],
      failed: []
    })
  })

  it('sends nothing on that a rotten source gives', async () => {
    await flipByte(0, 700_000)
    lost.add(replicas[1]!.cid.toString())
    const { repaired, failed } = await repair()
    expect(repaired).toEqual([])
    expect(failed).toMatchObject([{ dealId: 2, reason: expect.stringContaining('my disk no longer has these bytes') }])
    expect(events.map(({ kind }) => kind)).toContain('sourceFailed')
    expect(mended).toEqual([])
  })

  it('says so when no other replica is left, and ends with the signal', async () => {
    lost.add(replicas[1]!.cid.toString())
    await network.take(network.removePieces(CLIENT, 1, [0]))
    expect(await repair()).toMatchObject({ failed: [{ reason: expect.stringContaining('no other replica') }] })
    const reason = new Error('enough')
    await expect(repair([REFERENCE], AbortSignal.abort(reason))).rejects.toBe(reason)
  })
})

describe('an upload that mends', () => {
  it('is refused for what is not missed, for another size, and by bytes that are something else', async () => {
    const [, provider] = providers
    const { bytes, cid } = replicas[1]!
    const send = (mends: CID, what = bytes) => client.upload(provider!.addresses, 2, what, { mends })
    expect(await send(cid)).toMatchObject({ kind: 'refused', code: 'NOT_LOST' })
    lost.add(cid.toString())
    expect(await send(cid, bytes.subarray(1))).toMatchObject({ kind: 'refused', code: 'NOT_LOST' })
    const other = randomBytes(4, bytes.length)
    lost.add(pieceCidOf(other))
    expect(await send(CID.parse(pieceCidOf(other)), other)).toMatchObject({ kind: 'refused', code: 'NOT_LOST' })
    expect(await send(cid, other)).toMatchObject({ kind: 'refused', code: 'OTHER_PIECE' })
    expect(await provider!.store.has(CID.parse(pieceCidOf(other)))).toBe(false)
    expect(provider!.store.usage()).toMatchObject({ reservedBytes: 0, suspendedBytes: 0 })
    expect(mended).toEqual([])
  })
})
