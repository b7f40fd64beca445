import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it } from 'vitest'
import { CHUNK_SIZE_BYTES_MAX } from '../../src/protocols/limits.ts'
import { borrowChunks } from '../../src/protocols/spare-chunks.ts'

const listOf = (sizeBytes: number, fill: number) =>
  new Uint8ArrayList(new Uint8Array(sizeBytes - 1).fill(fill), Uint8Array.of(fill + 1))

it('lays a list out in one piece, and uses memory again only when it is given back', () => {
  const { gather, giveBack } = borrowChunks(CHUNK_SIZE_BYTES_MAX)
  const [first, second] = [gather(listOf(1000, 1)), gather(listOf(5, 7))]
  expect(first.buffer).not.toBe(second.buffer)
  expect([first.length, first[0], first[998], first[999]]).toEqual([1000, 1, 1, 2])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
  giveBack(first)
  const third = gather(listOf(2000, 3))
  expect(third.buffer).toBe(first.buffer)
  expect([third.length, third[1999]]).toEqual([2000, 4])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
})

it('gives chunks of another size memory of their own', () => {
  const { gather, giveBack } = borrowChunks(64 * 1024)
  const chunk = gather(listOf(64 * 1024, 1))
  giveBack(chunk)
  expect(gather(listOf(64 * 1024, 2)).buffer).not.toBe(chunk.buffer)
  const large = borrowChunks(CHUNK_SIZE_BYTES_MAX).gather(listOf(CHUNK_SIZE_BYTES_MAX + 1, 5))
  expect([large.length, large.at(-1)]).toEqual([CHUNK_SIZE_BYTES_MAX + 1, 6])
})
