import { portableNodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import {
  type ContentEntry,
  createCarScanner,
  type FetchBlocks,
  type PackedContent,
  type PackOptions,
  packContent,
  type SourceEntry
} from '../../src/content/index.ts'

export type TreeOf = readonly SourceEntry[]

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export async function* chunksOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

export const file = (path: string, ...chunks: Uint8Array[]): SourceEntry => ({
  path,
  kind: 'file',
  content: { [Symbol.asyncIterator]: () => chunksOf(...chunks) }
})
export const directory = (path: string): SourceEntry => ({ path, kind: 'directory' })
export const symlink = (path: string, target: string): SourceEntry => ({ path, kind: 'symlink', target })

export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function* sourceOf(entries: Iterable<SourceEntry>): AsyncGenerator<SourceEntry> {
  yield* entries
}

/** Sinks in memory that remember what became of each piece. */
export class MemoryPieces {
  readonly pieces: Array<{ bytes: Uint8Array[]; state: 'open' | 'closed' | 'discarded' }> = []

  readonly openPiece: PackOptions['openPiece'] = async index => {
    if (index !== this.pieces.length) throw new Error(`piece ${index} opened after ${this.pieces.length}`)
    const piece: (typeof this.pieces)[number] = { bytes: [], state: 'open' }
    this.pieces.push(piece)
    return {
      write: async bytes => void piece.bytes.push(bytes),
      close: async () => {
        piece.state = 'closed'
      },
      discard: async () => {
        piece.state = 'discarded'
        piece.bytes = []
      }
    }
  }

  get bytes(): Uint8Array[] {
    return this.pieces.map(piece => new Uint8Array(Buffer.concat(piece.bytes)))
  }

  /** The blocks of all pieces by CID, found by the scanner. */
  blocks(): Map<string, Uint8Array> {
    const blocks = new Map<string, Uint8Array>()
    for (const bytes of this.bytes) {
      const scanner = createCarScanner({
        onBlock: ({ cid, offset, length }) => blocks.set(cid.toString(), bytes.subarray(offset, offset + length))
      })
      scanner.update(bytes)
      const end = scanner.finish()
      if (!end.ok) throw new Error(`a packed piece does not scan: ${end.reason}`)
    }
    return blocks
  }
}

export async function packTree(
  entries: Iterable<SourceEntry>,
  options: Partial<PackOptions> = {}
): Promise<{ packed: PackedContent; pieces: MemoryPieces }> {
  const pieces = new MemoryPieces()
  const packed = await packContent({
    source: sourceOf(entries),
    openPiece: pieces.openPiece,
    nodeHasher: portableNodeHasher,
    ...options
  })
  return { packed, pieces }
}

/** A fetcher over blocks in memory that counts what it was asked. */
export function fetcherOf(blocks: ReadonlyMap<string, Uint8Array>): { fetchBlocks: FetchBlocks; batches: number[] } {
  const batches: number[] = []
  return {
    batches,
    fetchBlocks: async function* (cids: readonly CID[]) {
      batches.push(cids.length)
      for (const cid of cids) {
        const bytes = blocks.get(cid.toString())
        if (bytes === undefined) return
        yield bytes
      }
    }
  }
}

export interface FlatEntry {
  readonly path: string
  readonly kind: ContentEntry['kind']
  readonly content?: string
  readonly target?: string
}

/** Everything a walk yields, files with their content in hex, sorted by path. */
export async function collect(entries: AsyncIterable<ContentEntry>): Promise<FlatEntry[]> {
  const flat: FlatEntry[] = []
  for await (const entry of entries) {
    const path = entry.path.join('/')
    if (entry.kind === 'file') {
      flat.push({ path, kind: 'file', content: Buffer.concat(await gather(entry.content())).toString('hex') })
    } else if (entry.kind === 'symlink') flat.push({ path, kind: 'symlink', target: entry.target })
    else flat.push({ path, kind: 'directory' })
  }
  return flat.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
}
