import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLOCKS_PER_PIECE_MAX, INDEX_ENTRY_SIZE_BYTES } from '../../src/pieces/piece-footer.ts'
import { PieceIndexBuilder, type ReadEntries, searchIndex } from '../../src/pieces/piece-index.ts'

const digestOf = (name: string | number) => sha256(utf8ToBytes(String(name)))

function indexOf(count: number): Uint8Array {
  const builder = new PieceIndexBuilder()
  for (let number = 0; number < count; number++) builder.add(digestOf(number), { offset: number, length: 2 * number })
  return builder.encode()
}

/** Counts what a search reads, and checks that it stays within the index. */
function readerOf(index: Uint8Array): { read: ReadEntries; reads: number[] } {
  const reads: number[] = []
  const count = index.length / INDEX_ENTRY_SIZE_BYTES
  return {
    reads,
    async read(from, to) {
      if (from < 0 || to > count || from >= to) throw new Error(`read ${from} to ${to} of ${count}`)
      reads.push(to - from)
      return index.subarray(from * INDEX_ENTRY_SIZE_BYTES, to * INDEX_ENTRY_SIZE_BYTES)
    }
  }
}

describe('an index', () => {
  it.each([0, 1, 2, 64, 1023, 1024, 1025, 5000])('of %d blocks finds each, and no other', async count => {
    const index = indexOf(count)
    const step = Math.max(1, Math.floor(count / 50))
    for (let number = 0; number < count; number += step) {
      const { read } = readerOf(index)
      expect(await searchIndex(digestOf(number), count, read)).toEqual({
        kind: 'found',
        place: { offset: number, length: 2 * number }
      })
    }
    for (let number = 0; number < 50; number++) {
      const { read } = readerOf(index)
      expect(await searchIndex(digestOf(`no ${number}`), count, read)).toEqual({ kind: 'absent' })
    }
  })

  it('of a large piece is found in with two reads, nearly always', async () => {
    const count = 100_000
    const index = indexOf(count)
    const costs = await Promise.all(
      Array.from({ length: 300 }, async (_, number) => {
        const { read, reads } = readerOf(index)
        expect((await searchIndex(digestOf(number * 300), count, read)).kind).toBe('found')
        return reads.length
      })
    )
    expect(costs.filter(cost => cost <= 2).length).toBeGreaterThan(285)
    expect(Math.max(...costs)).toBeLessThanOrEqual(4)
  })

  it('keeps the first of blocks with one digest', () => {
    const builder = new PieceIndexBuilder()
    builder.add(digestOf('a'), { offset: 1, length: 2 })
    builder.add(digestOf('a'), { offset: 3, length: 2 })
    const index = builder.encode()
    expect(index.length).toBe(INDEX_ENTRY_SIZE_BYTES)
    expect([...index.subarray(32)]).toEqual([0, 0, 0, 1, 0, 0, 0, 2])
  })

  it('is sorted whatever came when', () => {
    const names = fc.uniqueArray(fc.string(), { maxLength: 200 })
    fc.assert(
      fc.property(names, all => {
        const builder = new PieceIndexBuilder()
        for (const name of all) builder.add(digestOf(name), { offset: 0, length: 0 })
        const index = Buffer.from(builder.encode())
        const digests = all.map((_, at) => index.toString('hex', at * 40, at * 40 + 32))
        expect(digests).toEqual(all.map(name => Buffer.from(digestOf(name)).toString('hex')).sort())
      })
    )
  })

  it('takes digests of SHA-256 only', () => {
    expect(() => new PieceIndexBuilder().add(new Uint8Array(20), { offset: 0, length: 0 })).toThrow(RangeError)
  })
})

describe('a search in an index that somebody made up', () => {
  const entriesOf = (from: number, to: number, byte: number) => {
    const entries = new Uint8Array((to - from) * INDEX_ENTRY_SIZE_BYTES).fill(byte)
    const view = new DataView(entries.buffer)
    for (let at = 0; at < to - from; at++) view.setUint32(at * INDEX_ENTRY_SIZE_BYTES + 28, at)
    return entries
  }

  it.each<[string, number]>([
    ['always sends it on', 0],
    ['always sends it back', 255]
  ])('ends soon when it %s', async (_, byte) => {
    for (const name of ['a', 'b', 'c']) {
      let reads = 0
      const found = await searchIndex(digestOf(name), BLOCKS_PER_PIECE_MAX, async (from, to) => {
        reads += 1
        expect(to - from).toBeLessThanOrEqual(1024)
        return entriesOf(from, to, byte)
      })
      expect(found).toEqual({ kind: 'absent' })
      expect(reads).toBeLessThanOrEqual(14)
    }
  })

  it('notices that it is not sorted', async () => {
    const read: ReadEntries = async (from, to) => new Uint8Array((to - from) * INDEX_ENTRY_SIZE_BYTES)
    expect(await searchIndex(digestOf('a'), 2, read)).toEqual({ kind: 'malformed' })
  })
})
