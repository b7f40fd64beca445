import { describe, expect, it } from 'vitest'
import { READS_AHEAD, readAhead } from '../src/read-ahead.ts'

/** Reads that end when the test says so. */
function openReads() {
  const pending = new Map<number, PromiseWithResolvers<string>>()
  let most = 0
  const read = (item: number) => {
    const reading = Promise.withResolvers<string>()
    pending.set(item, reading)
    most = Math.max(most, pending.size)
    return reading.promise.finally(() => pending.delete(item))
  }
  return { read, pending, most: () => most }
}

const ITEMS = Array.from({ length: 20 }, (_, i) => i)

describe('readAhead', () => {
  it('gives items in their order, in whatever order the reads end, and never starts too many', async () => {
    const { read, pending, most } = openReads()
    const seen: number[] = []
    const reading = (async () => {
      for await (const { item, bytes } of readAhead(ITEMS, read)) {
        expect(bytes).toBe(`bytes of ${item}`)
        seen.push(item)
      }
    })()
    while (seen.length < ITEMS.length) {
      for (const [item, one] of [...pending].reverse()) one.resolve(`bytes of ${item}`)
      await Promise.resolve()
    }
    await reading
    expect(seen).toEqual(ITEMS)
    expect(most()).toBe(READS_AHEAD)
  })

  it('throws what a read threw when its turn comes, after the others under way have ended', async () => {
    const { read, pending } = openReads()
    const seen: number[] = []
    const reading = (async () => {
      for await (const { item } of readAhead(ITEMS, read)) seen.push(item)
    })()
    let isOver = false
    const over = reading
      .catch((error: unknown) => error)
      .finally(() => {
        isOver = true
      })
    pending.get(1)!.reject(new Error('the disk is gone'))
    pending.get(0)!.resolve('bytes of 0')
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
    expect({ seen, isOver }).toEqual({ seen: [0], isOver: false })
    for (const one of [...pending.values()]) one.resolve('too late')
    expect(await over).toMatchObject({ message: 'the disk is gone' })
  })

  it('reads nothing of nothing', async () => {
    for await (const _ of readAhead([], () => Promise.reject(new Error('asked')))) throw new Error('an item')
  })
})
