/**
 * Ranges of pieces whose bytes were compared with the piece's tree: a byte that is wrong on the disk comes out of nothing
 * here.
 *
 * A range is read by whole subtrees of the cached layer (16 KiB) and each is hashed up to its node. Layers are kept for
 * the pieces read last. Proves nothing to others: that is what range proofs are for.
 */
import { type CachedLayer, createPartHasher, type NodeHasher, rawCapacityOf } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import type { PieceStore } from './piece-store.ts'

/** 2 MiB each for the largest pieces. */
const LAYERS_KEPT_MAX = 8
/** Subtrees of one read: a little under one chunk of the wire. */
const SUBTREES_PER_STEP = 64

/**
 * Steps that are read and not hashed yet, over all readers: more of them would only wait for the one thread that hashes,
 * with a megabyte each.
 */
const STEPS_WAITING_MAX = 8

/** A piece that is being read. */
export interface VerifiedPiece {
  readonly layer: CachedLayer
  /** Reads a range that lies in the piece, any number of bytes; holds them and the ends of their subtrees in memory. */
  read(offset: number, size: number): Promise<Uint8Array>
  /** The same, in steps of at most 1 MiB. */
  stream(offset: number, size: number): AsyncGenerator<Uint8Array>
}

export interface VerifiedReader {
  /**
   * @throws {PeerError} `PIECE_NOT_FOUND`, `PIECE_MISSING`, `PIECE_DAMAGED`, `DISK_FAILED`; so does every read. The store is
   *   told where the damage is.
   */
  open(cid: CID, rawSize: number): Promise<VerifiedPiece>
}

export function createVerifiedReader(
  store: Pick<PieceStore, 'read' | 'layer' | 'reportWrongRange'>,
  nodeHasher: NodeHasher
): VerifiedReader {
  const layers = new Map<string, CachedLayer>()
  const waiting: (() => void)[] = []
  let running = 0

  /** Runs a step when fewer than {@link STEPS_WAITING_MAX} run; first come, first served. */
  async function inTurn<T>(step: () => Promise<T>): Promise<T> {
    if (running < STEPS_WAITING_MAX) running++
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await step()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }

  async function layerOf(cid: CID): Promise<CachedLayer> {
    const key = cid.toString()
    const layer = layers.get(key) ?? (await store.layer(cid))
    layers.delete(key)
    layers.set(key, layer)
    const [oldest] = layers.keys()
    if (layers.size > LAYERS_KEPT_MAX) layers.delete(oldest!)
    return layer
  }

  /** @returns the raw bytes of whole subtrees, checked */
  async function readSubtrees(cid: CID, rawSize: number, first: number, count: number): Promise<Uint8Array> {
    const layer = await layerOf(cid)
    const bytes = await readChecked(cid, rawSize, layer, first, count)
    if (bytes !== undefined) return bytes
    // The layer in memory may be the one that is wrong, or the piece was written anew: the disk has the last word.
    layers.delete(cid.toString())
    const again = await readChecked(cid, rawSize, await layerOf(cid), first, count)
    if (again !== undefined) return again
    const offset = first * rawCapacityOf(layer.height)
    store.reportWrongRange(cid, offset)
    throw new PeerError('PIECE_DAMAGED', `${cid} is damaged on disk: repair it from another replica.`, {
      piece: cid.toString(),
      offset
    })
  }

  async function readChecked(cid: CID, rawSize: number, layer: CachedLayer, first: number, count: number) {
    const subtreeSize = rawCapacityOf(layer.height)
    const offset = first * subtreeSize
    const size = Math.min(count * subtreeSize, rawSize - offset)
    const bytes = await store.read(cid, offset, size)
    if (bytes.length !== size) return undefined
    const nodes = layer.nodes.subarray(first * 32, (first + count) * 32)
    return Buffer.from(hashSubtrees(bytes, subtreeSize, layer.height)).equals(nodes) ? bytes : undefined
  }

  function hashSubtrees(bytes: Uint8Array, subtreeSize: number, height: number): Uint8Array {
    const hasher = createPartHasher({ nodeHasher, cachedLayerHeight: height })
    hasher.update(bytes)
    // What lies behind the piece is zero, in its bytes as in its tree.
    const rest = bytes.length % subtreeSize
    if (rest > 0) hasher.update(new Uint8Array(subtreeSize - rest))
    return hasher.finish().layer.nodes
  }

  return {
    async open(cid, rawSize) {
      const layer = await layerOf(cid)
      const subtreeSize = rawCapacityOf(layer.height)
      const subtreeCount = layer.nodes.length / 32
      async function* stream(offset: number, size: number): AsyncGenerator<Uint8Array> {
        const end = offset + size
        let first = Math.floor(offset / subtreeSize)
        while (first * subtreeSize < end) {
          const wanted = Math.ceil(end / subtreeSize) - first
          const count = Math.min(wanted, SUBTREES_PER_STEP, subtreeCount - first)
          const bytes = await inTurn(() => readSubtrees(cid, rawSize, first, count))
          const start = first * subtreeSize
          yield bytes.subarray(Math.max(0, offset - start), end - start)
          first += count
        }
      }
      async function read(offset: number, size: number): Promise<Uint8Array> {
        const parts: Uint8Array[] = []
        for await (const part of stream(offset, size)) parts.push(part)
        return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      }
      return { layer, read, stream }
    }
  }
}
