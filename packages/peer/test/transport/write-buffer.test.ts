/** What waits in memory for a stream whose reader takes nothing: no more than the buffer that node.ts gives it. */
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it } from 'vitest'
import { startNode } from '../open-nodes.ts'

const KIB = 1024
const MIB = 1024 * KIB
/** node.ts, `STREAM_WRITE_BUFFER_SIZE_BYTES`, and the windows of both sides. */
const HELD_BYTES_MAX = 10 * MIB

let life = new AsyncDisposableStack()
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

it('is bounded: who writes on without waiting is cut off, and another stream of the connection goes on', async () => {
  const [server, client] = [life.use(await startNode()), life.use(await startNode(undefined, []))]
  const served = Promise.withResolvers<Stream>()
  await server.libp2p.handle('/stuffed/1', stream => served.resolve(stream))
  await server.libp2p.handle('/echo/1', stream => {
    stream.addEventListener('message', ({ data }) => void stream.send(data))
  })
  const addresses = server.addresses().map(address => multiaddr(address))
  const reader = await client.libp2p.dialProtocol(addresses, '/stuffed/1')
  reader.pause()
  const writer = await served.promise
  const chunk = new Uint8Array(64 * KIB)
  let sentBytes = 0
  while (writer.status === 'open' && sentBytes < 8 * HELD_BYTES_MAX) {
    try {
      writer.send(chunk)
    } catch {
      break
    }
    sentBytes += chunk.length
  }
  expect(writer.status).not.toBe('open')
  expect(sentBytes).toBeLessThan(HELD_BYTES_MAX)

  const echo = await client.libp2p.dialProtocol(addresses, '/echo/1')
  const answer = Promise.withResolvers<number>()
  echo.addEventListener('message', ({ data }) => answer.resolve(data.byteLength))
  echo.send(new Uint8Array(7))
  expect(await answer.promise).toBe(7)
})
