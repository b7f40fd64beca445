import { randomBytes } from 'node:crypto'
import { request, serve } from '@holdfast/core'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { startNode, startPlainNode } from '../open-nodes.ts'

const networkId = new Uint8Array(32).fill(7)

const echo = {
  id: '/holdfast/test-echo/1',
  request: z.string(),
  response: z.string(),
  requestSizeBytesMax: 1024,
  responseSizeBytesMax: 1024,
  timeoutMs: 5_000,
  streamsInboundMax: 32
}
const addressesOf = (node: { addresses(): string[] }) => node.addresses().map(address => multiaddr(address))

it('is answered by who speaks the protocol, also by who waits to be asked as libp2p does', async () => {
  await using node = await startNode()
  await using plain = await startPlainNode()
  const handler = async (text: string) => ({ ok: true, value: text.toUpperCase() }) as const
  await using _node = await serve(node.libp2p, echo, handler, { networkId })
  await using _plain = await serve(plain, echo, handler, { networkId })
  const answer = { kind: 'answer', value: 'HELLO' }
  await using client = await startNode(randomBytes(32), [])
  expect(await request(client.libp2p, addressesOf(node), echo, 'hello', { networkId })).toEqual(answer)
  expect(await request(client.libp2p, plain.getMultiaddrs(), echo, 'hello', { networkId })).toEqual(answer)
  expect(await request(plain, addressesOf(node), echo, 'hello', { networkId })).toEqual(answer)
})

it('says of who does not speak the protocol that this is so', async () => {
  await using node = await startNode()
  await using client = await startNode(randomBytes(32), [])
  const answer = await request(client.libp2p, addressesOf(node), echo, 'hello', { networkId })
  expect(answer).toMatchObject({ kind: 'no-answer', code: 'UNSUPPORTED' })
})

it('answers each of many that ask at once, on one connection', async () => {
  await using node = await startNode()
  await using client = await startNode(randomBytes(32), [])
  await using _ = await serve(node.libp2p, echo, async text => ({ ok: true, value: text }), { networkId })
  const texts = Array.from({ length: 24 }, (_, index) => `text ${index}`)
  const answers = await Promise.all(
    texts.map(text => request(client.libp2p, addressesOf(node), echo, text, { networkId }))
  )
  expect(answers).toEqual(texts.map(value => ({ kind: 'answer', value })))
})
