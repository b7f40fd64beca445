/**
 * Ranges of pieces whose bytes were compared with what was written: a byte that is wrong on the disk comes out of nothing here.
 *
 * A range is read by whole spans (16 KiB), which are subtrees of the cached layer, and each is compared with its checksum, or
 * hashed up to its node. What a checksum does not agree with is read again and hashed. Layers are kept for the pieces read last.
 * Proves nothing to others: that is what range proofs are for.
 */
import { SENT_CHUNKS_KEPT } from '@holdfast/core'
import { type CachedLayer, createPartHasher, type NodeHasher, type PartHasher, rawCapacityOf } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import type { PieceStore } from './piece-store.ts'
import { areSpansRight, SPAN_SIZE_BYTES, type SpanRange, spansAround } from './span-checksums.ts'

/** 2 MiB each for the largest pieces. */
const LAYERS_KEPT_MAX = 8
/** One chunk of the wire, which then needs no cutting. */
const STEP_SIZE_BYTES = 1024 * 1024

/** A piece that is being read. */
export interface VerifiedPiece {
  layer(): Promise<CachedLayer>
  /** Reads a range that lies in the piece, any number of bytes; holds them and the ends of their subtrees in memory. */
  read(offset: number, size: number): Promise<Uint8Array>
  /**
   * The same, in steps of 1 MiB. A step's memory is filled again when the one after the next `SENT_CHUNKS_KEPT - 1` is
   * asked for.
   *
   * @param firstSizeBytes - of the first step, for who waits for that; default 1 MiB
   */
  stream(offset: number, size: number, firstSizeBytes?: number): AsyncGenerator<Uint8Array>
}

export interface VerifiedReader {
  /**
   * Every read throws {@link PeerError} `PIECE_NOT_FOUND`, `PIECE_MISSING`, `PIECE_DAMAGED`, `DISK_FAILED`. The store is told
   * where the damage is.
   */
  open(cid: CID, rawSize: number): VerifiedPiece
}

export interface VerifiedReaderOptions {
  /** What is enough to see a disk's mistakes, at a tenth of the time: otherwise all is hashed. Default false. */
  readonly trustsChecksums?: boolean
}

export function createVerifiedReader(
  store: Pick<PieceStore, 'openBytes' | 'layer' | 'checksums' | 'reportWrongRange'>,
  nodeHasher: NodeHasher,
  { trustsChecksums = false }: VerifiedReaderOptions = {}
): VerifiedReader {
  const layers = new Map<string, CachedLayer>()
  async function layerOf(cid: CID): Promise<CachedLayer> {
    const key = cid.toString()
    const layer = layers.get(key) ?? (await store.layer(cid))
    layers.delete(key)
    layers.set(key, layer)
    const [oldest] = layers.keys()
    if (layers.size > LAYERS_KEPT_MAX) layers.delete(oldest!)
    return layer
  }

  /** Of each height one: it has a slab of its own, and nothing happens between its calls. */
  const hashers = new Map<number, PartHasher>()

  /** @param bytes - whole subtrees, or what the piece has of its last one */
  function hashSubtrees(bytes: Uint8Array, height: number): Uint8Array {
    const hasher = hashers.get(height) ?? createPartHasher({ nodeHasher, cachedLayerHeight: height })
    hashers.set(height, hasher)
    hasher.update(bytes)
    // What lies behind the piece is zero, in its bytes as in its tree.
    const subtreeSize = rawCapacityOf(height)
    const rest = bytes.length % subtreeSize
    if (rest > 0) hasher.update(new Uint8Array(subtreeSize - rest))
    return hasher.finish().layer.nodes
  }

  async function isRight(cid: CID, bytes: Uint8Array, first: number): Promise<boolean> {
    const checksums = trustsChecksums ? await store.checksums(cid) : undefined
    if (checksums !== undefined) return areSpansRight(bytes, first, checksums)
    return isOfTree(bytes, await layerOf(cid), first)
  }

  /** Whether these bytes are what a layer says of subtrees from `first` on. */
  function isOfTree(bytes: Uint8Array, { nodes, height }: CachedLayer, first: number): boolean {
    const hashed = hashSubtrees(bytes, height)
    return Buffer.compare(hashed, nodes.subarray(first * 32, first * 32 + hashed.length)) === 0
  }

  /** Reads a step again, and the layer with it: one of them may have been wrong, or the piece was written anew. */
  async function readAgain(cid: CID, step: Step, bytes: Buffer): Promise<void> {
    layers.delete(cid.toString())
    const layer = await layerOf(cid)
    using file = await store.openBytes(cid)
    const came = await file.readInto(bytes, step.offset)
    if (came === bytes.length && isOfTree(bytes, layer, step.first)) return
    store.reportWrongRange(cid, step.offset)
    throw new PeerError('PIECE_DAMAGED', `${cid} is damaged on disk: repair it from another replica.`, {
      piece: cid.toString(),
      offset: step.offset
    })
  }

  return {
    open(cid, rawSize) {
      /** The spans around what a range has from `position` on, as much as goes into one step. */
      function stepAt(position: number, end: number, sizeBytes = STEP_SIZE_BYTES): Step {
        const stop = Math.min(position + sizeBytes, end)
        return { stop, ...spansAround(position, stop, rawSize) }
      }

      async function* stream(
        offset: number,
        size: number,
        firstSizeBytes = STEP_SIZE_BYTES
      ): AsyncGenerator<Uint8Array> {
        const end = offset + size
        if (size === 0) return
        using file = await store.openBytes(cid)
        const roomBytes = Math.min(size, STEP_SIZE_BYTES) + 2 * SPAN_SIZE_BYTES
        const used: Buffer[] = []
        const read = async (step: Step) => {
          const whole = used.length === SENT_CHUNKS_KEPT ? used.shift()! : Buffer.allocUnsafeSlow(roomBytes)
          const bytes = whole.subarray(0, step.sizeBytes)
          return { whole, bytes, came: await file.readInto(bytes, step.offset) }
        }
        let ahead: ReturnType<typeof read> | undefined
        for (let position = offset; position < end; ) {
          const step = stepAt(position, end, position === offset ? firstSizeBytes : undefined)
          const { whole, bytes, came } = await (ahead ?? read(step))
          // Nothing is read ahead for who has not asked twice.
          const isTaken = position > offset
          ahead = isTaken && step.stop < end ? read(stepAt(step.stop, end)) : undefined
          ahead?.catch(() => undefined) // the next step hears of it; who has left does not want to
          if (came !== bytes.length || !(await isRight(cid, bytes, step.first))) await readAgain(cid, step, bytes)
          used.push(whole)
          yield bytes.subarray(position - step.offset, step.stop - step.offset)
          position = step.stop
        }
      }

      async function read(offset: number, size: number): Promise<Uint8Array> {
        const whole = new Uint8Array(size)
        let filled = 0
        for await (const part of stream(offset, size)) {
          whole.set(part, filled)
          filled += part.length
        }
        return whole
      }
      return { layer: () => layerOf(cid), read, stream }
    }
  }
}

/** What is read and checked at once. */
interface Step extends SpanRange {
  /** Where the bytes that are wanted of it end. */
  readonly stop: number
}
