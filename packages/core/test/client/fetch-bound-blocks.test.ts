import { createPieceHasher, enclosingQuads, portableNodeHasher, proveRange } from '@holdfast/proofs'
import type { Libp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BoundProvider, createBoundBlockFetcher } from '../../src/client/fetch-bound-blocks.ts'
import { createCarScanner } from '../../src/content/index.ts'
import { locateBlocks, readRange } from '../../src/protocols/definitions.ts'
import { serveDownload } from '../../src/protocols/download.ts'
import { serve } from '../../src/protocols/engine.ts'
import { file, packTree } from '../content/memory-content.ts'
import { PROVIDERS } from '../ledger/network-fixture.ts'
import { createNode, NETWORK_ID } from '../protocols/network.ts'

const BYTES = new Uint8Array(2_300_000).map((_, at) => (at * 31 + (at >> 9)) % 251)
const { packed, pieces } = await packTree([file('', BYTES)])
const PIECE = { cid: packed.pieces[0]!.cid, bytes: pieces.bytes[0]! }
const PLACES = new Map<string, { offset: number; length: number }>()
const scanner = createCarScanner({
  onBlock: ({ cid, offset, length }) => PLACES.set(cid.toString(), { offset, length })
})
scanner.update(PIECE.bytes)
const BLOCKS = pieces.blocks()
const CIDS = [...BLOCKS.keys()].map(text => CID.parse(text))
const { commitment, layer } = (() => {
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(PIECE.bytes)
  const digest = hasher.digest()
  return { commitment: { root: digest.root, rawSize: digest.rawSize }, layer: digest.layer }
})()

let life = new AsyncDisposableStack()
let client: Libp2p
let failures: string[]
beforeEach(async () => {
  failures = []
  client = await openNode()
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

async function openNode(): Promise<Libp2p> {
  const node = await createNode()
  life.defer(() => node.stop())
  return node
}

interface Wishes {
  place?: (place: { offset: number; length: number }) => { offset: number; length: number } | null
  bytes?: (bytes: Uint8Array) => Uint8Array
  nodes?: (nodes: Uint8Array) => Uint8Array
}

async function openProvider(
  index: number,
  { place = same => same, bytes = same => same, nodes = same => same }: Wishes
) {
  const node = await openNode()
  const options = { networkId: NETWORK_ID }
  life.use(
    await serve(
      node,
      locateBlocks,
      async ({ cids }) => {
        const places = cids.map(cid => {
          const found = place(PLACES.get(cid.toString())!)
          return found === null ? null : { piece: 0, ...found }
        })
        return { ok: true, value: { places } }
      },
      options
    )
  )
  life.use(
    await serveDownload(
      node,
      readRange,
      async ({ offset, length }) => {
        const range = { offset, size: length }
        const quads = enclosingQuads(range, PIECE.bytes.length)
        const proof = await proveRange({
          commitment,
          layer,
          nodeHasher: portableNodeHasher,
          read: async (from, size) => PIECE.bytes.subarray(from, from + size),
          range
        })
        async function* chunks() {
          yield bytes(PIECE.bytes.slice(quads.offset, quads.offset + quads.size))
        }
        const header = { offset: quads.offset, length: quads.size, nodes: nodes(proof) }
        return { ok: true, value: { header, chunks: chunks() } }
      },
      options
    )
  )
  const provider: BoundProvider = {
    provider: PROVIDERS[index]!.address,
    addresses: node.getMultiaddrs().map(String),
    pieces: [PIECE.cid]
  }
  return provider
}

async function fetchAll(...providers: BoundProvider[]): Promise<Uint8Array[]> {
  const fetchBlocks = createBoundBlockFetcher({
    node: client,
    networkId: NETWORK_ID,
    nodeHasher: portableNodeHasher,
    providers,
    onFailure: ({ reason }) => failures.push(reason)
  })
  const blocks: Uint8Array[] = []
  for await (const block of fetchBlocks(CIDS, {})) blocks.push(Uint8Array.from(block))
  return blocks
}

/** A range that is the whole piece has a proof of no nodes. */
const another = (nodes: Uint8Array) => (nodes.length === 0 ? new Uint8Array(32) : nodes.map(byte => byte ^ 1))

const WHOLE = CIDS.map(cid => Uint8Array.from(BLOCKS.get(cid.toString())!))

describe('blocks that are bound to their piece', () => {
  it('come with a proof for all that lie side by side', async () => {
    let ranges = 0
    const bytes = (range: Uint8Array) => {
      ranges += 1
      return range
    }
    const blocks = await fetchAll(await openProvider(0, { bytes }))
    expect(ranges).toBe(1)
    expect(blocks.every((block, at) => Buffer.compare(block, WHOLE[at]!) === 0)).toBe(true)
    expect(blocks).toHaveLength(WHOLE.length)
    expect(failures).toEqual([])
  })

  it.each<[string, Wishes, RegExp]>([
    ['knows no place for a block', { place: () => null }, /none of the pieces/],
    [
      'names a place outside the piece',
      { place: ({ length }) => ({ offset: 2 ** 40, length }) },
      /does not lie in its piece/
    ],
    [
      'names a block longer than any',
      { place: ({ offset }) => ({ offset, length: 2 ** 22 }) },
      /does not lie in its piece/
    ],
    [
      'names a place at its very beginning',
      { place: ({ length }) => ({ offset: 0, length }) },
      /does not lie in its piece/
    ],
    [
      'names another place',
      { place: ({ offset, length }) => ({ offset: offset + 1, length }) },
      /no section|not bafk|lie in/
    ],
    [
      'sends a wrong byte',
      { bytes: bytes => bytes.map((byte, at) => (at === 500 ? byte ^ 1 : byte)) },
      /do not lie in piece/
    ],
    ['sends another proof', { nodes: another }, /do not lie in piece/],
    ['sends too little', { bytes: bytes => bytes.subarray(1) }, /early/]
  ])('come from another provider when one %s', async (_, wishes, reason) => {
    const blocks = await fetchAll(await openProvider(0, wishes), await openProvider(1, {}))
    expect(blocks.every((block, at) => Buffer.compare(block, WHOLE[at]!) === 0)).toBe(true)
    expect(failures).toEqual([expect.stringMatching(reason)])
  })

  it('are refused when nobody can show them', async () => {
    const wrong = await openProvider(0, { nodes: another })
    await expect(fetchAll(wrong)).rejects.toMatchObject({ code: 'BLOCK_MISSING' })
  })
})
