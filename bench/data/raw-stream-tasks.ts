/** A file over one libp2p stream, without credit, disk or check at the other end: what the transport alone can do. */

import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { createNode } from '@holdfast/peer'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { MIB } from '../harness.ts'
import type { Task } from './measured-process.ts'

const PROTOCOL = '/holdfast-bench/raw/1'
const LISTEN = ['/ip4/127.0.0.1/tcp/0']

interface RawNode {
  readonly libp2p: Pick<Libp2p, 'handle' | 'dialProtocol'>
  addresses(): string[]
}

/** The node that Holdfast runs, with its encrypter and its limits. */
async function startOurs(): Promise<RawNode> {
  const node = await createNode({ privateKey: randomBytes(32), listen: LISTEN })
  await node.start()
  return node
}

/** libp2p as its documentation composes it. */
const startPlain = (encrypter: ReturnType<typeof noise> | ReturnType<typeof tls>) => async (): Promise<RawNode> => {
  const libp2p = await createLibp2p({
    addresses: { listen: LISTEN },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
  return { libp2p, addresses: () => libp2p.getMultiaddrs().map(String) }
}

/** Takes what comes, and answers with one byte at the end. */
async function sink(stream: Stream): Promise<void> {
  stream.addEventListener('message', () => {})
  stream.addEventListener('remoteCloseWrite', () => {
    stream.send(Uint8Array.of(1))
    stream.close().catch(() => {})
  })
}

async function send(node: RawNode, address: string, path: string): Promise<number> {
  const stream = await node.libp2p.dialProtocol(multiaddr(address), PROTOCOL)
  const answered = new Promise<void>((resolve, reject) => {
    stream.addEventListener('message', () => resolve())
    stream.addEventListener('close', ({ error }) => error !== undefined && reject(error))
  })
  const before = performance.now()
  await using file = await open(path)
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(new Uint8Array(MIB), 0, MIB, position)
    if (bytesRead === 0) break
    position += bytesRead
    stream.send(buffer.subarray(0, bytesRead))
    // The event comes more than once for one wait.
    while (stream.writableNeedsDrain)
      await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
  }
  await stream.close()
  await answered
  return (performance.now() - before) / 1000
}

const rawTask =
  (start: () => Promise<RawNode>): Task =>
  async () => {
    const node = await start()
    await node.libp2p.handle(PROTOCOL, sink)
    return {
      addresses: async () => node.addresses(),
      send: ({ address, path }: { address: string; path: string }) => send(node, address, path)
    }
  }

export const rawOurs: Task = rawTask(startOurs)
export const rawNoise: Task = rawTask(startPlain(noise()))
export const rawTls: Task = rawTask(startPlain(tls()))
