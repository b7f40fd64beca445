/**
 * Blocks of a private object by CID: finds the piece that holds each, reads blocks that lie side by side as one range,
 * and hands them on in the order asked. Does not check them against their CIDs: whoever walks the DAG does. Parts of leaves
 * it checks itself.
 */
import type { CID } from 'multiformats/cid'
import { type BlockPart, type FetchBlocks, rightBytesOf } from '../content/index.ts'
import { CoreError } from '../error.ts'
import { FrameCache, type SharedFrames } from './frame-cache.ts'
import type { PieceReplica, ReplicaFailure } from './frame-reader.ts'
import { FRAME_SIZE_BYTES } from './frames.ts'
import { isManifestOf, type Manifest } from './manifest.ts'
import { deriveObjectKeys, PIECES_PER_OBJECT_MAX } from './object-keys.ts'
import type { PieceCiphers } from './piece-ciphers.ts'
import type { BlockPlace } from './piece-footer.ts'
import { type OpenedPiece, openPrivatePiece } from './private-piece.ts'
import { formatReference, type ObjectReference } from './reference.ts'

/** Pieces that are asked for a block at once while nobody knows where it is. */
const PIECES_PROBED_AT_ONCE = 4

/** Bytes between two blocks that are read along rather than asked for anew: the front of a section, and then some. */
const GAP_BYTES_MAX = FRAME_SIZE_BYTES

/** A piece of the object as the ledger knows it: replicas of one size. */
export interface LocatedPiece {
  /** Stored bytes, from its PieceCID. */
  readonly sizeBytes: number
  /** Asked whenever a replica is chosen: those that can be asked, the best first. */
  readonly replicas: () => readonly PieceReplica[]
}

export interface PrivateObjectOptions {
  readonly reference: ObjectReference
  readonly ciphers: PieceCiphers
  /**
   * Looks a piece up, 0 to below `pieceCount`; called once for each that is needed. What is found under its labels may be
   * of several sizes, because strangers can store anything there: the likeliest comes first, and the first that opens counts.
   */
  readonly locatePiece: (piece: number, signal?: AbortSignal) => Promise<readonly LocatedPiece[]>
  readonly onFailure?: ((failure: ReplicaFailure) => void) | undefined
  /** Where the frames that say what lies where are kept, beside those of other objects; default a place of its own. */
  readonly sharedFrames?: SharedFrames | undefined
}

export interface PrivateObject {
  readonly fetchBlocks: FetchBlocks
  /** @throws {CoreError} `PIECE_INVALID` when the last piece has none, or one of another object */
  manifest(signal?: AbortSignal): Promise<Manifest>
}

/**
 * Opens nothing yet. `fetchBlocks` throws `PIECE_UNREADABLE`, `PIECE_INVALID`, `BLOCK_MISSING`, and what `locatePiece`
 * throws.
 */
export function openPrivateObject(options: PrivateObjectOptions): PrivateObject {
  const pieces = new ObjectPieces(options)
  const { root, pieceCount } = options.reference
  return {
    async *fetchBlocks(cids, { signal, part }) {
      const blocks = await locateBlocks(pieces, cids, signal)
      const [block] = blocks
      if (part !== undefined && block !== undefined) {
        yield* readPart(await pieces.open(block.piece, signal), block, part, signal)
        return
      }
      for (const run of runsOf(blocks)) yield* readRun(await pieces.open(run[0]!.piece, signal), run, signal)
    },
    async manifest(signal) {
      const last = pieceCount - 1
      const manifest = await (await pieces.open(last, signal)).manifest(signal)
      if (manifest !== undefined && isManifestOf(manifest, root)) return manifest
      const reason = manifest === undefined ? 'it has no manifest' : 'its manifest is of another object'
      throw new CoreError('PIECE_INVALID', `piece ${last} is not the last of the object (${reason})`, {
        piece: last,
        reason
      })
    }
  }
}

interface LocatedBlock extends BlockPlace {
  readonly piece: number
}

async function locateBlocks(pieces: ObjectPieces, cids: readonly CID[], signal?: AbortSignal): Promise<LocatedBlock[]> {
  const blocks: LocatedBlock[] = []
  for (const cid of cids) {
    const block = await pieces.find(cid, signal)
    if (block === undefined)
      throw new CoreError('BLOCK_MISSING', `no piece of the object has block ${cid}`, { cid: `${cid}` })
    blocks.push(block)
  }
  return blocks
}

interface OpeningPiece {
  readonly opened: Promise<OpenedPiece>
  /** Of who opens it. */
  readonly signal: AbortSignal | undefined
}

class ObjectPieces {
  readonly #options: PrivateObjectOptions
  readonly #keys: ReturnType<typeof deriveObjectKeys>
  readonly #cache: FrameCache
  readonly #opened = new Map<number, OpeningPiece>()
  /** Where the last block was found. The root stands in the last piece, and blocks that belong together lie together. */
  #latest: number

  constructor(options: PrivateObjectOptions) {
    const { secret, pieceCount } = options.reference
    if (!(pieceCount >= 1 && pieceCount <= PIECES_PER_OBJECT_MAX)) {
      throw new RangeError(`an object has 1 to ${PIECES_PER_OBJECT_MAX} pieces, got ${pieceCount}`)
    }
    this.#options = options
    this.#cache = new FrameCache(options.sharedFrames, formatReference(options.reference))
    this.#keys = deriveObjectKeys(secret)
    this.#latest = pieceCount - 1
  }

  /** A piece that could not be opened is tried anew by the next caller, and by who has waited for one that left. */
  async open(piece: number, signal?: AbortSignal): Promise<OpenedPiece> {
    for (;;) {
      const known = this.#opened.get(piece)
      if (known === undefined) break
      try {
        return await known.opened
      } catch (error) {
        if (known.signal?.aborted !== true) throw error
        signal?.throwIfAborted()
      }
    }
    const opening = { opened: this.#open(piece, signal), signal }
    this.#opened.set(piece, opening)
    opening.opened.catch(() => this.#opened.delete(piece))
    return await opening.opened
  }

  async #open(piece: number, signal?: AbortSignal): Promise<OpenedPiece> {
    const { reference, ciphers, locatePiece, onFailure } = this.#options
    const { layout } = reference
    let failure: unknown = new CoreError('PIECE_UNREADABLE', `nobody has piece ${piece} of the object`, { piece })
    for (const located of await locatePiece(piece, signal)) {
      try {
        const options = { ...located, ...this.#keys, piece, layout, ciphers, onFailure, cache: this.#cache, signal }
        return await openPrivatePiece(options)
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof CoreError)) throw error
        failure = error
      }
    }
    throw failure
  }

  /** Asks the piece of the last block first, then outwards from it, a few at a time. One that fails may not be the one. */
  async find(cid: CID, signal?: AbortSignal): Promise<LocatedBlock | undefined> {
    const order = outwardsFrom(this.#latest, this.#options.reference.pieceCount)
    const failures: unknown[] = []
    for (let at = 0, step = 1; at < order.length; at += step, step = PIECES_PROBED_AT_ONCE) {
      const probes = await Promise.allSettled(
        order.slice(at, at + step).map(async piece => {
          const place = await (await this.open(piece, signal)).find(cid, signal)
          return place === undefined ? undefined : { piece, ...place }
        })
      )
      signal?.throwIfAborted()
      for (const probe of probes) {
        if (probe.status === 'rejected') failures.push(probe.reason)
        else if (probe.value !== undefined) {
          this.#latest = probe.value.piece
          return probe.value
        }
      }
    }
    if (failures.length > 0) throw failures[0]
    return undefined
  }
}

function outwardsFrom(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, piece) => piece).sort((a, b) => Math.abs(a - start) - Math.abs(b - start))
}

/** Neighbours in the order asked that also lie one behind the other in one piece. */
function runsOf(blocks: readonly LocatedBlock[]): LocatedBlock[][] {
  const runs: LocatedBlock[][] = []
  for (const block of blocks) {
    const run = runs.at(-1)
    const before = run?.at(-1)
    const gap = before === undefined ? -1 : block.offset - (before.offset + before.length)
    if (run !== undefined && before?.piece === block.piece && gap >= 0 && gap <= GAP_BYTES_MAX) run.push(block)
    else runs.push([block])
  }
  return runs
}

async function* readRun(
  piece: OpenedPiece,
  run: readonly LocatedBlock[],
  signal?: AbortSignal
): AsyncGenerator<Uint8Array> {
  const start = run[0]!.offset
  const end = run.at(-1)!
  const cutter = new RunCutter(run)
  for await (const chunk of piece.readContent(start, end.offset + end.length - start, signal)) yield* cutter.cut(chunk)
  yield* cutter.cut(new Uint8Array())
}

/** @throws {CoreError} `WRONG_BLOCK` for bytes that are not the part; what is right before them was handed on */
async function* readPart(
  piece: OpenedPiece,
  { offset, length }: LocatedBlock,
  part: BlockPart,
  signal?: AbortSignal
): AsyncGenerator<Uint8Array> {
  const isInside = part.offset + part.length <= length
  if (isInside) yield* rightBytesOf(part, piece.readContent(offset + part.offset, part.length, signal))
  else throw new CoreError('WRONG_BLOCK', 'a block of the object is shorter than its parent says')
}

/** Cuts the blocks of a run out of the range that they lie in. */
class RunCutter {
  readonly #run: readonly LocatedBlock[]
  /** Where the next chunk begins. */
  #position: number
  #next = 0
  #block: Uint8Array
  #filled = 0

  constructor(run: readonly LocatedBlock[]) {
    this.#run = run
    this.#position = run[0]!.offset
    this.#block = new Uint8Array(run[0]!.length)
  }

  /** Blocks that the next chunk of the range completes, also blocks of no bytes. */
  *cut(chunk: Uint8Array): Generator<Uint8Array> {
    for (let current = this.#run[this.#next]; current !== undefined; current = this.#run[this.#next]) {
      const at = current.offset + this.#filled - this.#position
      if (at > chunk.length) break
      const part = chunk.subarray(at, at + current.length - this.#filled)
      this.#block.set(part, this.#filled)
      this.#filled += part.length
      if (this.#filled < current.length) break
      yield this.#block
      this.#next += 1
      this.#filled = 0
      this.#block = new Uint8Array(this.#run[this.#next]?.length ?? 0)
    }
    this.#position += chunk.length
  }
}
