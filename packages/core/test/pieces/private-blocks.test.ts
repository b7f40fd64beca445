import { createPieceHasher, portableNodeHasher } from '@holdfast/proofs'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { createLeafParts, type LeafParts, readBytes, readContent } from '../../src/content/index.ts'
import { FRAME_SIZE_BYTES, hashReplica, PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN } from '../../src/pieces/index.ts'
import { collect, directory, file, gather, packTree, symlink, text } from '../content/memory-content.ts'
import { chunked, expectSame, join, noise, packPrivateTree } from './private-objects.ts'

const MIB = 1024 * 1024

const TREE = [
  directory('empty'),
  file('large', noise(5 * MIB + 77)),
  file('notes/a', text('a')),
  file('notes/b', text('b')),
  symlink('notes/link', 'a'),
  file('nothing')
]
/** Enough for what does not depend on size. */
const LITTLE = [file('large', noise(300_000)), file('notes', text('a'))]
const SMALL = { pieceSizeBytesMax: PRIVATE_PIECE_SIZE_LIMIT_BYTES_MIN + 500_000 }

describe('a private object', () => {
  it.each(['distinct', 'identical'] as const)('reads back what was stored, %s replicas', async layout => {
    const fixture = await packPrivateTree(TREE, { layout })
    const { packed, pieces } = await packTree(TREE)
    expect(fixture.reference.root.equals(packed.root)).toBe(true)
    expect(fixture.reference.pieceCount).toBe(1)
    const read = await collect(readContent({ root: packed.root, fetchBlocks: fixture.fetchBlocks }))
    const blocks = pieces.blocks()
    const expected = await collect(
      readContent({
        root: packed.root,
        fetchBlocks: async function* (cids) {
          for (const cid of cids) yield blocks.get(cid.toString())!
        }
      })
    )
    expect(read).toEqual(expected)
    expect(read.map(({ path }) => path)).toContain('notes/link')
  })

  describe('of which parts of leaves are known', () => {
    const CONTENT = noise(5 * MIB + 77)
    const RANGE = { offset: 2 * MIB + 100_000, length: 70_000 }
    const wanted = CONTENT.subarray(RANGE.offset, RANGE.offset + RANGE.length)

    /** @returns the range, and how many bytes of the piece were read for it */
    async function readRange(fixture: Awaited<ReturnType<typeof packPrivateTree>>, leafParts: LeafParts | undefined) {
      const { fetchBlocks } = fixture.open()
      const read = async () =>
        join(
          await gather(
            readBytes({
              root: fixture.reference.root,
              fetchBlocks: Object.assign(fetchBlocks, { leafParts }),
              ...RANGE,
              path: ['large']
            })
          )
        )
      await read()
      fixture.reads.length = 0
      const bytes = await read()
      const nodes = fixture.reads.filter(({ length }) => length <= FRAME_SIZE_BYTES).length
      return { bytes, sizeBytes: fixture.reads.reduce((sum, { length }) => sum + length, 0), nodes }
    }

    it('is read by the frames that hold them', async () => {
      const leafParts = createLeafParts()
      const fixture = await packPrivateTree([file('large', CONTENT)], { leafParts })
      const { bytes, sizeBytes, nodes } = await readRange(fixture, leafParts)
      expectSame(bytes, wanted)
      expect(sizeBytes - nodes * FRAME_SIZE_BYTES).toBeLessThanOrEqual(4 * FRAME_SIZE_BYTES)
      expect((await readRange(fixture, undefined)).sizeBytes).toBeGreaterThan(16 * FRAME_SIZE_BYTES)
    })

    it('is read whole where they are not what is known, and no wrong byte is given', async () => {
      const leafParts = createLeafParts()
      const learn: LeafParts['learn'] = (cid, leaf) => leafParts.learn(cid, noise(leaf.length + 1).subarray(1))
      const fixture = await packPrivateTree([file('large', CONTENT)], { leafParts: { learn } })
      expectSame((await readRange(fixture, leafParts)).bytes, wanted)
    })
  })

  it('reads back over several pieces, and knows what it is as a whole', async () => {
    const fixture = await packPrivateTree(TREE, SMALL)
    expect(fixture.reference.pieceCount).toBeGreaterThan(2)
    for (const [index, { sizeBytes }] of fixture.content.pieces.entries()) {
      expect(sizeBytes).toBe(fixture.inner[index]!.length)
      expect(sizeBytes).toBeLessThanOrEqual(SMALL.pieceSizeBytesMax)
    }
    const object = fixture.open()
    const read = await collect(readContent({ root: fixture.reference.root, fetchBlocks: object.fetchBlocks }))
    expect(read.find(({ path }) => path === 'large')?.content).toBe(Buffer.from(noise(5 * MIB + 77)).toString('hex'))
    const manifest = await object.manifest()
    expect(manifest.root.equals(fixture.reference.root)).toBe(true)
    const { root: _, ...facts } = manifest
    expect(facts).toEqual({
      version: 1,
      profile: 'unixfs-v1-2025',
      contentSizeBytes: 5 * MIB + 79,
      fileCount: 4,
      blockCount: fixture.content.blockCount,
      earlierPieceSizesBytes: fixture.inner.slice(0, -1).map(({ length }) => length)
    })
    expect(fixture.failures).toEqual([])
  })

  it.each([
    ['file', [file('')]],
    ['directory', [directory('')]]
  ])('of an empty %s reads back', async (kind, tree) => {
    const fixture = await packPrivateTree(tree)
    const read = await collect(readContent({ root: fixture.reference.root, fetchBlocks: fixture.fetchBlocks }))
    expect(read).toMatchObject([{ path: '', kind }])
  })

  it('is encrypted the same way again from the same secret, and otherwise from another one', async () => {
    const [first, again, other] = await Promise.all([
      packPrivateTree(LITTLE),
      packPrivateTree(LITTLE),
      packPrivateTree(LITTLE, { secret: noise(32) })
    ])
    expectSame(again.inner[0]!, first.inner[0]!)
    expect(other.inner[0]!.length).toBe(first.inner[0]!.length)
    expect(other.inner[0]!.filter((byte, index) => byte === first.inner[0]![index]).length).toBeLessThan(
      other.inner[0]!.length / 200
    )
  })

  it('commits to every replica while it is packed', async () => {
    const fixture = await packPrivateTree(LITTLE, { replicaCount: 3 })
    const all = new Set<string>()
    for (const [piece, { cids }] of fixture.content.pieces.entries()) {
      expect(cids.length).toBe(3)
      for (const [replica, cid] of cids.entries()) {
        const inner = chunked(fixture.inner[piece]!)
        const digest = await hashReplica({ ...fixture.layer, place: { replica, piece }, inner }, portableNodeHasher)
        expect(digest.cid.equals(cid)).toBe(true)
        all.add(cid.toString())
      }
    }
    expect(all.size).toBe(3 * fixture.inner.length)
  })

  it('is one piece for all replicas when these are to be identical', async () => {
    const { content, inner } = await packPrivateTree(LITTLE, { layout: 'identical', replicaCount: 3 })
    const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
    hasher.update(inner[0]!)
    const { cid } = hasher.digest()
    expect(content.pieces[0]!.cids.map(String)).toEqual(Array(3).fill(cid.toString()))
  })

  it('shows nothing of its content in any replica', async () => {
    const fixture = await packPrivateTree(TREE)
    const needles = [
      fixture.reference.root.bytes,
      fixture.reference.root.multihash.digest,
      text('notes'),
      text('large')
    ]
    for (const replica of [0, 1]) {
      const stored = Buffer.from(await fixture.stored({ replica, piece: 0 }))
      for (const needle of needles) expect(stored.includes(Buffer.from(needle))).toBe(false)
      for (let at = 0; at + 64 < 5 * MIB; at += MIB) {
        expect(stored.includes(Buffer.from(noise(5 * MIB + 77).subarray(at, at + 64)))).toBe(false)
      }
    }
  })

  it('fetches little more than a block that is asked for', async () => {
    const fixture = await packPrivateTree([file('', noise(8 * MIB))])
    const object = fixture.open()
    await object.manifest()
    fixture.reads.length = 0
    const leaves = await packTree([file('', noise(8 * MIB).subarray(4 * MIB, 5 * MIB))])
    const [leaf] = [...leaves.pieces.blocks()].filter(([, bytes]) => bytes.length === MIB)
    const [block] = await gather(object.fetchBlocks([CID.parse(leaf![0])], {}))
    expectSame(block!, leaf![1])
    expect(fixture.reads.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(MIB + 2 * FRAME_SIZE_BYTES)
  })

  it('reads neighbours as one range', async () => {
    const fixture = await packPrivateTree([file('', noise(8 * MIB))])
    await collect(readContent({ root: fixture.reference.root, fetchBlocks: fixture.fetchBlocks }))
    expect(fixture.reads.length).toBeLessThanOrEqual(4)
  })

  it('says which block is in none of its pieces', async () => {
    const fixture = await packPrivateTree(TREE, SMALL)
    const { packed } = await packTree([file('', text('elsewhere'))])
    await expect(gather(fixture.fetchBlocks([packed.root], {}))).rejects.toMatchObject({
      code: 'BLOCK_MISSING'
    })
  })
})

const size = ({ length }: Uint8Array) => length

describe('blocks of a private object', () => {
  it('come in the order asked, whatever their sizes and places', async () => {
    const sizes = [0, 1, 100, 65_519, 65_520, 65_521, 131_040, 1_000_000, 40]
    const entries = sizes.map((size, index) => file(`${index}`, noise(size, index + 1)))
    const fixture = await packPrivateTree(entries, SMALL)
    const { pieces } = await packTree(entries)
    const blocks = [...pieces.blocks()].map(([cid, bytes]) => ({ cid: CID.parse(cid), bytes }))
    expect(blocks.some(({ bytes }) => bytes.length === 0)).toBe(true)
    const order = fc.shuffledSubarray(blocks, { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(order, async asked => {
        const got = await gather(
          fixture.fetchBlocks(
            asked.map(({ cid }) => cid),
            {}
          )
        )
        expect(got.map(size)).toEqual(asked.map(({ bytes }) => size(bytes)))
        expectSame(join(got), join(asked.map(({ bytes }) => bytes)))
      }),
      { numRuns: 40 }
    )
    const inOrder = await gather(
      fixture.fetchBlocks(
        blocks.map(({ cid }) => cid),
        {}
      )
    )
    expectSame(join(inOrder), join(blocks.map(({ bytes }) => bytes)))
  })
})
