import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX } from '@holdfast/core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it, vi } from 'vitest'
import { type PlacedBlock, type StreamOptions, streamBlocks } from '../../src/provider/stream-blocks.ts'
import type { PieceStore } from '../../src/storage/index.ts'
import { collect } from '../collect.ts'
import { carOf, cidOf, openTestStore, randomBytes, storePublicly } from '../storage/open-test-store.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

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
        rawSize: bytes[blocks.findIndex(block => block.cid.equals(cid))]!.length,
        async readInto(target: Uint8Array) {
          buffers.push(target.buffer)
          await reading
          const source = bytes[blocks.findIndex(block => block.cid.equals(cid))]!
          target.set(source)
          return source.length
        },
        [Symbol.dispose]: () => {}
      }
    },
    checksums: async () => undefined,
    reportWrongBlock: () => {}
  }
  return { blocks, bytes, store, buffers, hold: (until: Promise<void>) => (reading = until) }
}

it('lets the transfers that follow have the memory of those that have ended', async () => {
  const shared = new Set<ArrayBufferLike>()
  for (let transfer = 0; transfer < 12; transfer++) {
    const { blocks, bytes, store, buffers } = await openStore([900 * KIB, 200 * KIB, 1024 * KIB], 100 + 3 * transfer)
    const { chunks, release } = streamBlocks(store, blocks)
    let at = 0
    for await (const block of chunks) expect(Buffer.compare(block, bytes[at++]!)).toBe(0)
    release()
    release()
    await new Promise<void>(resolve => setImmediate(resolve))
    expect(buffers).toHaveLength(3)
    for (const buffer of buffers) if (buffer.byteLength > CHUNK_SIZE_BYTES_MAX) shared.add(buffer)
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

/** A real store whose one piece has the blocks, and its file. */
async function openStored(directory: string, blocks: readonly Uint8Array[]) {
  const opened = await openTestStore(directory)
  const car = Buffer.from(await carOf(blocks))
  const { cid } = await storePublicly(opened.store, car, 500_000)
  const place = async (block: Uint8Array) => {
    const cid = await cidOf(block)
    const positions = await collect(opened.store.findBlocks(cid))
    return { cid, sizeBytes: block.length, positions }
  }
  /** Writes the piece with some of its bits flipped. */
  async function damage(...at: number[]) {
    const damaged = Buffer.from(car)
    for (const position of at) damaged[position]! ^= 4
    await writeFile(join(opened.directory, cid.toString()), damaged)
  }
  return { ...opened, car, cid, place, damage, layerFile: join(opened.directory, `${cid}.layer`) }
}

async function readAll(store: PieceStore, blocks: readonly PlacedBlock[], options?: StreamOptions) {
  const { chunks, release } = streamBlocks(store, blocks, options)
  try {
    return (await collect(chunks)).map(chunk => Buffer.from(chunk))
  } finally {
    release()
  }
}

describe('a block of a piece on the disk', () => {
  const sizes = [70_000, 100_000, 200_000, 300_000, 1024 * KIB]

  it.each(sizes)('of %i bytes comes whole and in parts', async sizeBytes => {
    await using directory = await temporaryDirectory()
    const blocks = [randomBytes(sizeBytes, sizeBytes), randomBytes(sizeBytes + 1, 33)]
    await using stored = await openStored(directory.path, blocks)
    const placed = [await stored.place(blocks[0]!), await stored.place(blocks[1]!)]
    const parts = [
      [0, 1],
      [sizeBytes - 1, 1],
      [20_000, 40_000],
      [1, sizeBytes - 2]
    ]
    for (const [offset, length] of parts as [number, number][]) {
      const part = { offset, length }
      const [read] = await readAll(stored.store, placed.slice(0, 1), { part })
      expect(Buffer.compare(read!, blocks[0]!.subarray(offset, offset + length))).toBe(0)
    }
    expect(await readAll(stored.store, placed)).toEqual(blocks.map(block => Buffer.from(block)))
    expect(stored.events).toEqual([])
  })

  it('that is damaged is told of where it is read, and elsewhere is what it was', async () => {
    await using directory = await temporaryDirectory()
    const leaf = randomBytes(61, 1024 * KIB)
    await using stored = await openStored(directory.path, [leaf])
    const placed = [await stored.place(leaf)]
    const at = stored.car.indexOf(leaf)
    const read = (offset: number, length: number) => readAll(stored.store, placed, { part: { offset, length } })
    await stored.damage(at + 500_000)
    expect(Buffer.concat(await read(600_000, 1000)).equals(leaf.subarray(600_000, 601_000))).toBe(true)
    expect(stored.events).toEqual([])
    // The span is wrong, and with it the block as its CID sees it.
    await expect(read(500_001, 10)).rejects.toThrow(/DAMAGED/)
    await expect(readAll(stored.store, placed)).rejects.toThrow(/DAMAGED/)
    const wrong = { type: 'block-wrong', piece: stored.cid.toString(), cid: placed[0]!.cid.toString(), offset: at }
    expect(stored.events).toEqual([wrong, wrong])
    await vi.waitFor(async () => expect(await stored.store.get(stored.cid)).toMatchObject({ isDamaged: true }))
  })

  it('comes from another piece when the first was damaged', async () => {
    await using directory = await temporaryDirectory()
    const leaf = randomBytes(62, 1024 * KIB)
    await using stored = await openStored(directory.path, [leaf])
    await storePublicly(stored.store, await carOf([leaf, randomBytes(63, 500)]), 500_000)
    const placed = await stored.place(leaf)
    expect(placed.positions).toHaveLength(2)
    // The damaged one first.
    placed.positions.sort(({ pieceCid }) => (pieceCid.equals(stored.cid) ? -1 : 1))
    await stored.damage(stored.car.indexOf(leaf) + 900_000)
    expect(Buffer.concat(await readAll(stored.store, [placed])).equals(leaf)).toBe(true)
    expect(stored.events).toHaveLength(1)
  })

  it('is hashed where its checksums are wrong, or missing', async () => {
    await using directory = await temporaryDirectory()
    const leaf = randomBytes(64, 1024 * KIB)
    const { layerFile } = await openStored(directory.path, [leaf]).then(async stored => {
      await stored[Symbol.asyncDispose]()
      return stored
    })
    const layer = await readFile(layerFile)
    const wrong = Buffer.from(layer)
    wrong[layer.length - 1]! ^= 1
    for (const bytes of [wrong, layer.subarray(0, 100), undefined]) {
      if (bytes === undefined) await rm(layerFile)
      else await writeFile(layerFile, bytes)
      await using opened = await openTestStore(directory.path, { leaseMs: 1e12 })
      const cid = await cidOf(leaf)
      const placed = { cid, sizeBytes: leaf.length, positions: await collect(opened.store.findBlocks(cid)) }
      const part = { offset: 1_000_000, length: 48_576 }
      expect(Buffer.concat(await readAll(opened.store, [placed], { part })).equals(leaf.subarray(1_000_000))).toBe(true)
      expect(opened.events).toEqual([])
    }
  })
})
