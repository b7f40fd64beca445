import { fc, test as property } from '@fast-check/vitest'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, it } from 'vitest'
import { createLeafParts, LEAF_PART_SIZE_BYTES } from '../../src/content/leaf-parts.ts'
import { file, packTree } from './memory-content.ts'

const leafOf = (seed: number, sizeBytes: number) =>
  Uint8Array.from({ length: sizeBytes }, (_, index) => (index * seed) % 251)
const cidOf = async (leaf: Uint8Array) => CID.createV1(raw.code, await sha256.digest(leaf))

property.prop([fc.uniqueArray(fc.integer({ min: 1, max: 5 * LEAF_PART_SIZE_BYTES }), { maxLength: 4 })])(
  'another process knows from a snapshot what this one knew',
  async sizes => {
    const one = createLeafParts()
    const leaves = await Promise.all(
      sizes.map(async (size, seed) => {
        const leaf = leafOf(seed + 2, size)
        return { leaf, cid: await cidOf(leaf) }
      })
    )
    for (const { cid, leaf } of leaves) await one.learn(cid, leaf)
    const other = createLeafParts({ before: one.snapshot() })
    for (const { cid, leaf } of leaves) {
      const part = other.around(cid, leaf.length, leaf.length - 1, leaf.length)!
      const bytes = leaf.slice(part.offset, part.offset + part.length)
      expect(await part.isRight(bytes)).toBe(true)
      bytes[0]! ^= 1
      expect(await part.isRight(bytes)).toBe(false)
    }
    expect([one.learned, other.learned]).toEqual([new Set(leaves.map(({ cid }) => `${cid}`)).size, 0])
    expect(other.snapshot()).toEqual(one.snapshot())
  }
)

property.prop([fc.integer({ min: 1, max: 5 * LEAF_PART_SIZE_BYTES }), fc.nat(), fc.nat()])(
  'a part is its beginnings, each known by itself, and what is left after each',
  async (sizeBytes, one, other) => {
    const leaf = leafOf(3, sizeBytes)
    const cid = await cidOf(leaf)
    const parts = createLeafParts()
    await parts.learn(cid, leaf)
    const from = Math.min(one, other) % sizeBytes
    const part = parts.around(cid, sizeBytes, from, Math.min(sizeBytes, Math.max(from + 1, one, other)))!
    const bytesOf = ({ offset, length }: typeof part) => leaf.slice(offset, offset + length)
    const seen: Uint8Array[] = []
    for (let left: typeof part | undefined = part; left !== undefined; left = left.after(left.beginning.length)) {
      const bytes = bytesOf(left.beginning)
      expect([await left.beginning.isRight(bytes), await left.isRight(bytesOf(left))]).toEqual([true, true])
      seen.push(bytes)
      bytes[bytes.length - 1]! ^= 1
      expect(await left.beginning.isRight(bytes)).toBe(false)
      bytes[bytes.length - 1]! ^= 1
      expect(bytes.length === left.length || bytes.length === LEAF_PART_SIZE_BYTES).toBe(true)
    }
    expect(Buffer.compare(Buffer.concat(seen), bytesOf(part))).toBe(0)
  }
)

it('forgets first what was not used for longest, also after a snapshot', async () => {
  const room = 3 * 32
  const [a, b, c, d] = (await Promise.all([1, 2, 3, 4].map(async seed => cidOf(leafOf(seed, 100))))) as [
    CID,
    CID,
    CID,
    CID
  ]
  const one = createLeafParts({ sizeBytesMax: room })
  for (const [seed, cid] of [a, b, c].entries()) await one.learn(cid, leafOf(seed + 1, 100))
  expect(one.around(a, 100, 0, 1)).toBeDefined()
  const other = createLeafParts({ sizeBytesMax: room, before: one.snapshot() })
  await other.learn(d, leafOf(4, 100))
  expect([a, b, c, d].map(cid => other.around(cid, 100, 0, 1) !== undefined)).toEqual([true, false, true, true])
})

it('is shown every leaf that is packed, and no other block', async () => {
  const learned: string[] = []
  const leafParts = {
    async learn(cid: CID, leaf: Uint8Array) {
      expect((await cidOf(leaf)).equals(cid)).toBe(true)
      learned.push(`${cid}`)
    }
  }
  const leaf = leafOf(7, 1024 * 1024)
  const rest = leafOf(9, 1000)
  await packTree([file('a', leaf, rest), file('b', rest)], { leafParts })
  expect(learned).toEqual([`${await cidOf(leaf)}`, `${await cidOf(rest)}`])
})
