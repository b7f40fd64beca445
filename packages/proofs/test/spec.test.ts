/** Runs the worked examples of SPEC.md, against the package and, where it can, against the reference. */
import { readFileSync } from 'node:fs'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import {
  type CachedLayer,
  decodePieceCid,
  deriveChallenges,
  enclosingQuads,
  encodePieceCidV1,
  heightOf,
  leafCountOf,
  leafRangeOf,
  locateLeaves,
  paddingOf,
  proveBlock,
  proveEachLeaf,
  proveLeaves,
  proveRange,
  quadCountOf,
  type RawRange,
  samplesFor,
  verifyBlock
} from '../src/index.ts'
import { zeroNode } from '../src/zero-nodes.ts'
import { nativeNodeHasher, pieceOf } from './pieces.ts'
import { expandByBits } from './reference.ts'
import { fromHex, toHex } from './vectors.ts'

const text = readFileSync(new URL('../SPEC.md', import.meta.url), 'utf8')
const examples = new Map(
  [...text.matchAll(/```json\n([\s\S]+?)```/g)].map(([, json]) => {
    const example = JSON.parse(json!) as { example: string }
    return [example.example, example]
  })
)

/** Takes an example; in the end all must have been taken. */
function take<T>(name: string): T {
  const example = examples.get(name)
  examples.delete(name)
  return example as T
}

const inNodes = (bytes: Uint8Array) => toHex(bytes).match(/.{64}/g) ?? []
const sampleBytes = Uint8Array.from({ length: 300 }, (_, i) => i % 251)
const sample = pieceOf(sampleBytes, 2)

test('§1 sizes', () => {
  type Row = { rawSize: number; quads: number; height: number; padding: number; leafCount: number }
  const { rows } = take<{ rows: Row[] }>('sizes')
  for (const row of rows) {
    const { rawSize } = row
    const actual = { quads: quadCountOf(rawSize), height: heightOf(rawSize), padding: paddingOf(rawSize) }
    expect({ rawSize, ...actual, leafCount: leafCountOf(rawSize) }).toEqual(row)
  }
})

test('§2 fr32', () => {
  expect(inNodes(expandByBits(sampleBytes))).toEqual(take<{ leaves: string[] }>('fr32').leaves)
})

test('§3 the tree', () => {
  const { zero, level2, root } = take<{ zero: string[]; level2: string[]; root: string }>('tree')
  expect(zero.map((_, level) => toHex(zeroNode(level)))).toEqual(zero)
  expect(sample.digest.layer).toEqual<CachedLayer>({ height: 2, nodes: fromHex(level2.join('')) })
  expect(toHex(sample.digest.root)).toBe(root)
})

test('§4 piece CIDs', () => {
  type Cids = { v2: string; v2Bytes: string; v1: string; refused: { bytes: string; reason: string }[] }
  const { v2, v2Bytes, v1, refused } = take<Cids>('cids')
  expect(sample.digest.cid.toString()).toBe(v2)
  expect(toHex(sample.digest.cid.bytes)).toBe(v2Bytes)
  expect(encodePieceCidV1(sample.digest.root).toString()).toBe(v1)
  for (const { bytes, reason } of refused) expect(decodePieceCid(fromHex(bytes))).toEqual({ ok: false, reason })
})

test('§5 challenges', () => {
  type Challenges = { seed: string; deal: number; leafCounts: number[]; indices: number[]; locations: number[][] }
  const { seed, deal, leafCounts, indices, locations } = take<Challenges>('challenges')
  const range = BigInt(leafCounts.reduce((sum, count) => sum + count, 0))
  const challenges = deriveChallenges({ seed: fromHex(seed), dealId: BigInt(deal), range, count: indices.length })
  expect(challenges.map(Number)).toEqual(indices)
  expect(locateLeaves(leafCounts, challenges).map(({ pieceIndex, leafIndex }) => [pieceIndex, leafIndex])).toEqual(
    locations
  )
})

test('§5 how many', () => {
  const rows = text
    .match(/^\| [\d.]+ % \|.*$/gm)!
    .map(row => row.match(/[\d.,]+/g)!.map(cell => Number(cell.replace(',', ''))))
  expect(rows).toHaveLength(6)
  for (const [lost, ...samples] of rows)
    expect([0.9, 0.99, 0.999].map(confidence => samplesFor({ lossFraction: lost! / 100, confidence }))).toEqual(samples)
})

test('§6.1 leaf proof', async () => {
  const { leafIndex, leaf, siblings } = take<{ leafIndex: number; leaf: string; siblings: string[] }>('leaf-proof')
  const [proof] = await proveEachLeaf({ ...sample.source, leafIndices: [leafIndex] })
  expect(proof).toEqual({ leaf: fromHex(leaf), siblings: fromHex(siblings.join('')) })
})

test('§6.2 multi-proof', async () => {
  const { leafIndices, leaves, nodes } = take<{ leafIndices: number[]; leaves: string[]; nodes: string[] }>(
    'multi-proof'
  )
  const proof = await proveLeaves({ ...sample.source, leafIndices })
  expect(proof).toEqual({ leaves: fromHex(leaves.join('')), nodes: fromHex(nodes.join('')) })
})

test('§6.3 range proof', async () => {
  type Range = { range: RawRange; quads: RawRange; leaves: { start: number; end: number }; nodes: string[] }
  const { range, quads, leaves, nodes } = take<Range>('range-proof')
  expect(enclosingQuads(range, 300)).toEqual(quads)
  expect(leafRangeOf(range, 300)).toEqual(leaves)
  expect(inNodes(await proveRange({ ...sample.source, range }))).toEqual(nodes)
})

test('§6.4 block proof', async () => {
  type Block = { cid: string; pieceCid: string; section: RawRange; bytes: string; nodes: string[] }
  const { cid, pieceCid, section, bytes, nodes } = take<Block>('block-proof')
  const block = CID.parse(cid)
  const data = new TextEncoder().encode('holdfast')
  const sectionBytes = Uint8Array.of(block.bytes.length + data.length, ...block.bytes, ...data)
  const piece = pieceOf(
    Uint8Array.of(...sampleBytes.subarray(0, 200), ...sectionBytes, ...sampleBytes.subarray(200)),
    2
  )
  expect(piece.digest.cid.toString()).toBe(pieceCid)
  const proof = await proveBlock({ ...piece.source, section })
  expect(proof).toEqual({ section, bytes: fromHex(bytes), nodes: fromHex(nodes.join('')) })
  const verdict = verifyBlock({ commitment: piece.digest, cid: block, proof, nodeHasher: nativeNodeHasher })
  expect(verdict).toEqual({ ok: true, data })
})

test('no example is left out', () => {
  expect([...examples.keys()]).toEqual([])
})
