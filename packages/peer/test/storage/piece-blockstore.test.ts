import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Blockstore } from 'interface-blockstore'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { createPieceBlockstore } from '../../src/storage/index.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { carOf, cidOf, openTestStore, randomBytes, storePublicly } from './open-test-store.ts'

async function get(blockstore: Blockstore, cid: CID): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of blockstore.get(cid)) parts.push(part)
  return Buffer.concat(parts)
}

describe('reading', () => {
  it('gives blocks under their v1 and v0 CIDs', async () => {
    await using directory = await temporaryDirectory()
    const blocks = [randomBytes(1, 100), randomBytes(2, 100_000)]
    await using opened = await openTestStore(directory.path)
    await storePublicly(opened.store, await carOf(blocks))
    const blockstore = createPieceBlockstore(opened.store)
    for (const block of blocks) {
      const cid = await cidOf(block)
      expect(await blockstore.has(cid)).toBe(true)
      expect(await get(blockstore, cid)).toEqual(Buffer.from(block))
      expect(await get(blockstore, CID.createV0(cid.multihash as never))).toEqual(Buffer.from(block))
    }
    const cids = await Promise.all(blocks.map(cidOf))
    const many: string[] = []
    for await (const { cid } of blockstore.getMany(cids)) many.push(cid.toString())
    expect(many).toEqual(cids.map(String))
  })

  it('lists every block once', async () => {
    await using directory = await temporaryDirectory()
    const blocks = [randomBytes(1, 100), randomBytes(2, 200), randomBytes(3, 300)]
    await using opened = await openTestStore(directory.path)
    await storePublicly(opened.store, await carOf(blocks))
    await storePublicly(opened.store, await carOf(blocks.slice(1)))
    const all: string[] = []
    for await (const { cid } of createPieceBlockstore(opened.store).getAll()) all.push(cid.toString())
    expect(all.sort()).toEqual((await Promise.all(blocks.map(cidOf))).map(String).sort())
  })

  it('rejects with NotFoundError for a block that is not here', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const blockstore = createPieceBlockstore(opened.store)
    const cid = await cidOf(randomBytes(1, 1))
    expect(await blockstore.has(cid)).toBe(false)
    await expect(get(blockstore, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
  })

  it('obeys a signal', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const block = randomBytes(1, 100)
    await storePublicly(opened.store, await carOf([block]))
    const parts = createPieceBlockstore(opened.store).get(await cidOf(block), { signal: AbortSignal.abort() })
    await expect((parts as AsyncGenerator).next()).rejects.toThrow('aborted')
  })
})

describe('a wrong byte', () => {
  it('is never served, whichever byte of the block it is, and is reported', async () => {
    await using directory = await temporaryDirectory()
    const block = randomBytes(1, 60)
    const cid = await cidOf(block)
    await using opened = await openTestStore(directory.path)
    const piece = await storePublicly(opened.store, await carOf([block, randomBytes(2, 50)]))
    const position = await opened.store.findBlock(cid)
    const file = join(opened.directory, piece.cid.toString())
    const original = await readFile(file)
    const blockstore = createPieceBlockstore(opened.store)
    for (let i = 0; i < block.length; i++) {
      const flipped = Buffer.from(original)
      flipped[position!.offset + i]! ^= 1 << (i % 8)
      await writeFile(file, flipped)
      await expect(get(blockstore, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    }
    expect(opened.events).toHaveLength(block.length)
    expect(await opened.store.get(piece.cid)).toMatchObject({ isDamaged: true })
    expect(opened.events[0]).toEqual({
      type: 'block-wrong',
      piece: piece.cid.toString(),
      cid: cid.toString(),
      offset: position!.offset
    })
    await writeFile(file, original)
    expect(await get(blockstore, cid)).toEqual(Buffer.from(block))
  })

  it('in one piece does not hide the right block in another', async () => {
    await using directory = await temporaryDirectory()
    const block = randomBytes(1, 60)
    const cid = await cidOf(block)
    await using opened = await openTestStore(directory.path)
    const pieces = []
    for (const seed of [2, 3, 4])
      pieces.push(await storePublicly(opened.store, await carOf([block, randomBytes(seed, 60)])))
    const blockstore = createPieceBlockstore(opened.store)
    const files = pieces.map(piece => join(opened.directory, piece.cid.toString()))
    for (const [i, file] of files.entries()) {
      expect(await get(blockstore, cid)).toEqual(Buffer.from(block))
      const bytes = await readFile(file)
      bytes[bytes.indexOf(block)]! ^= 1
      await writeFile(file, bytes)
      if (i === files.length - 1) await expect(get(blockstore, cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    }
  })
})

it('cannot be written to', async () => {
  await using directory = await temporaryDirectory()
  await using opened = await openTestStore(directory.path)
  const blockstore = createPieceBlockstore(opened.store)
  const cid = await cidOf(randomBytes(1, 1))
  const refusal = { code: 'READ_ONLY' }
  await expect(blockstore.put(cid, randomBytes(1, 1))).rejects.toMatchObject(refusal)
  await expect(blockstore.delete(cid)).rejects.toMatchObject(refusal)
  await expect((blockstore.putMany([]) as AsyncGenerator).next()).rejects.toMatchObject(refusal)
  await expect((blockstore.deleteMany([cid]) as AsyncGenerator).next()).rejects.toMatchObject(refusal)
})
