import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { muxer } from '../../src/transport/muxer.ts'
import { startNode, startPlainNode } from '../open-nodes.ts'

const MIB = 1024 * 1024
const PROTOCOL = '/test/answers/1'

/** Resolves with all that comes, and in how many messages. */
function receive(stream: Stream): Promise<{ sizeBytes: number; messages: number }> {
  return new Promise((resolve, reject) => {
    let [sizeBytes, messages] = [0, 0]
    stream.addEventListener('message', ({ data }) => {
      sizeBytes += data.byteLength
      messages += 1
    })
    // Not `remoteCloseWrite`: that may have been before anybody listened.
    const end = () => resolve({ sizeBytes, messages })
    if (stream.readableEnded) end()
    stream.addEventListener('end', end)
    stream.addEventListener('close', ({ error }) => error !== undefined && reject(error))
  })
}

const answer = (sizeBytes: number) => (stream: Stream) => {
  stream.send(new Uint8Array(sizeBytes))
  stream.close().catch(() => {})
}

it('takes a whole chunk as one frame, of a stream that we opened', async () => {
  await using server = await startNode()
  await using client = await startNode(randomBytes(32), [])
  await server.libp2p.handle(PROTOCOL, answer(MIB + 5))
  const stream = await client.libp2p.dialProtocol(
    server.addresses().map(address => multiaddr(address)),
    PROTOCOL
  )
  const { sizeBytes, messages } = await receive(stream)
  expect(sizeBytes).toBe(MIB + 5)
  expect(messages).toBeLessThanOrEqual(2)
})

it('speaks with others whose yamux is as it is by default, in both directions', async () => {
  await using node = await startNode()
  await using plain = await startPlainNode()
  await node.libp2p.handle(PROTOCOL, answer(3 * MIB))
  await plain.handle(PROTOCOL, answer(3 * MIB))
  const toNode = await plain.dialProtocol(
    node.addresses().map(address => multiaddr(address)),
    PROTOCOL
  )
  expect((await receive(toNode)).sizeBytes).toBe(3 * MIB)
  const toPlain = await node.libp2p.dialProtocol(plain.getMultiaddrs(), PROTOCOL)
  expect((await receive(toPlain)).sizeBytes).toBe(3 * MIB)
})

it('refuses a window that is larger than what may wait', () => {
  const options = { streamsMax: 1, earlyStreamsMax: 1, writeBufferSizeBytes: MIB, offeredPrefix: '/holdfast/' }
  expect(() => muxer({ ...options, windowSizeBytes: MIB + 1, readBufferSizeBytes: MIB })).toThrow(RangeError)
})
