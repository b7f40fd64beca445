/**
 * A file as a hypercore of 64 KiB blocks, replicated over TCP under Noise to a second one on disk: checked, but not synced.
 * Timed from the handshake to the last block. Both ends use up 4.7 to 5.3 CPU-seconds for 256 MiB, a transfer 1.9 to 2.3:
 * on two cores that are busy with nothing else, both are bound by these.
 */
import { open } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { KIB, MIB } from '../harness.ts'
import { loadHypercore } from './bench-peers.ts'
import type { Task } from './measured-process.ts'

const BLOCK_SIZE_BYTES = 64 * KIB

export const hypercoreProvider: Task = async () => ({
  async add({ path, folder }: { path: string; folder: string }) {
    const core = new (loadHypercore())(folder)
    await core.ready()
    await using file = await open(path)
    for (let position = 0; ; position += MIB) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(MIB), 0, MIB, position)
      if (bytesRead === 0) break
      const blocks: Uint8Array[] = []
      for (let at = 0; at < bytesRead; at += BLOCK_SIZE_BYTES)
        blocks.push(buffer.subarray(at, Math.min(at + BLOCK_SIZE_BYTES, bytesRead)))
      await core.append(blocks)
    }
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.pipe(core.replicate(false)).pipe(socket)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return { key: Buffer.from(core.key).toString('hex'), length: core.length, port }
  }
})

export const hypercoreReader: Task = async () => ({
  async fetch({ key, length, port, folder }: { key: string; length: number; port: number; folder: string }) {
    const core = new (loadHypercore())(folder, Buffer.from(key, 'hex'))
    await core.ready()
    const socket = connect(port, '127.0.0.1')
    socket.pipe(core.replicate(true)).pipe(socket)
    const before = performance.now()
    await core.download({ start: 0, end: length }).done()
    return (performance.now() - before) / 1000
  }
})
