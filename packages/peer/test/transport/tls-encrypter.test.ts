import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { createNode, type PeerNode } from '../../src/node.ts'
import { createIdentity, encodeCertificate, type Identity } from '../../src/transport/certificate.ts'

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

const PROTOCOL = '/test/echo/1'
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

async function startOurs(): Promise<PeerNode> {
  const node = await createNode({ privateKey: randomBytes(32), listen: [LOOPBACK] })
  life.use(node)
  await node.start()
  await node.libp2p.handle(PROTOCOL, echo)
  return node
}

/** A node of somebody else, with libp2p's own transport. */
async function startTheirs(encrypter: ReturnType<typeof tls> | ReturnType<typeof noise>): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
  life.defer(async () => {
    await node.stop()
  })
  await node.handle(PROTOCOL, echo)
  return node
}

/** Sends back what comes, no faster than it is taken. */
async function echo(stream: Stream): Promise<void> {
  const waiting: Uint8Array[] = []
  let ended = false
  const flush = () => {
    while (waiting.length > 0 && !stream.writableNeedsDrain) stream.send(waiting.shift()!)
    if (waiting.length === 0 && ended) stream.close().catch(() => {})
  }
  stream.addEventListener('message', ({ data }) => {
    waiting.push(data.subarray())
    flush()
  })
  stream.addEventListener('drain', flush)
  stream.addEventListener('remoteCloseWrite', () => {
    ended = true
    flush()
  })
}

/** @returns the connection as both ends see it */
async function connectOurs(server: PeerNode, client: PeerNode): Promise<[Connection, Connection]> {
  const opened = new Promise<Connection>(resolve =>
    server.libp2p.addEventListener('connection:open', ({ detail }) => resolve(detail), { once: true })
  )
  return Promise.all([client.libp2p.dial(addressesOf(server)), opened])
}

/** @returns what came back for `bytes` */
async function echoed(connection: Connection, bytes: Uint8Array): Promise<Buffer> {
  const stream = await connection.newStream(PROTOCOL)
  const back: Uint8Array[] = []
  const ended = new Promise<void>((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => back.push(data.subarray()))
    stream.addEventListener('remoteCloseWrite', () => resolve())
    stream.addEventListener('close', ({ error }) => error !== undefined && reject(error))
  })
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    if (!stream.send(bytes.subarray(offset, offset + 100_000)))
      await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
  }
  await stream.close()
  await ended
  return Buffer.concat(back)
}

const addressesOf = (node: PeerNode | Libp2p): Multiaddr[] =>
  'addresses' in node ? node.addresses().map(address => multiaddr(address)) : node.getMultiaddrs()
const portOf = (node: PeerNode) => Number(/tcp\/(\d+)/.exec(node.addresses()[0] ?? '')?.[1])

describe('two nodes speak TLS', () => {
  const bytes = randomBytes(5_000_000)

  it('ours with ours', async () => {
    const [server, client] = [await startOurs(), await startOurs()]
    const [connection, theirs] = await connectOurs(server, client)
    expect(connection).toMatchObject({ encryption: '/tls/1.0.0', multiplexer: '/yamux/1.0.0' })
    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
    expect(theirs.remotePeer.equals(client.peerId)).toBe(true)
    expect((await echoed(connection, bytes)).equals(bytes)).toBe(true)
  })

  it('ours dials that of @libp2p/tls', async () => {
    const [server, client] = [await startTheirs(tls()), await startOurs()]
    const connection = await client.libp2p.dial(addressesOf(server))
    expect(connection.encryption).toBe('/tls/1.0.0')
    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
    expect((await echoed(connection, bytes)).equals(bytes)).toBe(true)
  })

  it('that of @libp2p/tls dials ours', async () => {
    const [server, client] = [await startOurs(), await startTheirs(tls())]
    const connection = await client.dial(addressesOf(server))
    expect(connection.encryption).toBe('/tls/1.0.0')
    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
    expect((await echoed(connection, bytes)).equals(bytes)).toBe(true)
  })

  it('and Noise with whoever speaks nothing else', async () => {
    const [server, other] = [await startOurs(), await startTheirs(noise())]
    expect((await other.dial(addressesOf(server))).encryption).toBe('/noise')
    const client = await startOurs()
    expect((await client.libp2p.dial(addressesOf(other))).encryption).toBe('/noise')
  })
})

describe('the end of a connection', () => {
  it('comes after the bytes that were sent before it', async () => {
    const [server, client] = [await startOurs(), await startOurs()]
    const bytes = randomBytes(1_000_000)
    const received = Promise.withResolvers<Buffer>()
    await server.libp2p.handle('/test/sink/1', stream => {
      const parts: Uint8Array[] = []
      stream.addEventListener('message', ({ data }) => parts.push(data.subarray()))
      stream.addEventListener('remoteCloseWrite', () => received.resolve(Buffer.concat(parts)))
    })
    const connection = await client.libp2p.dial(addressesOf(server))
    const stream = await connection.newStream('/test/sink/1')
    stream.send(bytes)
    await stream.close()
    await connection.close()
    expect((await received.promise).equals(bytes)).toBe(true)
    expect(connection.status).toBe('closed')
  })

  it.each(['the one that dialled', 'the one that was dialled'])('is seen by both when %s aborts', async who => {
    const [server, client] = [await startOurs(), await startOurs()]
    const [ours, theirs] = await connectOurs(server, client)
    const [aborts, sees] = who === 'the one that dialled' ? [ours, theirs] : [theirs, ours]
    const closed = new Promise(resolve => sees.addEventListener('close', resolve, { once: true }))
    aborts.abort(new Error('enough'))
    await closed
    expect(aborts.status).toBe('aborted')
    await expect(sees.newStream(PROTOCOL)).rejects.toThrow()
  })

  it('frees a writer that waits', async () => {
    const [server, client] = [await startOurs(), await startOurs()]
    await server.libp2p.handle('/test/stalled/1', stream => stream.pause())
    const [connection, theirs] = await connectOurs(server, client)
    const stream = await connection.newStream('/test/stalled/1')
    while (stream.send(new Uint8Array(100_000)));
    const closed = new Promise(resolve => stream.addEventListener('close', resolve, { once: true }))
    theirs.abort(new Error('enough'))
    await closed
    expect(stream.status).not.toBe('open')
  })
})

/** What a dialler of multistream-select says and hears until TLS begins. */
const HELLO = Buffer.concat([lengthPrefixed('/multistream/1.0.0\n'), lengthPrefixed('/tls/1.0.0\n')])

function lengthPrefixed(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)])
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port })
  life.defer(() => {
    socket.destroy()
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** A socket on which the other side already waits for TLS. */
async function openNegotiated(port: number): Promise<Socket> {
  const socket = await openSocket(port)
  socket.write(HELLO)
  for (let answer = Buffer.alloc(0); answer.length < HELLO.length; ) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    answer = Buffer.concat([answer, bytes])
  }
  socket.pause()
  return socket
}

/** TLS whose first record comes in one packet with the negotiation, as diallers do that do not wait for an answer. */
function lazily(socket: Socket): Duplex {
  let toSkip = HELLO.length
  let isFirst = true
  const duplex = new Duplex({
    write(bytes: Buffer, _encoding, done) {
      socket.write(isFirst ? Buffer.concat([HELLO, bytes]) : bytes, error => done(error))
      isFirst = false
    },
    read() {}
  })
  socket.on('data', bytes => {
    const skipped = Math.min(toSkip, bytes.length)
    toSkip -= skipped
    if (bytes.length > skipped) duplex.push(bytes.subarray(skipped))
  })
  socket.on('close', () => duplex.push(null))
  return duplex
}

const SETTINGS = { ALPNProtocols: ['libp2p'], minVersion: 'TLSv1.3', rejectUnauthorized: false } as const

it('loses no byte that came together with the choice of TLS', async () => {
  const server = await startOurs()
  const identity = await createIdentity(await generateKeyPair('secp256k1'))
  const secure = connectTls({ socket: lazily(await openSocket(portOf(server))), ...identity, ...SETTINGS })
  secure.on('error', () => {})
  await once(secure, 'secureConnect')
  secure.write(Buffer.concat([lengthPrefixed('/multistream/1.0.0\n'), lengthPrefixed('/yamux/1.0.0\n')]))
  const [answer] = (await once(secure, 'data')) as [Buffer]
  expect(String(answer)).toContain('/multistream/1.0.0')
})

describe('a stranger is turned away who', () => {
  /** Resolves when our side has closed the socket; a connection must not have come of it. */
  async function turnedAway(server: PeerNode, socket: Socket): Promise<void> {
    socket.resume()
    if (!socket.closed) await once(socket, 'close')
    expect(server.libp2p.getConnections()).toEqual([])
  }

  async function present(identity: Partial<Identity>): Promise<void> {
    const server = await startOurs()
    const socket = await openNegotiated(portOf(server))
    connectTls({ socket, ...identity, ...SETTINGS }).on('error', () => {})
    await turnedAway(server, socket)
  }

  it('sends no TLS at all', async () => {
    const server = await startOurs()
    const socket = await openNegotiated(portOf(server))
    socket.write(randomBytes(1000))
    await turnedAway(server, socket)
  })

  it('sends nothing, after three seconds', async () => {
    const server = await startOurs()
    const socket = await openNegotiated(portOf(server))
    const before = performance.now()
    await turnedAway(server, socket)
    expect(performance.now() - before).toBeGreaterThan(2_000)
    expect(performance.now() - before).toBeLessThan(12_000)
  })

  it('shows no certificate', async () => present({}))

  it('shows a certificate without a peer', async () => {
    const { publicKey, privateKey } = newKey()
    await present({ key: privateKey, cert: pemOf(encodeCertificate(privateKey, publicKey, Date.now(), [])) })
  })

  it('shows two certificates', async () => present(await twoCertificates()))
})

/** One that would do, and another after it. */
async function twoCertificates(): Promise<Identity> {
  const [{ cert, key }, { cert: another }] = [
    await createIdentity(await generateKeyPair('secp256k1')),
    await createIdentity(await generateKeyPair('secp256k1'))
  ]
  return { cert: cert + another, key }
}

describe('a dialler turns away a server that', () => {
  function newServer(identity: Identity): Promise<number> {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write(HELLO)
        new TLSSocket(socket, { isServer: true, ...identity, minVersion: 'TLSv1.3', ALPNProtocols: ['libp2p'] }).on(
          'error',
          () => {}
        )
      })
    })
    life.defer(() => {
      server.close()
    })
    return new Promise(resolve =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    )
  }

  async function dialling(identity: Identity, peerId: string): Promise<Connection> {
    const client = await startOurs()
    const port = await newServer(identity)
    return client.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`))
  }

  it('is another peer than the one that was dialled', async () => {
    const [wanted, other] = [await generateKeyPair('secp256k1'), privateKeyFromRaw(randomBytes(32))]
    await expect(dialling(await createIdentity(other), `${peerIdFromPrivateKey(wanted)}`)).rejects.toThrow(
      `${peerIdFromPrivateKey(other)} answered`
    )
  })

  it('shows two certificates', async () => {
    const wanted = peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
    await expect(dialling(await twoCertificates(), `${wanted}`)).rejects.toThrow('more than one certificate')
  })

  it('shows a certificate that has expired', async () => {
    const { publicKey, privateKey } = newKey()
    const cert = pemOf(encodeCertificate(privateKey, publicKey, Date.now(), [], '20200101000000Z'))
    const wanted = peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
    await expect(dialling({ cert, key: privateKey }, `${wanted}`)).rejects.toThrow('expired')
  })
})

function newKey() {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
}

function pemOf(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}
