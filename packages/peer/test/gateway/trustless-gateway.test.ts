import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import {
  type ConnectionGate,
  createConnectionGate,
  createTrafficLimiter,
  TRAFFIC_TERMS,
  type TrafficLimiter
} from '@holdfast/core'
import { prefixLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenPublicly } from '../../src/gateway/public-listener.ts'
import { createTrustlessGateway } from '../../src/gateway/trustless-gateway.ts'
import { createTransferBudget, STALLED_MS, type TransferBudget } from '../../src/provider/transfer-budget.ts'
import { createPieceBlockstore, type PieceStoreOptions } from '../../src/storage/index.ts'
import { carOf, cidOf, openTestStore, randomBytes, storePiece, storePublicly } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const MIB = 2 ** 20
const LEAF = randomBytes(1, MIB)
const SMALL = randomBytes(2, 100)
const [leafCid, smallCid] = (await Promise.all([LEAF, SMALL].map(cidOf))) as [CID, CID]

let life = new AsyncDisposableStack()
let errors: unknown[]
beforeEach(() => {
  errors = []
})
afterEach(async () => {
  // What others ask is never a bug of ours.
  expect(errors).toEqual([])
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

interface Opening {
  readonly limiter?: TrafficLimiter
  readonly budget?: Parameters<typeof createTransferBudget>[0]
  readonly gate?: Pick<ConnectionGate, 'admit'>
  readonly store?: Partial<PieceStoreOptions>
}

async function openGateway(opening: Opening = {}) {
  const { path } = life.use(await temporaryDirectory())
  const opened = life.use(await openTestStore(path, opening.store))
  const { store } = opened
  const { cid: piece } = await storePublicly(store, await carOf([LEAF, SMALL]), MIB)
  const budget = createTransferBudget(opening.budget)
  const limiter = opening.limiter ?? createTrafficLimiter()
  const gateway = createTrustlessGateway({
    store,
    blocks: createPieceBlockstore(store),
    budget,
    limiter,
    onError: error => errors.push(error)
  })
  const listening = life.use(
    await listenPublicly('/ip4/127.0.0.1/tcp/0/http', gateway, opening.gate ?? createConnectionGate())
  )
  const [address = ''] = listening.addresses()
  const port = Number(/\/tcp\/(\d+)\/http$/.exec(address)?.[1])
  return { ...opened, piece, budget, limiter, address, port, origin: `http://127.0.0.1:${port}` }
}

const blockAt = (origin: string, cid: CID, init?: RequestInit) => fetch(`${origin}/ipfs/${cid}?format=raw`, init)
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())

describe('a public block', () => {
  it('comes whole, with what a cache and a browser have to know', async () => {
    const { origin } = await openGateway()
    const response = await blockAt(origin, leafCid)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      'content-length': String(MIB),
      'content-disposition': `attachment; filename="${leafCid}.bin"`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=29030400, immutable',
      etag: `"${leafCid}.raw"`,
      'x-ipfs-path': `/ipfs/${leafCid}`
    })
    expect(Buffer.compare(await bytesOf(response), LEAF)).toBe(0)
  })

  it('comes in parts', async () => {
    const { origin } = await openGateway()
    const part = await blockAt(origin, smallCid, { headers: { range: 'bytes=10-19' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/100'])
    expect(await bytesOf(part)).toEqual(Uint8Array.from(SMALL.subarray(10, 20)))
    const past = await blockAt(origin, smallCid, { headers: { range: 'bytes=100-' } })
    expect([past.status, past.headers.get('content-range')]).toEqual([416, 'bytes */100'])
  })

  it('does not come to who has it, or asks for its headers alone', async () => {
    const { origin } = await openGateway()
    const known = await blockAt(origin, smallCid, { headers: { 'if-none-match': `W/"other", "${smallCid}.raw"` } })
    expect([known.status, await known.text()]).toEqual([304, ''])
    const head = await blockAt(origin, leafCid, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, String(MIB), ''])
  })

  it('comes out of its own CID where it stands there: so gateways are probed', async () => {
    const { origin } = await openGateway()
    const empty = await fetch(`${origin}/ipfs/bafkqaaa?format=raw`)
    expect([empty.status, await empty.text()]).toEqual([200, ''])
    const inline = CID.createV1(raw.code, identity.digest(new TextEncoder().encode('hello')))
    expect(await (await blockAt(origin, inline)).text()).toBe('hello')
  })

  it("is read by IPFS's own client", async () => {
    const { address } = await openGateway()
    const routing = {
      async *findProviders() {
        yield { multiaddrs: [multiaddr(address)], protocols: ['transport-ipfs-gateway-http'], router: 'test' }
      }
    }
    const broker = trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })({
      routing,
      logger: prefixLogger('test')
    } as unknown as Parameters<ReturnType<typeof trustlessGatewayBlockBroker>>[0])
    const block = await broker.retrieve!(leafCid, {
      async validateFn(bytes: Uint8Array) {
        expect((await cidOf(bytes)).equals(leafCid)).toBe(true)
      }
    })
    expect(Buffer.compare(block, LEAF)).toBe(0)
  })

  it('comes many times over one connection', async () => {
    const { origin } = await openGateway()
    for (let turn = 0; turn < 20; turn++) {
      const [leaf, small] = await Promise.all([blockAt(origin, leafCid), blockAt(origin, smallCid)])
      expect(Buffer.compare(await bytesOf(leaf), LEAF)).toBe(0)
      expect(Buffer.compare(await bytesOf(small), SMALL)).toBe(0)
    }
  })
})

describe('what it does not give', () => {
  it('is what it does not have, what is denied, and what is private', async () => {
    let denied: string | undefined
    const { origin, store, piece } = await openGateway({ store: { denies: cid => cid === denied } })
    const secret = randomBytes(3, 50)
    await storePiece(store, await carOf([secret]))
    const answers = async () =>
      await Promise.all(
        [await cidOf(randomBytes(4, 10)), await cidOf(secret), smallCid].map(
          async cid => (await blockAt(origin, cid)).status
        )
      )
    expect(await answers()).toEqual([404, 404, 200])
    denied = piece.toString()
    expect(await answers()).toEqual([404, 404, 404])
  })

  it('is a byte that is wrong on the disk: the store is told, and the asker sent elsewhere', async () => {
    const { origin, directory, store, events } = await openGateway()
    // Read by nobody before: what has been sent may come from memory.
    const blocks = [MIB, 100].map((size, index) => randomBytes(20 + index, size))
    const [leaf, small] = (await Promise.all(blocks.map(cidOf))) as [CID, CID]
    const car = Buffer.from(await carOf(blocks))
    const { cid: piece } = await storePublicly(store, car, MIB)
    const file = join(directory, piece.toString())
    const leafAt = car.indexOf(blocks[0]!)
    const damage = (at: number) => {
      const damaged = Buffer.from(car)
      damaged[at]! ^= 1
      return writeFile(file, damaged)
    }
    const wrong = [404, expect.stringContaining('read it elsewhere')]
    const ask = async (cid: CID, range: string) => {
      const response = await blockAt(origin, cid, { headers: { range } })
      return [response.status, await response.text()]
    }
    await damage(car.length - 1)
    for (const range of ['', 'bytes=0-9']) expect(await ask(small, range)).toEqual(wrong)
    await damage(leafAt)
    for (const range of ['', 'bytes=0-9']) expect(await ask(leaf, range)).toEqual(wrong)
    expect(events.filter(({ type }) => type === 'block-wrong')).toHaveLength(4)
    // What is far from the damage is what it was.
    expect((await blockAt(origin, leaf, { headers: { range: 'bytes=900000-900009' } })).status).toBe(206)
    await writeFile(file, car)
    expect(Buffer.compare(await bytesOf(await blockAt(origin, leaf)), blocks[0]!)).toBe(0)
  })

  it('is anything but a block: pages, paths, other methods', async () => {
    const { origin } = await openGateway()
    const ask = async (path: string, init?: RequestInit) => (await fetch(`${origin}${path}`, init)).status
    expect(await ask('/')).toBe(404)
    expect(await ask(`/ipfs/${smallCid}`)).toBe(406)
    expect(await ask(`/ipfs/${smallCid}/a?format=raw`)).toBe(400)
    expect(await ask(`/ipfs/${smallCid}?format=raw`, { method: 'DELETE' })).toBe(405)
  })
})

/** Asks for the leaf again and again over one connection and reads none of it, until no buffer of the system takes any more. */
async function stall(port: number, budget: TransferBudget): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  life.defer(() => void socket.destroy())
  socket.on('error', () => undefined)
  socket.pause()
  for (let full = 0; full < 5; await pause(20)) {
    full = budget.takenBytes > 0 ? full + 1 : 0
    if (full === 0) socket.write(`GET /ipfs/${leafCid}?format=raw HTTP/1.1\r\nHost: a\r\n\r\n`)
  }
  return socket
}

describe('what strangers can cost', () => {
  /** Room for one leaf. */
  const room = { bytesMax: MIB, bytesPerPeerMax: MIB }

  it('is their share of the memory for transfers: it comes back when they go', async () => {
    const { origin, port, budget } = await openGateway({ budget: room })
    const stalled = await stall(port, budget)
    const refused = await blockAt(origin, leafCid)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5'])
    stalled.destroy()
    await expect.poll(() => budget.takenBytes).toBe(0)
    expect((await blockAt(origin, leafCid)).status).toBe(200)
  })

  it('is nothing that others wait for: what stands still is cut', async () => {
    const clock = { nowMs: 0, now: () => clock.nowMs }
    const { port, budget } = await openGateway({ budget: { ...room, clock } })
    await stall(port, budget)
    const wait = () => budget.take('another peer', MIB, () => undefined)
    expect(wait()).toMatchObject({ ok: false, code: 'BUSY' })
    clock.nowMs += STALLED_MS
    expect(wait()).toMatchObject({ ok: true })
  })

  it('is a number of requests: then they are told to come back, and no more is read for them', async () => {
    const { origin } = await openGateway({
      limiter: createTrafficLimiter({ ...TRAFFIC_TERMS, requests: { burst: 4, perSecond: 0.01 } })
    })
    const statuses: number[] = []
    for (let turn = 0; turn < 6; turn++) statuses.push((await blockAt(origin, smallCid)).status)
    expect(statuses[0]).toBe(200)
    expect(statuses.at(-1)).toBe(429)
  })

  it('is as many connections as the gate admits, by where they come from', async () => {
    const asked: string[] = []
    const left: string[] = []
    const gate = {
      admit(address: string) {
        asked.push(address)
        return asked.length > 1 ? undefined : () => void left.push(address)
      }
    }
    const { port } = await openGateway({ gate })
    const open = async () => {
      const socket = connect({ port, host: '127.0.0.1' })
      life.defer(() => void socket.destroy())
      await once(socket, 'connect')
      return socket
    }
    const first = await open()
    const second = await open()
    await once(second.resume(), 'close')
    expect(asked).toEqual([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/), expect.anything()])
    first.destroy()
    await expect.poll(() => left).toEqual(asked.slice(0, 1))
  })

  it('is no socket that says nothing, or too much', async () => {
    const { port } = await openGateway()
    const silent = connect({ port, host: '127.0.0.1' })
    silent.on('error', () => undefined)
    const closed = new Promise<void>(resolve => silent.once('close', () => resolve()))
    silent.resume()
    await closed
    const long = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ port, host: '127.0.0.1', path: `/ipfs/${'a'.repeat(20_000)}` }, resolve).once('error', reject)
    })
    expect(long.statusCode).toBe(431)
    long.resume()
  })

  it('is no body of a request', async () => {
    const { port, origin } = await openGateway()
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const asking = request({ port, host: '127.0.0.1', method: 'POST', path: `/ipfs/${smallCid}?format=raw` }, resolve)
      asking.once('error', reject)
      asking.end('x'.repeat(100_000))
    })
    expect([answer.statusCode, await text(answer)]).toEqual([405, expect.stringContaining('GET')])
    expect((await blockAt(origin, smallCid)).status).toBe(200)
  })
})

it('says what to do when its port is taken', async () => {
  const { port } = await openGateway()
  const again = listenPublicly(`/ip4/127.0.0.1/tcp/${port}/http`, () => undefined, createConnectionGate())
  await expect(again).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining('[gateway] listen')
  })
})
