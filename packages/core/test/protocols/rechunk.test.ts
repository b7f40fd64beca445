import fc from 'fast-check'
import { expect, it } from 'vitest'
import { rechunk } from '../../src/protocols/rechunk.ts'
import { collect } from './transfers.ts'

async function* each(chunks: Uint8Array[]) {
  yield* chunks
}

it('keeps every byte and its order, in chunks that are full but for the last', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.integer({ min: 1, max: 16 }),
      async (source, size) => {
        const chunks = await collect(rechunk(size)(each(source)))
        expect(Buffer.concat(chunks).equals(Buffer.concat(source))).toBe(true)
        expect(chunks.slice(0, -1).every(({ length }) => length === size)).toBe(true)
        expect(chunks.every(({ length }) => length > 0 && length <= size)).toBe(true)
      }
    )
  )
})

it('takes no more memory for a short end than twice what it has', async () => {
  const chunks = await collect(rechunk(1024)(each([new Uint8Array(10), new Uint8Array(90), new Uint8Array(1)])))
  expect(chunks.map(({ length, buffer }) => [length, buffer.byteLength <= 400])).toEqual([[101, true]])
})

it('copies nothing that lies within one source chunk', async () => {
  const source = new Uint8Array(64)
  const chunks = await collect(rechunk(16)(each([source])))
  expect(chunks.map(({ buffer, byteOffset }) => [buffer === source.buffer, byteOffset])).toEqual([
    [true, 0],
    [true, 16],
    [true, 32],
    [true, 48]
  ])
})
