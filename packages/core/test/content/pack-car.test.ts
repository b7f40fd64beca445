import { portableNodeHasher } from '@holdfast/proofs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { encodeCarHeader, encodeSection, packCar, readContent } from '../../src/content/index.ts'
import {
  chunksOf,
  collect,
  directory,
  fetcherOf,
  file,
  MemoryPieces,
  packTree,
  symlink,
  text
} from './memory-content.ts'

const BYTES = new Uint8Array(3 * 1024 * 1024 + 7).map((_, i) => (i * 31 + (i >> 9)) % 251)
const TREE = [directory('d'), file('d/a', BYTES), file('d/empty'), symlink('l', 'd/a'), file('z', text('z'))]

/** A CAR of the tree's blocks under the true root, as `ipfs dag export` writes it. */
async function carOf(change: (sections: Uint8Array[]) => Uint8Array[] = same => same, roots?: CID[]) {
  const { packed, pieces } = await packTree(TREE)
  const sections = Array.from(pieces.blocks(), ([cid, block]) => encodeSection(CID.parse(cid), block))
  const car = Buffer.concat([encodeCarHeader(roots ?? [packed.root]), ...change(sections)])
  return { car: new Uint8Array(car), packed, blocks: pieces.blocks() }
}

async function pack(car: Uint8Array, chunkSizeBytes = 70_001, pieces = new MemoryPieces()) {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < car.length; at += chunkSizeBytes) chunks.push(car.subarray(at, at + chunkSizeBytes))
  const packed = await packCar({
    car: chunksOf(...chunks),
    openPiece: pieces.openPiece,
    nodeHasher: portableNodeHasher
  })
  return { packed, pieces }
}

const rawCid = async (bytes: Uint8Array) => CID.createV1(raw.code, await sha256.digest(bytes))

const other = await rawCid(text('other'))

describe('packCar', () => {
  it('keeps root and blocks, however the file is cut', async () => {
    const { car, packed, blocks } = await carOf()
    for (const chunkSizeBytes of [1 << 20, 70_001, 4096]) {
      const again = await pack(car, chunkSizeBytes)
      expect(again.packed.root.toString()).toBe(packed.root.toString())
      expect(again.packed).toMatchObject({ contentSizeBytes: BYTES.length + 1, blockCount: packed.blockCount })
      expect(new Set(again.pieces.blocks().keys())).toEqual(new Set(blocks.keys()))
    }
  })

  it('takes blocks in any order, twice, and some that nobody needs', async () => {
    const extra = text('nobody links to this')
    const { car, packed } = await carOf(sections => [
      encodeSection(CID.parse('bafkqaaa'), new Uint8Array(0)),
      ...sections.toReversed(),
      sections[0]!
    ])
    const more = new Uint8Array(Buffer.concat([car, encodeSection(await rawCid(extra), extra)]))
    const again = await pack(more)
    expect(again.packed.blockCount).toBe(packed.blockCount + 1)
    const { fetchBlocks } = fetcherOf(again.pieces.blocks())
    expect((await collect(readContent({ root: packed.root, fetchBlocks }))).map(({ path }) => path)).toEqual([
      '',
      'd',
      'd/a',
      'd/empty',
      'l',
      'z'
    ])
  })

  const refused: Array<[string, () => Promise<Uint8Array>, string, RegExp]> = [
    ['no CAR', async () => text('not a CAR at all, but some bytes'), 'CAR_INVALID', /at byte 0/],
    ['a CAR that ends early', async () => (await carOf()).car.slice(0, -1), 'CAR_INVALID', /truncated/],
    [
      'a block that is not its CID',
      async () => (await carOf(() => [encodeSection(other, text('another'))])).car,
      'CAR_INVALID',
      /digest-mismatch/
    ],
    ['a DAG with a hole', async () => (await carOf(s => s.slice(1))).car, 'CAR_INVALID', /missing/],
    [
      'a root that is not there',
      async () => (await carOf(undefined, [other])).car,
      'CAR_INVALID',
      /root .* is not in it/
    ],
    ['no root', async () => (await carOf(undefined, [])).car, 'CAR_INVALID', /0 roots/],
    ['two roots', async () => (await carOf(undefined, [other, other])).car, 'CAR_INVALID', /2 roots/],
    [
      'nothing',
      async () => encodeCarHeader([CID.createV1(raw.code, identity.digest(new Uint8Array(0)))]),
      'NOTHING_TO_STORE',
      /no block/
    ]
  ]
  it.each(refused)('refuses %s and discards what it wrote', async (_, makeCar, code, message) => {
    const pieces = new MemoryPieces()
    const car = await makeCar()
    await expect(pack(car, 50_000, pieces)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(pieces.pieces.every(({ state }) => state === 'discarded')).toBe(true)
  })

  it('obeys its signal while the file hangs, and closes it', async () => {
    const { car } = await carOf()
    const controller = new AbortController()
    let closed = false
    async function* hanging() {
      try {
        yield car.subarray(0, 2_000_000)
        controller.abort(new Error('enough'))
        yield car
      } finally {
        closed = true
      }
    }
    const pieces = new MemoryPieces()
    const { signal } = controller
    const packing = packCar({ car: hanging(), openPiece: pieces.openPiece, nodeHasher: portableNodeHasher, signal })
    await expect(packing).rejects.toThrow('enough')
    expect(closed).toBe(true)
    expect(pieces.pieces.every(({ state }) => state === 'discarded')).toBe(true)
  })
})
