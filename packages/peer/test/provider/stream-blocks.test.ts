import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, it } from 'vitest'
import { type PlacedBlock, streamBlocks } from '../../src/provider/stream-blocks.ts'
import { randomBytes } from '../storage/open-test-store.ts'

const KIB = 1024

/** A store whose pieces are one block each, read when the test says so. */
async function openStore(sizes: readonly number[], firstSeed = 1) {
  const bytes = sizes.map((size, index) => randomBytes(firstSeed + index, size))
  const blocks: PlacedBlock[] = []
  for (const block of bytes) {
    const cid = CID.createV1(raw.code, await sha256.digest(block))
    blocks.push({ cid, sizeBytes: block.length, positions: [{ pieceCid: cid, offset: 0, length: block.length }] })
  }
  let reading: Promise<void> = Promise.resolve()
  const buffers: ArrayBufferLike[] = []
  const store = {
    async openBytes(cid: CID) {
      return {
        async readInto(target: Uint8Array) {
          buffers.push(target.buffer)
          await reading
          const source = bytes[blocks.findIndex(block => block.cid.equals(cid))]!
          target.set(source)
          return source.length
        },
        [Symbol.asyncDispose]: async () => {}
      }
    },
    reportWrongBlock: () => {}
  }
  return { blocks, bytes, store, buffers, hold: (until: Promise<void>) => (reading = until) }
}

it('lets the transfers that follow have the memory of those that have ended', async () => {
  const shared = new Set<ArrayBufferLike>()
  for (let transfer = 0; transfer < 12; transfer++) {
    const { blocks, bytes, store, buffers } = await openStore([900 * KIB, 50 * KIB, 1024 * KIB], 100 + 3 * transfer)
    const { chunks, release } = streamBlocks(store, blocks)
    let at = 0
    for await (const block of chunks) expect(Buffer.compare(block, bytes[at++]!)).toBe(0)
    release()
    release()
    await new Promise<void>(resolve => setImmediate(resolve))
    expect(buffers).toHaveLength(3)
    for (const buffer of buffers) if (buffer.byteLength === CHUNK_SIZE_BYTES_MAX) shared.add(buffer)
  }
  // Two for each transfer otherwise. Other tests of this process may have left as many as are kept.
  expect(shared.size).toBeLessThanOrEqual(CHUNKS_IN_FLIGHT_MAX + 2)
})

it('reads a block that it has just sent once, and none that was wrong', async () => {
  const { blocks, bytes, store, buffers } = await openStore([1024 * KIB], 31)
  const original = Uint8Array.from(bytes[0]!)
  async function sendAll(): Promise<Uint8Array> {
    const { chunks, release } = streamBlocks(store, blocks)
    try {
      const { value } = await chunks.next()
      return Uint8Array.from(value as Uint8Array)
    } finally {
      await chunks.return(undefined)
      release()
      await new Promise<void>(resolve => setImmediate(resolve))
    }
  }
  bytes[0]![5]! ^= 1
  await expect(sendAll()).rejects.toThrow(/DAMAGED/)
  await expect(sendAll()).rejects.toThrow(/DAMAGED/)
  bytes[0]!.set(original)
  expect(Buffer.compare(await sendAll(), original)).toBe(0)
  expect(buffers).toHaveLength(3)
  // What the disk has become does not leave it: these are the bytes that were hashed.
  bytes[0]![5]! ^= 1
  expect(Buffer.compare(await sendAll(), original)).toBe(0)
  expect(buffers).toHaveLength(3)
})

it('gives nothing to others that a read which was left behind still writes into', async () => {
  const slow = await openStore([1024 * KIB, 1024 * KIB], 51)
  const left = streamBlocks(slow.store, slow.blocks)
  const gate = Promise.withResolvers<void>()
  slow.hold(gate.promise)
  const step = left.chunks.next()
  while (slow.buffers.length === 0) await Promise.resolve()
  left.release()
  const other = await openStore([1024 * KIB], 41)
  const { chunks, release } = streamBlocks(other.store, other.blocks)
  const { value } = await chunks.next()
  gate.resolve()
  await step
  await left.chunks.return(undefined)
  expect(Buffer.compare(value as Uint8Array, other.bytes[0]!)).toBe(0)
  expect(slow.buffers).not.toContain(other.buffers[0])
  await chunks.return(undefined)
  release()
})
