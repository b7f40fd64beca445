import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { type AddressInfo, connect as connectPlainly, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionOptions, connect, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { HttpRequest } from '@holdfast/core'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it } from 'vitest'
import { createHttpSource } from '../../src/client/http-source.ts'
import { createNode, type PeerNode } from '../../src/node.ts'
import { createIdentity } from '../../src/transport/certificate.ts'
import { startNode } from '../open-nodes.ts'

/** As long as node.ts gives a handshake, and a little. */
const PATIENCE_MS = 3_500

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const addressOf = (node: PeerNode) => multiaddr(node.addresses()[0]!)

/** A node that answers requests, and where; `serving` ends it. */
async function openServer(listener: RequestListener = (_, response) => void response.end('here')) {
  const node = life.use(await startNode())
  const serving = node.web.serve('/', listener)
  const port = Number(/\/tcp\/(\d+)/.exec(node.addresses()[0]!)![1])
  return { node, serving, port }
}

function ask(port: number, peer: string, wishes: Partial<HttpRequest> = {}, source = openSource()) {
  return source.request({
    origin: `https://127.0.0.1:${port}`,
    peer,
    target: '/',
    accept: '*/*',
    sizeBytesMax: 1_000,
    timeoutMs: 2_000,
    wholeTimeoutMs: 2_000,
    allocate: sizeBytes => new Uint8Array(sizeBytes),
    onAnswer: () => undefined,
    onBytes: () => undefined,
    ...wishes
  })
}

const askers = await createNode({ privateKey: randomBytes(32), listen: [] })
const openSource = () => life.use(createHttpSource({ named: [], party: askers.party }))

const answered = { ok: true, bytes: new TextEncoder().encode('here') }

async function openTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...options
  })
  life.defer(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** Until the other side is gone, however it went. */
async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  socket.resume()
  if (!socket.destroyed) await once(socket, 'close')
}

it('answers HTTPS where libp2p is spoken, with the certificate of the same peer', async () => {
  const from: (string | undefined)[] = []
  const { node, port } = await openServer(({ socket }, response) => {
    from.push(socket.remoteAddress)
    response.end('here')
  })
  const source = openSource()
  expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject(answered)
  // What its pace is counted by.
  expect(from).toEqual(['127.0.0.1'])
  expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject(answered)
  const other = life.use(await startNode())
  const connection = await other.libp2p.dial(addressOf(node))
  expect(`${connection.remotePeer}`).toBe(`${node.peerId}`)
  expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject(answered)
})

it('is not believed to be another peer, and hears nothing then', async () => {
  const heard: string[] = []
  const { port } = await openServer(({ url = '' }, response) => {
    heard.push(url)
    response.end('here')
  })
  expect(await ask(port, `${askers.peerId}`)).toMatchObject({
    ok: false,
    reason: expect.stringContaining(`answered in place of ${askers.peerId}`)
  })
  expect(heard).toEqual([])
})

it('goes on with a session of who came not long ago, and proves itself anew to who comes later', async () => {
  const resumed: boolean[] = []
  const { node, port } = await openServer(({ socket }, response) => {
    resumed.push((socket as TLSSocket).isSessionReused())
    response.setHeader('Connection', 'close').end('here')
  })
  let nowMs = 1_000_000
  let proofs = 0
  const peerOf = (socket: TLSSocket) => {
    proofs += 1
    return askers.party.peerOf(socket)
  }
  const source = life.use(createHttpSource({ named: [], party: { peerOf }, now: () => nowMs }))
  const askAfter = async (ms: number) => {
    nowMs += ms
    expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject(answered)
  }
  for (const ms of [0, 60_000, 239_000, 2_000, 1_000]) await askAfter(ms)
  expect(resumed).toEqual([false, true, true, false, true])
  expect(proofs).toBe(2)
})

it('is not taken for who had its place before, with whom there was a session', async () => {
  const closing: RequestListener = (_, response) => void response.setHeader('Connection', 'close').end('here')
  const before = await openServer(closing)
  const source = openSource()
  const peer = `${before.node.peerId}`
  expect(await ask(before.port, peer, {}, source)).toMatchObject(answered)
  await before.node.stop()
  const listen = [`/ip4/127.0.0.1/tcp/${before.port}`]
  const other = await createNode({ privateKey: randomBytes(32), listen })
  life.defer(() => other.stop())
  await other.start()
  other.web.serve('/', closing)
  for (let turn = 0; turn < 2; turn++)
    expect(await ask(before.port, peer, {}, source)).toMatchObject({
      ok: false,
      reason: expect.stringContaining(`in place of ${peer}`)
    })
  expect(await ask(before.port, `${other.peerId}`, {}, source)).toMatchObject(answered)
})

it('is not taken at its word by who has not asked yet: that may be anybody', async () => {
  const identity = await createIdentity(await generateKeyPair('secp256k1'))
  const server = createTlsServer({ ...identity, ALPNProtocols: ['http/1.1'] }, socket => {
    socket.on('error', () => undefined)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlies')
  })
  life.defer(() => void server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const peerOf = (socket: TLSSocket) => pause(100).then(() => askers.party.peerOf(socket))
  const source = life.use(createHttpSource({ named: [], party: { peerOf } }))
  expect(await ask(port, `${askers.peerId}`, {}, source)).toEqual({
    ok: false,
    reason: 'answers before it was asked',
    isSilent: false
  })
})

it('is not there before somebody answers, and not after', async () => {
  const node = life.use(await startNode())
  const port = Number(/\/tcp\/(\d+)/.exec(node.addresses()[0]!)![1])
  expect(await ask(port, `${node.peerId}`)).toMatchObject({ ok: false })
  const serving = node.web.serve('/', (_, response) => void response.end('here'))
  const source = openSource()
  expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject(answered)
  serving[Symbol.dispose]()
  expect(await ask(port, `${node.peerId}`, {}, source)).toMatchObject({ ok: false })
})

it('speaks nothing but HTTP in TLS that begins at once', async () => {
  const { port } = await openServer()
  await expect(openTls(port, { ALPNProtocols: ['h2'] })).rejects.toThrow()
  await expect(openTls(port, { ALPNProtocols: ['libp2p'] })).rejects.toThrow()
  await gone(await openTls(port, { ALPNProtocols: [] }))
})

it('ends who says nothing, who stays in the handshake, and who drips a request, in time', async () => {
  const { port } = await openServer()
  const silent = connectPlainly(port, '127.0.0.1')
  const halfway = connectPlainly(port, '127.0.0.1')
  halfway.write(Uint8Array.of(22, 3, 1))
  const quiet = await openTls(port)
  const dripping = await openTls(port)
  const drip = setInterval(() => dripping.write('a'), 50)
  dripping.write('GET /')
  await Promise.race([
    Promise.all([silent, halfway, quiet, dripping].map(gone)),
    pause(PATIENCE_MS).then(() => Promise.reject(new Error('somebody is still here')))
  ])
  clearInterval(drip)
})

it('takes no more than it has places for, and those who come over libp2p all the same', async () => {
  const { node, port } = await openServer()
  const held: TLSSocket[] = []
  for (let count = 0; count < 64; count++) {
    const socket = await openTls(port)
    socket.on('error', () => undefined)
    held.push(socket)
  }
  expect(await ask(port, `${node.peerId}`)).toMatchObject({ ok: false })
  const other = life.use(await startNode())
  await other.libp2p.dial(addressOf(node))
  held[0]!.destroy()
  await expect.poll(async () => (await ask(port, `${node.peerId}`)).ok).toBe(true)
})

it('ends with its node', async () => {
  const { node, port } = await openServer()
  const socket = await openTls(port)
  await node.stop()
  await gone(socket)
  expect(await ask(port, `${node.peerId}`)).toMatchObject({ ok: false })
})
