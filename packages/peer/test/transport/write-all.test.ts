import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it } from 'vitest'
import { writeAll } from '../../src/transport/write-all.ts'

const MIB = 1024 * 1024

it('sends lists of all sizes as they were when they were given, however slow the reader is', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const sender = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [reader] = await accepted
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  reader.pause()
  let sentBytes = 0
  for (const sizes of [
    [1],
    [12, 3, MIB],
    [MIB - 100],
    [16 * 1024 - 1],
    [16 * 1024],
    [2 * MIB, 5],
    [7, 700_000, 300_000]
  ]) {
    for (let again = 0; again < 3; again++) {
      const parts = sizes.map(size => randomBytes(size))
      for (const part of parts) sent.update(part)
      const told = writeAll(sender, new Uint8ArrayList(...parts))
      sentBytes += told.sentBytes
      // What was handed over is the writer's no longer.
      if (told.sentBytes >= 16 * 1024 && told.sentBytes <= MIB) for (const part of parts) part.fill(0)
    }
  }
  sender.end()
  let receivedBytes = 0
  reader.on('data', (bytes: Buffer) => {
    received.update(bytes)
    receivedBytes += bytes.length
  })
  reader.resume()
  await once(reader, 'end')
  expect(receivedBytes).toBe(sentBytes)
  expect(received.digest('hex')).toBe(sent.digest('hex'))
  server.close()
})
