import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it, vi } from 'vitest'
import { writeSlabs } from '../../src/transport/write-slabs.ts'

const MIB = 1024 * 1024

async function openPair(): Promise<{ sender: Socket; reader: Socket } & Disposable> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const sender = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [reader] = await accepted
  reader.pause()
  return {
    sender,
    reader,
    [Symbol.dispose]() {
      sender.destroy()
      reader.destroy()
      server.close()
    }
  }
}

it('sends lists of all sizes as they were when they were given, however slow the reader is', async () => {
  using pair = await openPair()
  const { sender, reader } = pair
  const writer = writeSlabs(sender)
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
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
      writer.write(new Uint8ArrayList(...parts))
      sentBytes += sizes.reduce((sum, size) => sum + size)
      // What was handed over is the writer's no longer.
      for (const part of parts) part.fill(0)
      if (again > 0) await nextTurn()
    }
  }
  writer.flush()
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
})

/** Takes what it is given when it is told to, as a socket under TLS does. */
function openSlowSocket() {
  const taken: Buffer[] = []
  const waiting: (() => void)[] = []
  const socket = new Writable({
    highWaterMark: MIB / 2,
    write(bytes: Buffer, _, done) {
      taken.push(bytes)
      waiting.push(done)
    }
  })
  const proceed = () => waiting.shift()?.()
  return { socket, taken, proceed }
}

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

it('writes once what is said in one turn, and begins with what is long', async () => {
  const { socket, taken, proceed } = openSlowSocket()
  const writer = writeSlabs(socket)
  const sizes = () => taken.splice(0).map(({ length }) => length)
  for (const size of [3, 100, 20]) expect(writer.write(new Uint8ArrayList(randomBytes(size)))).toBe(true)
  expect(sizes()).toEqual([])
  await nextTurn()
  expect(sizes()).toEqual([123])
  proceed()
  await nextTurn()
  // A chunk in frames of a quarter: the first quarter is not kept waiting.
  const told = [40, MIB / 4, MIB / 4, MIB / 4, MIB / 4].map(size => writer.write(new Uint8ArrayList(randomBytes(size))))
  expect(told).toEqual([true, true, true, true, true])
  expect(sizes()).toEqual([40 + MIB / 4])
  proceed()
  await nextTurn()
  expect(sizes()).toEqual([(3 * MIB) / 4])
})

it('says when to wait, and the drain comes that is waited for', async () => {
  const { socket, proceed } = openSlowSocket()
  const writer = writeSlabs(socket)
  const more = () => writer.write(new Uint8ArrayList(randomBytes(MIB / 2)))
  expect([more(), more()]).toEqual([false, false])
  const drained = once(socket, 'drain')
  await nextTurn()
  for (let written = 0; written < 2; written++) {
    proceed()
    await nextTurn()
  }
  await drained
  expect(writer.write(new Uint8ArrayList(Uint8Array.of(1)))).toBe(true)
})

it('holds no slab for the few bytes that wait behind a reader who has stalled', () => {
  const { socket } = openSlowSocket()
  const write = vi.spyOn(socket, 'write')
  const writer = writeSlabs(socket)
  for (let frame = 0; frame < 8; frame++) {
    writer.write(new Uint8ArrayList(randomBytes(12)))
    writer.flush()
  }
  const memory = write.mock.calls.map(([bytes]) => (bytes as Uint8Array).buffer.byteLength)
  expect(memory).toHaveLength(8)
  expect(Math.max(...memory)).toBeLessThan(MIB)
})
