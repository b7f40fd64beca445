import { portableNodeHasher } from '@holdfast/proofs'
import { describe, expect, it } from 'vitest'
import { type ContentSource, packSource } from '../../src/content/index.ts'
import { chunksOf, file, MemoryPieces, packTree, sourceOf, text } from './memory-content.ts'

const BYTES = new Uint8Array(2_500_000).map((_, i) => (i * 7 + (i >> 8)) % 253)

async function rootOf(source: ContentSource, signal?: AbortSignal): Promise<string> {
  const pieces = new MemoryPieces()
  const options = { source, openPiece: pieces.openPiece, nodeHasher: portableNodeHasher, signal }
  return (await packSource(options)).root.toString()
}

describe('packSource', () => {
  it('gives one root for the same bytes, whatever they come in', async () => {
    const { root } = (await packTree([file('', BYTES)])).packed
    const sources: ContentSource[] = [
      BYTES,
      new Blob([BYTES.subarray(0, 999), BYTES.subarray(999)]),
      new Blob([BYTES]).stream(),
      chunksOf(BYTES.slice(0, 5), new Uint8Array(0), BYTES.slice(5)),
      { entries: sourceOf([file('', BYTES)]) }
    ]
    for (const source of sources) expect(await rootOf(source)).toBe(root.toString())
  })

  it('leaves the bytes of the app to the app', async () => {
    const bytes = BYTES.slice()
    const before = await rootOf(bytes)
    const again = rootOf(bytes)
    queueMicrotask(() => bytes.fill(0, 2_400_000))
    await again
    bytes.set(BYTES)
    expect(await rootOf(bytes)).toBe(before)
  })

  it('cancels a stream that it does not read to the end', async () => {
    let cancelled: unknown
    const controller = new AbortController()
    let pulls = 0
    const stream = new ReadableStream<Uint8Array>({
      pull(sink) {
        sink.enqueue(BYTES.slice())
        pulls += 1
        if (pulls === 3) controller.abort(new Error('enough'))
      },
      cancel(reason) {
        cancelled = reason ?? 'cancelled'
      }
    })
    await expect(rootOf(stream, controller.signal)).rejects.toThrow('enough')
    await expect.poll(() => cancelled).toBe('cancelled')
    expect(stream.locked).toBe(false)
  })

  it('says what a source must yield', async () => {
    const wrong = (async function* () {
      yield text('right') as Uint8Array
      yield 'wrong' as unknown as Uint8Array
    })()
    await expect(rootOf(wrong)).rejects.toMatchObject({ code: 'SOURCE_INVALID' })
  })
})
