import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fc, test } from '@fast-check/vitest'
import { SENT_CHUNKS_KEPT } from '@holdfast/core'
import { describe, expect, it } from 'vitest'
import { createVerifiedReader } from '../../src/storage/index.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { nodeHasher, openTestStore, randomBytes, storePiece } from './open-test-store.ts'

const SUBTREE_BYTES = 16_256
/** Both ways to see that bytes are right. */
const WAYS = [{ trustsChecksums: false }, { trustsChecksums: true }]

describe.each(WAYS)('a range (trustsChecksums $trustsChecksums)', way => {
  test.prop(
    [
      fc.integer({ min: 1, max: 5 * SUBTREE_BYTES }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true })
    ],
    {
      numRuns: 40
    }
  )('of a whole piece is what the piece has there', async (sizeBytes, from, part) => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(sizeBytes, sizeBytes)
    const { cid } = await storePiece(opened.store, bytes, SUBTREE_BYTES)
    const offset = Math.floor(from * (sizeBytes - 1))
    const size = 1 + Math.floor(part * (sizeBytes - offset - 1))
    const piece = createVerifiedReader(opened.store, nodeHasher, way).open(cid, sizeBytes)
    expect(Buffer.from(await piece.read(offset, size)).equals(bytes.subarray(offset, offset + size))).toBe(true)
    expect(opened.events).toEqual([])
  })

  it('of a large piece comes in steps of less than 1 MiB', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(1, 5_000_000)
    const { cid } = await storePiece(opened.store, bytes, 500_000)
    const piece = createVerifiedReader(opened.store, nodeHasher, way).open(cid, bytes.length)
    const parts: Uint8Array[] = []
    for await (const part of piece.stream(100, 4_000_000)) parts.push(part)
    expect(Math.max(...parts.map(part => part.length))).toBeLessThanOrEqual(1024 * 1024)
    expect(Buffer.concat(parts).equals(bytes.subarray(100, 4_000_100))).toBe(true)
  })
})

it('a long range comes in chunks of the wire that stay until four more are asked for, in five memories', async () => {
  await using directory = await temporaryDirectory()
  await using opened = await openTestStore(directory.path)
  const bytes = randomBytes(1, 9_000_000)
  const { cid } = await storePiece(opened.store, bytes, 500_000)
  const piece = createVerifiedReader(opened.store, nodeHasher).open(cid, bytes.length)
  const memories = new Set<ArrayBufferLike>()
  const held: Uint8Array[] = []
  let position = 77
  for await (const chunk of piece.stream(position, 8_500_000)) {
    held.push(chunk)
    memories.add(chunk.buffer)
    position += chunk.length
    if (held.length > SENT_CHUNKS_KEPT) held.shift()
    const start = position - held.reduce((sum, { length }) => sum + length, 0)
    expect(Buffer.concat(held).equals(bytes.subarray(start, position))).toBe(true)
    if (position < 8_500_077) expect(chunk).toHaveLength(1024 * 1024)
  }
  expect(position).toBe(8_500_077)
  expect(memories.size).toBe(SENT_CHUNKS_KEPT + 1)
})

describe.each(WAYS)('a flipped bit (trustsChecksums $trustsChecksums)', way => {
  const SIZE_BYTES = 3 * SUBTREE_BYTES + 500

  it('anywhere in the piece is found by whoever reads its subtree, told of, and harms no other range', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(1, SIZE_BYTES)
    const { cid } = await storePiece(opened.store, bytes, SUBTREE_BYTES)
    const file = join(opened.directory, cid.toString())
    const piece = createVerifiedReader(opened.store, nodeHasher, way).open(cid, SIZE_BYTES)
    for (let at = 0; at < SIZE_BYTES; at += 1777) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      await writeFile(file, flipped)
      const subtree = Math.floor(at / SUBTREE_BYTES)
      for (const other of [0, 1, 2, 3]) {
        const reading = piece.read(other * SUBTREE_BYTES, 100)
        if (other === subtree) await expect(reading).rejects.toMatchObject({ code: 'PIECE_DAMAGED' })
        else
          expect(Buffer.from(await reading).equals(bytes.subarray(other * SUBTREE_BYTES).subarray(0, 100))).toBe(true)
      }
      expect(opened.events.at(-1)).toEqual({
        type: 'range-wrong',
        piece: cid.toString(),
        offset: subtree * SUBTREE_BYTES
      })
    }
    expect(await opened.store.get(cid)).toMatchObject({ isDamaged: true })
  })

  it('anywhere in the layer’s file costs a pass over the piece and nothing else', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(1, SIZE_BYTES)
    const { cid } = await storePiece(opened.store, bytes, SUBTREE_BYTES)
    const file = join(opened.directory, `${cid}.layer`)
    const layer = await readFile(file)
    for (let at = 0; at < layer.length; at++) {
      const flipped = Buffer.from(layer)
      flipped[at]! ^= 1 << (at % 8)
      await writeFile(file, flipped)
      const piece = createVerifiedReader(opened.store, nodeHasher, way).open(cid, SIZE_BYTES)
      expect(Buffer.from(await piece.read(10, SIZE_BYTES - 10)).equals(bytes.subarray(10))).toBe(true)
      // What was not needed for the range is mended by whoever needs it.
      await opened.store.layer(cid)
      expect(await readFile(file)).toEqual(layer)
    }
    expect(new Set(opened.events.map(({ type }) => type))).toEqual(new Set(['layer-rebuilt']))
  })

  it('in what is kept in memory does not make a whole piece look wrong', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestStore(directory.path)
    const bytes = randomBytes(1, SIZE_BYTES)
    const { cid } = await storePiece(opened.store, bytes, SUBTREE_BYTES)
    const piece = createVerifiedReader(opened.store, nodeHasher, way).open(cid, SIZE_BYTES)
    const kept = way.trustsChecksums ? (await opened.store.checksums(cid))! : (await piece.layer()).nodes
    kept[5]! ^= 1
    expect(Buffer.from(await piece.read(0, SIZE_BYTES)).equals(bytes)).toBe(true)
    expect(opened.events).toEqual([])
  })
})
