import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { consistencyRoots, verifyConsistency } from '../../src/evidence/merkle-consistency.ts'
import { merklePath, verifyMerklePath } from '../../src/evidence/merkle-path.ts'
import { hashMerkleLeaf, merkleRoot } from '../../src/evidence/merkle-root.ts'
import { createLogTree, type EntryReader, type LogTree } from '../../src/ledger/log-tree.ts'
import vectors from '../vectors/rfc6962.json' with { type: 'json' }

const LEAVES = vectors.leaves.map(hexToBytes)
/** Ten of the tree's groups of 256, and a part of one. */
const MANY = Array.from({ length: 2_600 }, (_, index) => Uint8Array.of(index, index >> 8))

const treeOf = (entries: readonly Uint8Array[]): LogTree => {
  const tree = createLogTree()
  for (const entry of entries) tree.append(entry)
  return tree
}

/** Reads what a test holds, and says how much was read. */
function readerOf(entries: readonly Uint8Array[]): EntryReader & { entriesRead: number } {
  const reader = Object.assign(
    async function* (from: number, to: number) {
      for (const entry of entries.slice(from, to)) {
        reader.entriesRead += 1
        yield entry
      }
    },
    { entriesRead: 0 }
  )
  return reader
}

/** A tree of 2,600 entries, made once. */
const many = treeOf(MANY)
const readMany = readerOf(MANY)
const sizes = fc.integer({ min: 1, max: MANY.length })

describe('the tree over a log, against the vectors of RFC 6962', () => {
  it('has their roots, at every size', async () => {
    const tree = treeOf(LEAVES)
    expect(bytesToHex(createLogTree().root())).toBe(vectors.emptyRoot)
    expect(bytesToHex(await tree.rootAt(0, readerOf(LEAVES)))).toBe(vectors.emptyRoot)
    for (const [index, root] of vectors.roots.entries()) {
      expect(bytesToHex(treeOf(LEAVES.slice(0, index + 1)).root())).toBe(root)
      expect(bytesToHex(await tree.rootAt(index + 1, readerOf(LEAVES)))).toBe(root)
    }
  })

  it.each(vectors.inclusion)('has their path of leaf $index of $size', async ({ index, size, path }) => {
    const own = await treeOf(LEAVES).inclusion(index, size, readerOf(LEAVES))
    expect(own.map(bytesToHex)).toEqual(path)
  })

  it.each(vectors.consistency)('has their path from $from to $to leaves', async ({ from, to, path }) => {
    const own = await treeOf(LEAVES).consistency(from, to, readerOf(LEAVES))
    const leavesOut = from === to || Number.isInteger(Math.log2(from))
    expect(own.map(bytesToHex)).toEqual(leavesOut ? [vectors.roots[from - 1], ...path] : path)
    const [fromRoot, toRoot] = [from, to].map(size => hexToBytes(vectors.roots[size - 1]!)) as [Uint8Array, Uint8Array]
    expect(verifyConsistency({ from, fromRoot, to, toRoot, path: own })).toBe(true)
  })
})

describe('the tree over a log, against its definition', () => {
  it('has the root of its first entries', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async size => {
        const root = merkleRoot(MANY.slice(0, size))
        expect(treeOf(MANY.slice(0, size)).root()).toEqual(root)
        expect(await many.rootAt(size, readMany)).toEqual(root)
      }),
      { numRuns: 30 }
    )
  })

  it('has the paths of its entries, at every size', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (size, anyIndex) => {
        const index = anyIndex % size
        const path = await many.inclusion(index, size, readMany)
        expect(path).toEqual(merklePath(MANY.slice(0, size), index))
        const root = await many.rootAt(size, readMany)
        expect(verifyMerklePath({ root, leafHash: hashMerkleLeaf(MANY[index]!), index, size, path })).toBe(true)
      }),
      { numRuns: 30 }
    )
  })

  it('shows that every older tree is its beginning', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (one, other) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)]
        const path = await many.consistency(from, to, readMany)
        const [fromRoot, toRoot] = [await many.rootAt(from, readMany), await many.rootAt(to, readMany)]
        expect(consistencyRoots(from, to, path)).toEqual({ from: fromRoot, to: toRoot })
        expect(verifyConsistency({ from, fromRoot, to, toRoot, path })).toBe(true)
      }),
      { numRuns: 60 }
    )
  })

  it('shows nothing when anything is changed', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(), fc.integer({ min: 1, max: 255 }), async (one, other, at, flip) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)]
        const path = await many.consistency(from, to, readMany)
        const [fromRoot, toRoot] = [await many.rootAt(from, readMany), await many.rootAt(to, readMany)]
        const claim = { from, fromRoot, to, toRoot, path }
        const changed = (bytes: Uint8Array) => bytes.map((byte, index) => (index === at % 32 ? byte ^ flip : byte))
        const position = at % path.length
        for (const change of [
          { fromRoot: changed(fromRoot) },
          { toRoot: changed(toRoot) },
          { path: path.map((node, index) => (index === position ? changed(node) : node)) },
          { path: path.map((node, index) => (index === position ? node.subarray(1) : node)) },
          { path: path.slice(1) },
          { path: path.slice(0, -1) },
          { path: [...path, toRoot] },
          { path: [] },
          { from: 0 },
          { from: to + 1 },
          { from: from + 0.5 },
          { to: Number.NaN },
          { to: Number.POSITIVE_INFINITY }
        ])
          expect(verifyConsistency({ ...claim, ...change }), JSON.stringify(Object.keys(change))).toBe(false)
      }),
      { numRuns: 30 }
    )
  })
})

describe('the tree over a log', () => {
  it('reads at most two groups of entries for a proof', async () => {
    const reader = readerOf(MANY)
    await many.inclusion(700, 1_500, reader)
    expect(reader.entriesRead).toBeLessThanOrEqual(512)
    reader.entriesRead = 0
    await many.consistency(700, 1_500, reader)
    expect(reader.entriesRead).toBeLessThanOrEqual(512)
    reader.entriesRead = 0
    await many.inclusion(2_590, 2_600, reader)
    expect(reader.entriesRead).toBe(0)
  })

  it('goes on from what it saved', () => {
    for (const size of [0, 1, 255, 256, 257, 1_000, 2_600]) {
      const tree = treeOf(MANY.slice(0, size))
      const saved = tree.save()
      expect(saved.groups.length + saved.leaves.length).toBeLessThan(32 * (256 + size / 256))
      const restored = createLogTree(saved)
      expect(restored.size).toBe(size)
      for (const entry of LEAVES) for (const one of [tree, restored]) one.append(entry)
      expect(restored.root()).toEqual(tree.root())
      expect(restored.save()).toEqual(tree.save())
    }
  })

  it('goes on only from what fits its size', () => {
    const saved = many.save()
    for (const wrong of [
      { ...saved, size: saved.size + 1 },
      { ...saved, size: -1 },
      { ...saved, size: 2_600.5 },
      { ...saved, groups: saved.groups.subarray(32) },
      { ...saved, leaves: saved.leaves.subarray(1) }
    ])
      expect(() => createLogTree(wrong)).toThrow(RangeError)
  })

  it('proves while it grows', async () => {
    const tree = treeOf(MANY.slice(0, 700))
    const proving = tree.consistency(300, 700, async function* (from, to) {
      for (const entry of MANY.slice(700)) tree.append(entry)
      yield* MANY.slice(from, to)
    })
    const path = await proving
    expect(tree.size).toBe(MANY.length)
    expect(path).toEqual(await many.consistency(300, 700, readMany))
  })

  it.each<[string, readonly Uint8Array[]]>([
    ['another entry', MANY.with(100, Uint8Array.of(9))],
    ['fewer entries', MANY.slice(0, 200)]
  ])('does not prove %s than was appended', async (_, entries) => {
    await expect(many.inclusion(3, 2_600, readerOf(entries))).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      details: { from: 0, to: 256 }
    })
  })

  it('has no proofs of what lies outside it', async () => {
    await expect(many.inclusion(5, 5, readMany)).rejects.toThrow(RangeError)
    await expect(many.inclusion(0, 2_601, readMany)).rejects.toThrow(RangeError)
    await expect(many.consistency(0, 5, readMany)).rejects.toThrow(RangeError)
    await expect(many.consistency(6, 5, readMany)).rejects.toThrow(RangeError)
    await expect(many.rootAt(2_601, readMany)).rejects.toThrow(RangeError)
  })

  it('takes numbers of entries up to the largest exact one', () => {
    const [from, to] = [2 ** 52 + 1, Number.MAX_SAFE_INTEGER]
    const nodes = Array.from({ length: 56 }, (_, index) => concatBytes(new Uint8Array(31), Uint8Array.of(index)))
    const lengths = nodes.map((_, count) => count).filter(count => consistencyRoots(from, to, nodes.slice(0, count)))
    expect(lengths).toEqual([54])
  })
})
