import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeCarHeader, encodeSection, PLACEHOLDER_ROOT } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { createBlockCollector } from '../../src/storage/block-collector.ts'
import { createPieceBlockstore, createVerifiedReader } from '../../src/storage/index.ts'
import { collect } from '../collect.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { carOf, cidOf, nodeHasher, openTestStore, randomBytes, storePiece, storePublicly } from './open-test-store.ts'

const KIB = 1024

async function carFacts(car: Uint8Array, chunkSizeBytes: number) {
  const collector = createBlockCollector()
  for (let at = 0; at < car.length; at += chunkSizeBytes) collector.update(car.subarray(at, at + chunkSizeBytes))
  return collector.finish()
}

describe('a CAR that comes in', () => {
  it.each([1, 7, 150, 1000, 64 * KIB, 10_000_000])(
    'is checked block by block in chunks of %i bytes',
    async chunkSizeBytes => {
      const blocks = [0, 1, 500, 40_000, 3].map((size, seed) => randomBytes(seed, size))
      const car = await carOf(blocks)
      expect(await carFacts(car, chunkSizeBytes)).toEqual({ isCar: true, blockCount: 5 })
      for (let i = 1; i < blocks.length; i++) {
        const at = Buffer.from(car).indexOf(blocks[i]!)
        if (blocks[i]!.length < 3) continue
        const flipped = Buffer.from(car)
        flipped[at + 1]! ^= 4
        expect(await carFacts(flipped, chunkSizeBytes)).toEqual({ isCar: false, blockCount: 0 })
      }
    }
  )

  it('keeps what a slab’s owner overwrites', async () => {
    const blocks = [randomBytes(1, 5000), randomBytes(2, 5000)]
    const car = await carOf(blocks)
    const collector = createBlockCollector()
    const slab = Buffer.alloc(700)
    for (let at = 0; at < car.length; at += slab.length) {
      const part = slab.subarray(0, car.subarray(at, at + slab.length).length)
      part.set(car.subarray(at, at + slab.length))
      collector.update(part)
      slab.fill(0)
    }
    expect(collector.finish()).toEqual({ isCar: true, blockCount: 2 })
  })
})

describe('blocks of a public piece', () => {
  it('of all sizes are indexed where they stand, from the fronts of their sections', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const sizes = [0, 1, 100, 16 * KIB - 200, 16 * KIB, 16 * KIB + 1, 100_000, 5, 70_000, 1, 15 * KIB, 1_000_000, 3]
    const blocks = sizes.map((size, seed) => randomBytes(seed, size))
    const { blockCount } = await storePublicly(opened.store, await carOf(blocks), 500_000)
    expect(blockCount).toBe(sizes.length)
    const blockstore = createPieceBlockstore(opened.store)
    for (const block of blocks) {
      const got = Buffer.concat(await collect(blockstore.get(await cidOf(block)) as AsyncIterable<Uint8Array>))
      expect(got.equals(block)).toBe(true)
    }
    expect(opened.events).toEqual([])
  })

  it('that are many are indexed a while later, also by the next start', { timeout: 60_000 }, async () => {
    await using directory = await temporaryDirectory()
    const COUNT = 40_000
    const parts = [encodeCarHeader([PLACEHOLDER_ROOT])]
    const cids: CID[] = []
    for (let seed = 0; seed < COUNT; seed++) {
      const block = Buffer.from(String(seed))
      cids.push(await cidOf(block))
      parts.push(encodeSection(cids[seed]!, block))
    }
    const car = Buffer.concat(parts)
    let piece: CID
    {
      await using opened = await openTestStore(directory.path)
      const { cid } = await storePiece(opened.store, car, 500_000)
      piece = cid
      await opened.store.keep(cid, '1', cid)
      expect((await opened.store.get(cid))!.blockCount).toBe(0)
    }
    await using opened = await openTestStore(directory.path)
    await opened.store.indexed()
    expect((await opened.store.get(piece))!.blockCount).toBe(COUNT)
    for (const seed of [0, 1, 777, COUNT - 1]) expect(await opened.store.findBlock(cids[seed]!)).toBeDefined()
    await opened.store.release(piece, '1', 0)
    expect(await opened.level.keys().all()).toEqual([])
  })

  it('are no longer found when the last public deal is over, and a private one goes on', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const block = randomBytes(1, 100)
    const { cid } = await storePublicly(opened.store, await carOf([block]))
    await opened.store.keep(cid, 'private')
    expect(await opened.store.findBlock(await cidOf(block))).toBeDefined()
    await opened.store.release(cid, 'public', 0)
    expect(await opened.store.findBlock(await cidOf(block))).toBeUndefined()
    expect(await opened.store.get(cid)).toMatchObject({ isPublic: false, deals: ['private'] })
    expect((await opened.level.keys().all()).filter(key => !key.startsWith('p!'))).toEqual([])
  })
})

it('a flipped bit anywhere in the index serves no wrong byte and loses no piece', { timeout: 120_000 }, async () => {
  await using directory = await temporaryDirectory()
  const blocks = Array.from({ length: 12 }, (_, seed) => randomBytes(seed, 300 + seed * 100))
  const pieces: CID[] = []
  {
    await using opened = await openTestStore(directory.path)
    for (let at = 0; at < blocks.length; at += 4) {
      pieces.push((await storePublicly(opened.store, await carOf(blocks.slice(at, at + 4)))).cid)
    }
  }
  const folder = join(directory.path, 'index')
  const names = (await readdir(folder)).filter(name => /\.(log|ldb)$/.test(name))
  const originals = new Map<string, Buffer>()
  for (const name of await readdir(folder)) originals.set(name, await readFile(join(folder, name)))
  let opens = 0
  for (let flip = 0; flip < 60; flip++) {
    for (const [name, bytes] of originals) await writeFile(join(folder, name), bytes)
    const name = names[flip % names.length]!
    const bytes = Buffer.from(originals.get(name)!)
    bytes[(flip * 7919) % bytes.length]! ^= 1 << (flip % 8)
    await writeFile(join(folder, name), bytes)
    const opened = await openTestStore(directory.path, { leaseMs: 1e12 }).catch(() => undefined)
    if (opened === undefined) continue // LevelDB says so itself: `holdfast store rebuild` is for that
    await using _ = opened
    opens += 1
    await opened.store.indexed()
    const blockstore = createPieceBlockstore(opened.store)
    for (const block of blocks) {
      const got = await collect(blockstore.get(await cidOf(block)) as AsyncIterable<Uint8Array>).catch(() => undefined)
      if (got !== undefined) expect(Buffer.concat(got).equals(block)).toBe(true)
    }
    for (const [i, cid] of pieces.entries()) {
      const car = await carOf(blocks.slice(i * 4, i * 4 + 4))
      expect((await opened.store.get(cid))?.rawSize, `flip ${flip}`).toBe(car.length)
      const piece = createVerifiedReader(opened.store, nodeHasher).open(cid, car.length)
      expect(Buffer.from(await piece.read(0, car.length)).equals(car)).toBe(true)
    }
  }
  expect(opens).toBeGreaterThan(20)
})
