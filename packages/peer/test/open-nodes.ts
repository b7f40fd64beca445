import { randomBytes } from 'node:crypto'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { createLibp2p, type Libp2p } from 'libp2p'
import { createNode, type PeerNode } from '../src/node.ts'

/** The private key of one of the ledger fixture's actors: `client`, `provider one`, `verifier two`, … */
export function keyOf(name: string): Uint8Array {
  return sha256(utf8ToBytes(`holdfast test: ${name}`))
}

/** A started node on loopback. */
export async function startNode(
  privateKey: Uint8Array = randomBytes(32),
  listen: readonly string[] = ['/ip4/127.0.0.1/tcp/0']
): Promise<PeerNode> {
  const node = await createNode({ privateKey, listen })
  await node.start()
  return node
}

/** A started node of libp2p as its documentation composes it, on loopback. */
export async function startPlainNode(): Promise<Libp2p & AsyncDisposable> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
  return Object.assign(node, { [Symbol.asyncDispose]: async () => await node.stop() })
}
