import { randomBytes } from 'node:crypto'
import { BULK_LIMITS, type BulkProtocol, download, parsePeerAddresses, serveDownload } from '@holdfast/core'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { startNode } from '../open-nodes.ts'

const MIB = 1024 * 1024
const NETWORK_ID = new Uint8Array(32).fill(7)

const PROTOCOL: BulkProtocol<string, number> = {
  id: '/holdfast/test-bytes/1',
  request: z.string(),
  response: z.number(),
  requestSizeBytesMax: 100,
  responseSizeBytesMax: 100,
  timeoutMs: 10_000,
  streamsInboundMax: 1,
  ...BULK_LIMITS
}

it('gives bytes whose memory is freed when they are taken out of it', async () => {
  await using server = await startNode()
  await using client = await startNode(randomBytes(32), [])
  const sent = randomBytes(4 * MIB)
  async function* chunks() {
    yield sent
  }
  await using _ = await serveDownload(
    server.libp2p,
    PROTOCOL,
    async () => ({ ok: true, value: { header: sent.length, chunks: chunks() } }),
    { networkId: NETWORK_ID }
  )
  const arrays = new Set<ArrayBufferLike>()
  const watching = {
    dialProtocol: async (...terms: Parameters<typeof client.libp2p.dialProtocol>) => {
      const stream = await client.libp2p.dialProtocol(...terms)
      stream.addEventListener('message', ({ data }) => {
        for (const { buffer } of data instanceof Uint8Array ? [data] : data) arrays.add(buffer)
      })
      return stream
    }
  }
  const answer = await download(watching, parsePeerAddresses(server.addresses()), PROTOCOL, '', {
    networkId: NETWORK_ID
  })
  if (answer.kind !== 'answer') throw new Error(answer.kind)
  const came: Uint8Array[] = []
  for await (const chunk of answer.value.chunks) came.push(chunk)
  expect(Buffer.compare(Buffer.concat(came), sent)).toBe(0)
  const leftBytes = [...arrays].reduce((sum, { byteLength }) => sum + byteLength, 0)
  expect(arrays.size).toBeGreaterThan(100)
  // What is left has bytes of frames in it, or of two chunks.
  if ('transfer' in ArrayBuffer.prototype) expect(leftBytes).toBeLessThan(sent.length / 10)
})
