import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFrameCipher } from '../../src/pieces/frames.ts'
import {
  deriveLabel,
  deriveObjectListKeys,
  OBJECT_LIST_SIZE_BYTES_MAX,
  type ObjectList,
  openObjectList,
  portablePieceCiphers,
  readReplica,
  sealObjectList,
  slotOf
} from '../../src/pieces/index.ts'
import type { ReadKey } from '../../src/pieces/object-keys.ts'
import { gather, text } from '../content/memory-content.ts'
import { rootOf } from '../ledger/memory-pieces.ts'
import { chunked, join, noise, SECRET } from './private-objects.ts'

const ciphers = portablePieceCiphers
const keys = deriveObjectListKeys(noise(32))
const LIST: ObjectList = {
  version: 1,
  sequence: 7,
  objects: [
    {
      name: 'holiday',
      root: rootOf('a'),
      private: { secret: SECRET, layout: 'distinct', pieceCount: 3 },
      contentSizeBytes: 12_345,
      storedMs: 1_700_000_000_000
    },
    { name: 'published', root: rootOf('b'), private: null, contentSizeBytes: 1, storedMs: 0 }
  ]
}

async function storedOf(list: ObjectList, replica: number, salt = noise(32, 9)): Promise<Uint8Array> {
  const inner = sealObjectList(list, { keys, salt, ciphers })
  const layer = { ciphers, repairKey: keys.slots[slotOf(list)], layout: 'distinct' } as const
  return join(await gather(readReplica({ ...layer, place: { replica, piece: 0 }, inner: chunked(inner) })))
}

describe('an object list', () => {
  it('comes back from any replica with the account’s key alone', async () => {
    for (const replica of [0, 2]) {
      const bytes = await storedOf(LIST, replica)
      expect(openObjectList({ bytes, slot: 1, replica }, { keys: deriveObjectListKeys(noise(32)), ciphers })).toEqual({
        ok: true,
        list: LIST
      })
    }
  })

  it('comes back however many objects it lists', async () => {
    for (const count of [0, 1, 30, 2000]) {
      const objects = Array.from({ length: count }, (_, index) => ({ ...LIST.objects[index % 2]!, name: `${index}` }))
      const list = { ...LIST, objects }
      const bytes = await storedOf(list, 0)
      expect(openObjectList({ bytes, slot: 1, replica: 0 }, { keys, ciphers })).toEqual({ ok: true, list })
    }
  })

  it('hides what it lists, and nearly how much', async () => {
    const bytes = Buffer.from(await storedOf(LIST, 0))
    for (const needle of [text('holiday'), rootOf('a').bytes, SECRET])
      expect(bytes.includes(Buffer.from(needle))).toBe(false)
    expect(bytes.length).toBe((await storedOf({ ...LIST, objects: [] }, 0)).length)
  })

  it('is other bytes with every salt', async () => {
    const [first, second] = [await storedOf(LIST, 0), await storedOf(LIST, 0, noise(32, 10))]
    expect(first.filter((byte, index) => byte === second[index]).length).toBeLessThan(first.length / 50)
  })

  it('stands under labels that only the account can know, one a slot and replica', () => {
    const labels = keys.slots.flatMap(slot => [0, 1].map(replica => deriveLabel(slot, { replica, piece: 0 })))
    expect(new Set(labels.map(String)).size).toBe(4)
    const others = deriveObjectListKeys(noise(32, 3))
    expect(deriveLabel(others.slots[0], { replica: 0, piece: 0 })).not.toEqual(labels[0])
  })

  it('goes into the other slot than the one before', () => {
    expect([0, 1, 2, 3].map(sequence => slotOf({ sequence }))).toEqual([0, 1, 0, 1])
  })

  it.each<[string, (bytes: Uint8Array) => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(), 'size'],
    ['its salt', bytes => bytes.subarray(0, 32), 'size'],
    ['more than any list', () => new Uint8Array(OBJECT_LIST_SIZE_BYTES_MAX + 1), 'size'],
    ['noise', bytes => noise(bytes.length), 'not authentic'],
    ['its first half', bytes => bytes.subarray(0, 2000), 'not authentic']
  ])('is not %s', async (_, change, reason) => {
    const bytes = change(await storedOf(LIST, 0))
    expect(openObjectList({ bytes, slot: 1, replica: 0 }, { keys, ciphers })).toEqual({ ok: false, reason })
  })

  it('is not found with a bit flipped anywhere', async () => {
    const stored = await storedOf(LIST, 0)
    fc.assert(
      fc.property(fc.nat(stored.length * 8 - 1), bit => {
        const bytes = stored.slice()
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        expect(openObjectList({ bytes, slot: 1, replica: 0 }, { keys, ciphers }).ok).toBe(false)
      })
    )
  })

  it('is not opened as another replica, slot, account, or as a piece of an object', async () => {
    const stored = await storedOf(LIST, 0)
    const open = (slot: 0 | 1, replica: number, by = keys) =>
      openObjectList({ bytes: stored.slice(), slot, replica }, { keys: by, ciphers }).ok
    expect(open(1, 0)).toBe(true)
    expect([open(0, 0), open(1, 1), open(1, 0, deriveObjectListKeys(noise(32, 3)))]).toEqual([false, false, false])
    const cipher = createFrameCipher(ciphers, keys.listKey as ReadKey, 0)
    expect(cipher.open(stored.slice(32), 0, true)).toBe(false)
  })

  it('in the wrong slot does not count', async () => {
    const inner = sealObjectList(LIST, { keys, salt: noise(32, 9), ciphers })
    const layer = { ciphers, repairKey: keys.slots[0], layout: 'distinct', place: { replica: 0, piece: 0 } } as const
    const bytes = join(await gather(readReplica({ ...layer, inner: chunked(inner) })))
    expect(openObjectList({ bytes, slot: 0, replica: 0 }, { keys, ciphers })).toEqual({ ok: false, reason: 'slot' })
  })

  it('that is none is not sealed', () => {
    const tools = { keys, salt: noise(32), ciphers }
    expect(() => sealObjectList({ ...LIST, sequence: -1 }, tools)).toThrow(RangeError)
    expect(() => sealObjectList(LIST, { ...tools, salt: noise(31) })).toThrow(RangeError)
  })
})
