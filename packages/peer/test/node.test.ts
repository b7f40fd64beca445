import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { CONNECTION_TERMS } from '@holdfast/core'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import type { NodeOptions, PeerNode } from '../src/node.ts'
import { createNode } from '../src/node.ts'

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function startNode(options: Partial<NodeOptions> = {}): Promise<PeerNode> {
  const node = await createNode({ privateKey: randomBytes(32), listen: ['/ip4/127.0.0.1/tcp/0'], ...options })
  life.use(node)
  await node.start()
  return node
}

const dialable = (node: PeerNode) => node.addresses().map(address => multiaddr(address))

it('two nodes know each other by the keys they were given', async () => {
  const privateKey = randomBytes(32)
  const [server, client] = await Promise.all([startNode({ privateKey }), startNode({ listen: [] })])
  const connection = await client.libp2p.dial(dialable(server))
  expect(connection.remotePeer.equals(server.peerId)).toBe(true)
  expect(connection.remotePeer.type).toBe('secp256k1')
  expect((await createNode({ privateKey, listen: [] })).peerId.equals(server.peerId)).toBe(true)
  expect(client.addresses()).toEqual([])
})

it('a port in use is named, with what to do', async () => {
  const [address = ''] = (await startNode()).addresses()
  const taken = address.replace(/\/p2p\/.*/, '')
  const second = await createNode({ privateKey: randomBytes(32), listen: ['/ip4/127.0.0.1/tcp/0', taken] })
  await expect(second.start()).rejects.toMatchObject({
    name: 'PeerError',
    code: 'PORT_IN_USE',
    message: expect.stringContaining(taken),
    details: { address: taken }
  })
  expect(second.addresses()).toEqual([])
  await second.stop()
})

it('an address that this machine does not have is named too', async () => {
  const node = await createNode({ privateKey: randomBytes(32), listen: ['/ip4/192.0.2.1/tcp/0'] })
  await expect(node.start()).rejects.toMatchObject({
    code: 'LISTEN_FAILED',
    message: expect.stringContaining('192.0.2.1')
  })
})

it('a key of another size is our own mistake', async () => {
  await expect(createNode({ privateKey: new Uint8Array(31), listen: [] })).rejects.toThrow(RangeError)
})

it('starts and stops any number of times', async () => {
  const server = await createNode({
    privateKey: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    blockstore: new MemoryBlockstore()
  })
  await server.stop()
  for (let time = 0; time < 2; time++) {
    await Promise.all([server.start(), server.start()])
    const client = await startNode({ listen: [] })
    await client.libp2p.dial(dialable(server))
    await Promise.all([server.stop(), server.stop()])
    expect(server.addresses()).toEqual([])
    await client.stop()
  }
})

it('leaves nothing open, so that a process can end', async () => {
  const program = new URL('start-and-stop-node.ts', import.meta.url)
  const run = promisify(execFile)(process.execPath, ['--conditions=source', program.pathname], { timeout: 20_000 })
  await expect(run).resolves.toMatchObject({ stdout: 'stopped\n' })
})

it('a plain Helia node fetches a block from it by bitswap', async () => {
  const bytes = randomBytes(200_000)
  const cid = CID.createV1(raw.code, await sha256.digest(bytes))
  const blockstore = new MemoryBlockstore()
  await blockstore.put(cid, bytes)
  const server = await startNode({ blockstore })

  const stranger = withBitswap(
    withLibp2pLight(createHeliaLight(), {
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() }
    })
  )
  await stranger.start()
  life.defer(async () => {
    await stranger.stop()
  })
  await stranger.libp2p.dial(dialable(server))
  const chunks: Uint8Array[] = []
  for await (const chunk of stranger.blockstore.get(cid, { signal: AbortSignal.timeout(10_000) })) chunks.push(chunk)
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
})

it('answers ten honest peers while two hundred sockets say nothing', async () => {
  const server = await startNode()
  const port = Number(/tcp\/(\d+)/.exec(server.addresses()[0] ?? '')?.[1])
  const silent: Socket[] = []
  life.defer(() => {
    for (const socket of silent) socket.destroy()
  })
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      // All of 127/8 is this machine, so the silent ones come from addresses of their own.
      const socket = connect({ host: '127.0.0.1', port, localAddress: `127.0.0.${2 + index}` })
      socket.on('error', () => {})
      silent.push(socket)
      await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    })
  )
  const honest = await Promise.all(Array.from({ length: 10 }, () => startNode({ listen: [] })))
  for (const client of honest) {
    const connection = await client.libp2p.dial(dialable(server), { signal: AbortSignal.timeout(10_000) })
    expect(connection.status).toBe('open')
  }
})

describe('over WebSockets', () => {
  const WS = ['/ip4/127.0.0.1/tcp/0/ws']

  it('a node is dialled, and says so in its addresses', async () => {
    const server = await startNode({ listen: [...WS, '/ip4/127.0.0.1/tcp/0'] })
    expect(
      server
        .addresses()
        .map(address => /\/ws\//.test(address))
        .toSorted()
    ).toEqual([false, true])
    const client = await startNode({ listen: [] })
    const connection = await client.libp2p.dial(dialable(server).filter(address => address.toString().includes('/ws/')))
    expect(connection.remoteAddr.toString()).toContain('/ws')
    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
  })

  it('a socket that says nothing, or half a request, is closed within the time of a handshake', async () => {
    const server = await startNode({ listen: WS })
    const port = Number(/tcp\/(\d+)/.exec(server.addresses()[0] ?? '')?.[1])
    const sockets = ['', 'GET / HTTP/1.1\r\nHost: x\r\n'].map(said => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.on('error', () => {})
      socket.write(said)
      return socket.resume()
    })
    await Promise.all(sockets.map(socket => once(socket, 'close')))
  })

  it('a message that declares a huge length closes its connection at once', async () => {
    const server = await startNode({ listen: WS })
    const port = Number(/tcp\/(\d+)/.exec(server.addresses()[0] ?? '')?.[1])
    const socket = connect({ host: '127.0.0.1', port })
    life.defer(() => void socket.destroy())
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('101 Switching Protocols')
    // A binary frame, masked, of 64 MiB.
    socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4]))
    socket.resume()
    await once(socket, 'close')
  })
})

describe('a node of a network', () => {
  const HOST = '/ip4/127.0.0.1/tcp/1'
  const network = (host: string[]) => () => ({ addresses: { sequence: 0, host, bootstrap: [] } })

  it('on loopback dials nobody outside of this machine', async () => {
    const client = await startNode({ listen: [], network: network([HOST]) })
    for (const address of ['/ip4/192.0.2.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/dns4/example.org/tcp/1/ws'])
      await expect(client.libp2p.dial(multiaddr(address))).rejects.toMatchObject({ name: 'DialDeniedError' })
  })

  it('in the world dials nobody inside of it', async () => {
    const server = await startNode()
    const client = await startNode({ listen: [], network: network(['/ip4/192.0.2.1/tcp/1']) })
    await expect(client.libp2p.dial(dialable(server))).rejects.toMatchObject({ name: 'DialDeniedError' })
  })

  it('follows the description when it changes', async () => {
    let host: string[] = ['/ip4/192.0.2.1/tcp/1']
    const server = await startNode()
    const client = await startNode({ listen: [], network: () => network(host)() })
    await expect(client.libp2p.dial(dialable(server))).rejects.toMatchObject({ name: 'DialDeniedError' })
    host = [HOST]
    expect((await client.libp2p.dial(dialable(server))).status).toBe('open')
  })
})

it('takes so many connections of one peer, and no more', async () => {
  const server = await startNode()
  const privateKey = randomBytes(32)
  const same = await Promise.all(
    Array.from({ length: CONNECTION_TERMS.perPeerMax + 1 }, () => startNode({ privateKey, listen: [] }))
  )
  for (const client of same) await client.libp2p.dial(dialable(server)).catch(() => undefined)
  const [one] = same
  await expect.poll(() => server.libp2p.getConnections(one!.peerId).length).toBe(CONNECTION_TERMS.perPeerMax)
  for (const connection of server.libp2p.getConnections(one!.peerId).slice(0, 1)) await connection.close()
  await expect.poll(() => server.libp2p.getConnections(one!.peerId).length).toBe(CONNECTION_TERMS.perPeerMax - 1)
  const again = await startNode({ privateKey, listen: [] })
  expect((await again.libp2p.dial(dialable(server))).status).toBe('open')
})

it('tells others the addresses that its operator announces', async () => {
  const announce = ['/ip4/203.0.113.7/tcp/4740', '/dns4/example.org/tcp/443/tls/ws']
  const node = await startNode({ announce })
  expect(node.addresses()).toEqual(announce.map(address => `${address}/p2p/${node.peerId}`))
  await node.stop()
  expect(node.addresses()).toEqual([])
})

it('shuts a peer out: it is hung up on, and not let in again', async () => {
  const [server, client, other] = await Promise.all([startNode(), startNode({ listen: [] }), startNode({ listen: [] })])
  await client.libp2p.dial(dialable(server))
  await expect.poll(() => server.libp2p.getConnections(client.peerId).length).toBe(1)
  server.ban(client.peerId.toString())
  await expect.poll(() => server.libp2p.getConnections(client.peerId).length).toBe(0)
  await client.libp2p.dial(dialable(server)).catch(() => undefined)
  expect((await other.libp2p.dial(dialable(server))).status).toBe('open')
  expect(server.libp2p.getConnections(client.peerId)).toEqual([])
})
