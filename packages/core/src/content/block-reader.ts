import type { CID } from 'multiformats/cid'
import { CoreError } from '../error.ts'
import { iterateAbortably } from './abortable.ts'
import { checkBlock, cidFault, inlineBlock } from './block.ts'
import { BLOCK_SIZE_BYTES_MAX } from './car.ts'
import type { BlockPart, LeafParts } from './leaf-parts.ts'
import type { ReadMeter } from './read-budget.ts'
import type { FileRange } from './read-file.ts'
import type { RecentBlocks } from './recent-blocks.ts'

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined
  /** What will be read of the file whose root is asked for: a source may bring along what is needed next. */
  readonly range?: FileRange | undefined
  /** All that is wanted of the one block that is asked for, of a source that gives parts: bytes that are right, in one piece or several. */
  readonly part?: BlockPart | undefined
}

/** Yields the bytes of each CID, in the order asked. */
export interface FetchBlocks {
  (cids: readonly CID[], options: FetchOptions): AsyncIterable<Uint8Array>
  /** Says that every block that comes is checked against its CID already; hashing twice costs as much as the network. */
  readonly isChecked?: boolean
  /** Takes back the memory of a block that nobody looks at any more, and all that is a view of it. */
  readonly release?: ((block: Uint8Array) => void) | undefined
  /** What is known of leaves of which this source, then, gives parts. */
  readonly leafParts?: LeafParts | undefined
  /** What need not come from here again. */
  readonly recentBlocks?: RecentBlocks | undefined
}

/** How many blocks are asked for at once: enough to fill a long fat pipe with small blocks. */
export const READ_AHEAD_BLOCKS = 32

/** How many bytes of blocks are asked for at once and held, by what their parents claim. */
export const READ_AHEAD_BYTES = 8 * 1024 * 1024

/**
 * The leaves of one file come at the reader's pace and are not held, so that more of them can be asked for at once, the
 * more the further a reader has come: each request costs a round trip, and as much as moving a MiB.
 */
export const STREAMED_BLOCKS_MAX = 256

/** Blocks from a source that is not trusted: paid for from the meter, then checked, then handed on. */
export class BlockReader {
  readonly meter: ReadMeter
  readonly #fetchBlocks: FetchBlocks
  readonly #signal: AbortSignal | undefined

  constructor(meter: ReadMeter, fetchBlocks: FetchBlocks, signal: AbortSignal | undefined) {
    this.meter = meter
    this.#fetchBlocks = fetchBlocks
    this.#signal = signal
  }

  /** A block that was needed for a range before; costs what any other does. Copy what you want of it at once. */
  recall(cid: CID): Uint8Array | undefined {
    const block = this.#fetchBlocks.recentBlocks?.recall(cid)
    if (block === undefined) return undefined
    this.meter.spend('blocks', 1)
    this.meter.spend('bytes', block.length)
    return block
  }

  /** Keeps a block for who needs it again; its bytes are everybody's from now on. */
  remember(cid: CID, block: Uint8Array): void {
    this.#fetchBlocks.recentBlocks?.remember(cid, block)
  }

  /** Keeps a leaf of which its reader has copied what he wanted, and looks at no more; or else what its parts must be. */
  async putAway(cid: CID, leaf: Uint8Array): Promise<void> {
    const { recentBlocks, leafParts, release } = this.#fetchBlocks
    const keepLess = async () => {
      await leafParts?.learn(cid, leaf)
      release?.(leaf)
    }
    if (recentBlocks === undefined) await keepLess()
    // Others may be in a hurry when this one is forgotten.
    else recentBlocks.remember(cid, leaf, () => void keepLess())
  }

  /**
   * Bytes of a leaf that was read before, fetched without the rest of it; the first of them before the others have come.
   *
   * Yields less, or nothing, where only the whole leaf can be checked, where nobody gives the part, and where the leaf is worth
   * being remembered.
   *
   * @param to - exclusive
   */
  async *fetchWithin(cid: CID, sizeBytes: number, from: number, to: number): AsyncGenerator<Uint8Array> {
    const part = this.#fetchBlocks.leafParts?.around(cid, sizeBytes, from, to)
    if (part === undefined || this.#fetchBlocks.recentBlocks?.touch(cid) === true) return
    this.meter.spend('blocks', 1)
    this.meter.spend('bytes', part.length)
    const options = { signal: this.#signal, part }
    let at = part.offset
    try {
      for await (const bytes of iterateAbortably(this.#fetchBlocks([cid], options), this.#signal)) {
        const start = at
        at += bytes.length
        yield bytes.subarray(Math.max(0, from - start), to - start)
      }
    } catch (error) {
      this.#signal?.throwIfAborted()
      if (!(error instanceof CoreError)) throw error
    }
  }

  /**
   * The blocks of `cids`, in order. Identity CIDs are answered without asking anyone.
   *
   * @throws {CoreError} `BUDGET_EXCEEDED`; `WRONG_BLOCK` for bytes that are not the block; `UNSUPPORTED_CID`;
   * `BLOCK_MISSING` when the source yields fewer blocks than were asked
   */
  async *fetch(cids: readonly CID[], range?: FileRange): AsyncGenerator<Uint8Array> {
    for (const cid of cids) admitCid(cid)
    const wanted = cids.filter(cid => inlineBlock(cid) === undefined)
    const source = wanted.length === 0 ? undefined : this.#open(wanted, range)
    try {
      for (const cid of cids) {
        this.meter.spend('blocks', 1)
        const bytes = inlineBlock(cid) ?? (await nextOf(source!, cid))
        this.meter.spend('bytes', bytes.length)
        if (this.#fetchBlocks.isChecked !== true) await admitBlock(cid, bytes)
        yield bytes
      }
    } finally {
      await source?.return(undefined)
    }
  }

  /** @param range - what will be read, where the block is the root of a file */
  async fetchOne(cid: CID, range?: FileRange): Promise<Uint8Array> {
    for await (const bytes of this.fetch([cid], range)) return bytes
    throw missing(cid)
  }

  #open(cids: readonly CID[], range: FileRange | undefined): AsyncGenerator<Uint8Array> {
    return iterateAbortably(this.#fetchBlocks(cids, { signal: this.#signal, range }), this.#signal)
  }
}

/**
 * How many of `sizes` to ask for at once: at least one, and no more than the read-ahead has room for. A size may be
 * what somebody claims for a whole subtree; a block is never larger than the largest block.
 *
 * @param times - of the read-ahead, where what comes is not held
 */
export function planBatch(sizes: Iterable<number>, heldBytes: number, times = 1): number {
  let count = 0
  let bytes = heldBytes
  for (const size of sizes) {
    bytes += Math.min(size, BLOCK_SIZE_BYTES_MAX)
    if (count > 0 && (count === times * READ_AHEAD_BLOCKS || bytes > times * READ_AHEAD_BYTES)) break
    count += 1
  }
  return count
}

function admitCid(cid: CID): void {
  const reason = cidFault(cid)
  if (reason === undefined) return
  throw new CoreError('UNSUPPORTED_CID', `${cid} is not a kind of block that content consists of (${reason})`, {
    cid: cid.toString(),
    reason
  })
}

async function admitBlock(cid: CID, bytes: Uint8Array): Promise<void> {
  const verdict = await checkBlock(cid, bytes)
  if (verdict.ok) return
  throw new CoreError('WRONG_BLOCK', `got bytes that are not block ${cid} (${verdict.reason})`, {
    cid: cid.toString(),
    reason: verdict.reason
  })
}

async function nextOf(source: AsyncGenerator<Uint8Array>, cid: CID): Promise<Uint8Array> {
  const next = await source.next()
  if (next.done === true) throw missing(cid)
  return next.value
}

function missing(cid: CID): CoreError {
  return new CoreError('BLOCK_MISSING', `nobody has block ${cid}`, { cid: cid.toString() })
}
