import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it } from 'vitest'
import { CHUNK_SIZE_BYTES_MAX } from '../../src/protocols/limits.ts'
import { borrowChunk, borrowWholeChunk, giveBack } from '../../src/protocols/spare-chunks.ts'

const listOf = (sizeBytes: number, fill: number) =>
  new Uint8ArrayList(new Uint8Array(sizeBytes - 1).fill(fill), Uint8Array.of(fill + 1))

it('lays a list out in one piece, and uses memory again only when it is given back, and once', () => {
  const [first, second] = [borrowChunk(listOf(1000, 1)), borrowChunk(listOf(5, 7))]
  expect(first.buffer).not.toBe(second.buffer)
  expect([first.length, first[0], first[998], first[999]]).toEqual([1000, 1, 1, 2])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
  giveBack(first)
  giveBack(first)
  const [third, fourth] = [borrowChunk(listOf(2000, 3)), borrowChunk(listOf(2000, 4))]
  expect(fourth.buffer).not.toBe(first.buffer)
  expect(third.buffer).toBe(first.buffer)
  expect([third.length, third[1999]]).toEqual([2000, 4])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
})

it('gives more than a chunk memory of its own, and to who may keep it less than a chunk as well', () => {
  const large = borrowChunk(listOf(CHUNK_SIZE_BYTES_MAX + 1, 5))
  expect([large.length, large.at(-1)]).toEqual([CHUNK_SIZE_BYTES_MAX + 1, 6])
  const short = borrowWholeChunk(listOf(1000, 1))
  expect([short.length, short.buffer.byteLength]).toEqual([1000, 1000])
  const whole = borrowWholeChunk(listOf(CHUNK_SIZE_BYTES_MAX, 2))
  for (const chunk of [large, short, whole]) giveBack(chunk)
  expect(borrowWholeChunk(listOf(CHUNK_SIZE_BYTES_MAX, 3)).buffer).toBe(whole.buffer)
})
