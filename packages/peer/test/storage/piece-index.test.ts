import { expect, it } from 'vitest'
import type { IndexLevel, IndexOperation, IndexRange } from '../../src/storage/index-level.ts'
import { type BlockLocation, createPieceIndex } from '../../src/storage/piece-index.ts'

const RECORD = { holders: [{ dealId: '1' }], isCar: true, blockCount: 1, isIndexed: true, isDamaged: false }

/** A Level in memory that counts how often it is searched. */
function openIndex() {
  const entries = new Map<string, string>()
  const searches = { count: 0 }
  const level: IndexLevel = {
    get: async key => entries.get(key),
    async batch(operations: IndexOperation[]) {
      for (const operation of operations)
        if (operation.type === 'put') entries.set(operation.key, operation.value)
        else entries.delete(operation.key)
    },
    async *iterator({ gte = '', lt = '~' }: IndexRange) {
      searches.count += 1
      for (const [key, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1)))
        if (key >= gte && key < lt) yield [key, value]
    }
  }
  const index = createPieceIndex(level)
  const piecesOf = async (multihash: string) => {
    const found: BlockLocation[] = []
    for await (const place of index.locate(multihash)) found.push(place)
    return found.map(({ piece }) => piece)
  }
  return { index, entries, searches, piecesOf }
}

const place = (multihash: string) => ({ multihash, offset: 5, length: 9 })

it('searches once for the places of a block, until a place is added or taken away', async () => {
  const { index, searches, piecesOf } = openIndex()
  await index.put('a', RECORD)
  await index.addBlocks('a', [place('01'), place('02')])
  for (const _ of [1, 2, 3]) expect(await piecesOf('01')).toEqual(['a'])
  expect(searches.count).toBe(1)
  await index.put('b', RECORD)
  await index.addBlocks('b', [place('01')])
  for (const _ of [1, 2]) expect(await piecesOf('01')).toEqual(['a', 'b'])
  expect(searches.count).toBe(2)
  await index.delete('a')
  expect(await piecesOf('01')).toEqual(['b'])
  expect(await piecesOf('02')).toEqual([])
})

it('finds a block no more once its piece is not indexed, though its places are remembered', async () => {
  const { index, piecesOf } = openIndex()
  await index.put('a', RECORD)
  await index.addBlocks('a', [place('01')])
  expect(await piecesOf('01')).toEqual(['a'])
  await index.put('a', { ...RECORD, isIndexed: false })
  expect(await piecesOf('01')).toEqual([])
})

it('remembers no places that were read while they changed', async () => {
  const { index, piecesOf } = openIndex()
  await index.put('a', RECORD)
  await index.put('b', RECORD)
  await index.addBlocks('a', [place('01')])
  const reading = index.locate('01')[Symbol.asyncIterator]()
  await reading.next()
  await index.addBlocks('b', [place('01')])
  await reading.next()
  expect(await piecesOf('01')).toEqual(['a', 'b'])
})

it('does not remember a block that stands in many pieces', async () => {
  const { index, searches, piecesOf } = openIndex()
  for (const piece of 'abcdefghi') {
    await index.put(piece, RECORD)
    await index.addBlocks(piece, [place('01')])
  }
  for (const _ of [1, 2]) expect(await piecesOf('01')).toHaveLength(9)
  expect(searches.count).toBe(2)
})

it('finds no block at a place that is not what was written', async () => {
  const written = openIndex()
  await written.index.put('a', RECORD)
  await written.index.addBlocks('a', [place('01')])
  const [key, value] = [...written.entries].find(([name]) => name.startsWith('b!'))!
  expect(value).toMatch(/^5,9,\d+$/)
  for (const wrong of ['6,9,', '5,8,', '5,9', '', '15,9,']
    .map(front => front + value.slice(4))
    .concat('5,9', 'x,y,z')) {
    const { index, entries, piecesOf } = openIndex()
    await index.put('a', RECORD)
    entries.set(key, wrong)
    expect(await piecesOf('01'), wrong).toEqual([])
    // Nor one that is another block's, or in another piece.
    entries.set(key.replace('01', '02'), value)
    entries.set(key.replace('!a', '!b'), value)
    await index.put('b', RECORD)
    expect([...(await piecesOf('01')), ...(await piecesOf('02'))]).toEqual([])
    entries.set(key, value)
  }
})
