import fc from 'fast-check'
import { expect, it } from 'vitest'
import { REUSABLE_CHUNK_SIZE_BYTES, type SourceEntry, type UnixfsProfile } from '../../src/content/index.ts'
import { file, packTree } from './memory-content.ts'

/** As `file`, from two buffers in turn, each overwritten as soon as that is allowed. */
function reusing(path: string, chunks: readonly Uint8Array[]): SourceEntry {
  async function* content() {
    const buffers = [0, 1].map(() => new Uint8Array(Math.max(...chunks.map(chunk => chunk.length))))
    for (const [i, chunk] of chunks.entries()) {
      const buffer = buffers[i % 2]!
      buffer.fill(0xff)
      buffer.set(chunk)
      yield buffer.subarray(0, chunk.length)
    }
    buffers[chunks.length % 2]!.fill(0xff)
  }
  return { path, kind: 'file', content: { [Symbol.asyncIterator]: content } }
}

const CHUNKS = fc
  .tuple(fc.nat(5), fc.constantFrom(1, 1000, 262_143, 262_144, 262_145, REUSABLE_CHUNK_SIZE_BYTES))
  .map(([full, last]) => [...Array<number>(full).fill(REUSABLE_CHUNK_SIZE_BYTES), last])

it.each<UnixfsProfile>(['unixfs-v1-2025', 'unixfs-v0-2015'])(
  'files in chunks that their source fills again are packed as others are: %s',
  async profile => {
    await fc.assert(
      fc.asyncProperty(CHUNKS, async sizes => {
        const chunks = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
        const plain = await packTree([file('a', ...chunks), file('b', chunks[0]!)], { profile })
        const reused = await packTree([reusing('a', chunks), reusing('b', chunks.slice(0, 1))], { profile })
        expect(`${reused.packed.root}`).toBe(`${plain.packed.root}`)
        expect(Buffer.concat(reused.pieces.bytes).equals(Buffer.concat(plain.pieces.bytes))).toBe(true)
      }),
      { numRuns: 8 }
    )
  }
)
