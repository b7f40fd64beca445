/** A provider of one public object, on a node of its own, that behaves as a test says. */
import { createPieceHasher, enclosingQuads, portableNodeHasher, proveRange } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { createCarScanner, type SourceEntry } from '../../src/content/index.ts'
import type { ObservedObject } from '../../src/observations/plan-observation.ts'
import { locateBlocks, readBlocks, readRange } from '../../src/protocols/definitions.ts'
import { serveDownload } from '../../src/protocols/download.ts'
import { serve } from '../../src/protocols/engine.ts'
import { refuse } from '../../src/protocols/protocol.ts'
import { packTree } from '../content/memory-content.ts'
import { PROVIDER } from '../ledger/network-fixture.ts'
import { createNode, NETWORK_ID } from '../protocols/network.ts'

export interface Behaviour {
  readonly refusesReads?: boolean
  readonly spoils?: (bytes: Uint8Array) => Uint8Array
  readonly knowsNoPlace?: boolean
  /** Answers, and then sends nothing. */
  readonly stalls?: boolean
}

export interface ServedObject extends AsyncDisposable {
  readonly object: ObservedObject
  /** CIDs that were asked for, a request each. */
  readonly asked: string[][]
}

/** An object in one piece, packed and hashed once for many providers. */
export async function packObjectOf(entries: readonly SourceEntry[]) {
  const { packed, pieces } = await packTree(entries)
  const bytes = pieces.bytes[0]!
  const places = new Map<string, { offset: number; length: number }>()
  createCarScanner({
    onBlock: ({ cid, offset, length }) => places.set(cid.toString(), { offset, length })
  }).update(bytes)
  const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
  hasher.update(bytes)
  return {
    root: packed.root,
    piece: packed.pieces[0]!.cid,
    bytes,
    blocks: pieces.blocks(),
    places,
    digest: hasher.digest()
  }
}

/** @param label - the root that the ledger has for the piece, when it is not the content's */
export async function serveObject(
  { root, piece, bytes: pieceBytes, blocks, places, digest }: Awaited<ReturnType<typeof packObjectOf>>,
  { refusesReads = false, spoils = bytes => bytes, knowsNoPlace = false, stalls = false }: Behaviour = {},
  label: CID = root
): Promise<ServedObject> {
  const asked: string[][] = []
  await using starting = new AsyncDisposableStack()
  const node = await createNode()
  starting.defer(() => node.stop())
  const options = { networkId: NETWORK_ID }
  async function* chunksOf(bytes: Uint8Array, signal: AbortSignal) {
    if (stalls) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    yield spoils(bytes.slice())
  }
  starting.use(
    await serveDownload(
      node,
      readBlocks,
      async ({ cids }, { signal }) => {
        asked.push(cids.map(String))
        const found = cids.map(cid => blocks.get(cid.toString()))
        if (refusesReads || found.includes(undefined)) return refuse('BLOCK_MISSING', 'what block?')
        const bytes = new Uint8Array(Buffer.concat(found as Uint8Array[]))
        return {
          ok: true,
          value: { header: { sizesBytes: found.map(block => block!.length) }, chunks: chunksOf(bytes, signal) }
        }
      },
      options
    )
  )
  starting.use(
    await serve(
      node,
      locateBlocks,
      async ({ cids }) => ({
        ok: true,
        value: {
          places: cids.map(cid => {
            const place = knowsNoPlace ? undefined : places.get(cid.toString())
            return place === undefined ? null : { piece: 0, ...place }
          })
        }
      }),
      options
    )
  )
  starting.use(
    await serveDownload(
      node,
      readRange,
      async ({ offset, length }, { signal }) => {
        if (refusesReads) return refuse('PIECE_MISSING', 'what piece?')
        const range = { offset, size: length }
        const quads = enclosingQuads(range, digest.rawSize)
        const read = async (from: number, size: number) => pieceBytes.subarray(from, from + size)
        const { layer } = digest
        const nodes = await proveRange({ commitment: digest, layer, nodeHasher: portableNodeHasher, read, range })
        const header = { offset: quads.offset, length: quads.size, nodes }
        return {
          ok: true,
          value: { header, chunks: chunksOf(pieceBytes.slice(quads.offset, quads.offset + quads.size), signal) }
        }
      },
      options
    )
  )
  const life = starting.move()
  const object = {
    dealId: 1,
    provider: PROVIDER.address,
    addresses: node.getMultiaddrs().map(String),
    root: label,
    pieces: [piece]
  }
  return {
    object,
    asked,
    [Symbol.asyncDispose]: () => life.disposeAsync()
  }
}
