import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it } from 'vitest'
import { CHUNK_SIZE_BYTES_MAX } from '../../src/protocols/limits.ts'
import { gatherAsItComes, gatherBorrowed, giveBack } from '../../src/protocols/spare-chunks.ts'

/** A frame of which so many bytes come at once. */
function frameOf(sizeBytes: number, fill: number, stepBytes = sizeBytes) {
  const bytes = new Uint8Array(sizeBytes).fill(fill)
  bytes[sizeBytes - 1] = fill + 1
  let offset = 0
  const take = async (size: number) => {
    offset += size
    return new Uint8ArrayList(bytes.subarray(offset - size, offset))
  }
  return {
    get leftBytes() {
      return sizeBytes - offset
    },
    some: (sizeBytesMax = sizeBytes) => take(Math.min(stepBytes, sizeBytesMax, sizeBytes - offset)),
    rest: () => take(sizeBytes - offset)
  }
}

it('lays a list out in one piece, and uses memory again only when it is given back, once', async () => {
  const gather = gatherBorrowed(CHUNK_SIZE_BYTES_MAX)
  const [first, second] = [await gather(frameOf(1000, 1)), await gather(frameOf(5, 7))]
  expect(first.buffer).not.toBe(second.buffer)
  expect([first.length, first[0], first[998], first[999]]).toEqual([1000, 1, 1, 2])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
  giveBack(first)
  giveBack(first)
  const [third, fourth] = [await gather(frameOf(2000, 3)), await gather(frameOf(2000, 4))]
  expect(third.buffer).toBe(first.buffer)
  expect(fourth.buffer).not.toBe(first.buffer)
  expect([third.length, third[1999]]).toEqual([2000, 4])
  expect([...second]).toEqual([7, 7, 7, 7, 8])
})

it('gives chunks of another size memory of their own', async () => {
  const gather = gatherBorrowed(64 * 1024)
  const chunk = await gather(frameOf(64 * 1024, 1))
  giveBack(chunk)
  expect((await gather(frameOf(64 * 1024, 2))).buffer).not.toBe(chunk.buffer)
  const large = await gatherBorrowed(CHUNK_SIZE_BYTES_MAX)(frameOf(CHUNK_SIZE_BYTES_MAX + 1, 5))
  expect([large.length, large.at(-1)]).toEqual([CHUNK_SIZE_BYTES_MAX + 1, 6])
})

it('shows each part of a chunk as it comes, in its place, and borrows memory for whole ones only', async () => {
  const parts: number[][] = []
  const gather = gatherAsItComes(bytes => parts.push([bytes.length, bytes.at(-1)!]))
  const short = await gather(frameOf(10, 1, 4))
  expect([...short]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2])
  expect(parts.splice(0)).toEqual([
    [4, 1],
    [4, 1],
    [2, 2]
  ])
  giveBack(short)
  const whole = await gather(frameOf(CHUNK_SIZE_BYTES_MAX, 3, 700_000))
  expect(whole.buffer).not.toBe(short.buffer)
  expect(parts).toEqual([
    [700_000, 3],
    [CHUNK_SIZE_BYTES_MAX - 700_000, 4]
  ])
  giveBack(whole)
  expect((await gather(frameOf(CHUNK_SIZE_BYTES_MAX, 5))).buffer).toBe(whole.buffer)
})
