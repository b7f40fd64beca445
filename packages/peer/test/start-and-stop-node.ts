/** A program that uses a node and ends by itself, which it only can when `stop` leaves nothing open. */
import { randomBytes } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createNode } from '../src/node.ts'

const listen = ['/ip4/127.0.0.1/tcp/0']
const server = await createNode({ privateKey: randomBytes(32), listen, blockstore: new MemoryBlockstore() })
const client = await createNode({ privateKey: randomBytes(32), listen: [] })
await Promise.all([server.start(), client.start()])
await client.libp2p.dial(server.addresses().map(address => multiaddr(address)))
await Promise.all([server.stop(), client.stop()])
console.log('stopped')
