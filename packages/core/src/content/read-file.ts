import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { type BlockReader, planBatch, READ_AHEAD_BYTES, STREAMED_BLOCKS_MAX } from './block-reader.ts'
import { BLOCK_SIZE_BYTES_MAX } from './car.ts'
import { decodeNode, malformed, recallNode } from './decode-node.ts'
import { type FilePart, rawNode, type UnixfsNode } from './unixfs-node.ts'

export type FileNode = UnixfsNode & { readonly kind: 'file' }

/** Which bytes of a file are wanted. What lies past its end is left out, as `slice` does it. */
export interface FileRange {
  /** Of the first byte; default 0. */
  readonly offset?: number | undefined
  /** Default: to the end. */
  readonly length?: number | undefined
}

/** Begins where it does in the file. */
interface PendingPart extends FilePart {
  readonly level: number
  bytes?: Uint8Array
}

/** A leaf of which all that is wanted was handed on. */
const NOTHING_LEFT = rawNode(new Uint8Array())

/**
 * Yields the content of a file in order, asking for many leaves at once. Every node must hold exactly the bytes that
 * its parent claims for it, so what is yielded sums to `file.sizeBytes`, or to the range, or the iteration throws.
 *
 * Of a range only the nodes above it and the leaves that it touches are fetched.
 *
 * @throws {RangeError} for a range that is none
 * @throws {CoreError} `MALFORMED_CONTENT`, and whatever the reader throws
 */
export async function* readFile(
  file: FileNode,
  reader: BlockReader,
  range: FileRange = {}
): AsyncGenerator<Uint8Array> {
  const { from, to } = boundsOf(file, range)
  reader.meter.admit('bytes', to - from)
  const ahead = new ReadAhead(reader)
  /** The part to read next is last. */
  const pending: PendingPart[] = []
  let node = file
  let level = 0
  let start = 0n
  let data = cut(node.data, start, from, to)
  // Others may remember the root of which somebody reads a range.
  if (range.offset !== undefined || range.length !== undefined) data = data.slice()
  /** A leaf whose bytes were copied: they are handed on before it is seen to. */
  let used: { readonly cid: CID; readonly leaf: Uint8Array } | undefined
  async function putAway(): Promise<void> {
    if (used === undefined) return
    const { cid, leaf } = used
    used = undefined
    await reader.putAway(cid, leaf)
  }

  try {
    for (;;) {
      if (data.length > 0) yield data
      await putAway()
      if (node.parts.length > 0) {
        reader.meter.admitDepth(level + 1)
        await ahead.settle()
        for (const part of touchedParts(node, start, from, to).reverse()) pending.push({ ...part, level: level + 1 })
      }
      const part = pending.pop()
      if (part === undefined) return
      ;({ level, start } = part)
      const isPartly = isCut(part, from, to)
      const recalled = isPartly ? ahead.recall(part) : undefined
      let givenBytes = 0
      if (isPartly && recalled === undefined) {
        const wanted = wantedOf(part, from, to)
        for await (const bytes of ahead.takeWithin(part, wanted)) {
          givenBytes += bytes.length
          yield bytes
        }
        if (givenBytes === wanted.end - wanted.first) {
          node = NOTHING_LEFT
          data = node.data
          continue
        }
      }
      const block = recalled ?? (await ahead.take(part, pending))
      node = decodePart(part, block)
      data = cut(node.data, start, from, to).subarray(givenBytes)
      if (!isPartly) continue
      data = data.slice()
      // What was recalled is not this reader's to put away: it may have been forgotten since.
      if (recalled !== undefined) continue
      if (part.cid.code === raw.code) used = { cid: part.cid, leaf: block }
      else reader.remember(part.cid, block)
    }
  } finally {
    await putAway()
    await ahead.close()
  }
}

function boundsOf({ sizeBytes }: FileNode, { offset = 0, length }: FileRange): { from: bigint; to: bigint } {
  for (const [name, value] of Object.entries({ offset, length: length ?? 0 })) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${name} is a number of bytes, 0 or more, got ${value}`)
  }
  const from = BigInt(offset)
  const to = length === undefined ? sizeBytes : from + BigInt(length)
  return { from, to: to < sizeBytes ? to : sizeBytes }
}

/** Whether the range leaves out some of a part. */
function isCut({ start, sizeBytes }: FilePart, from: bigint, to: bigint): boolean {
  return start < from || start + sizeBytes > to
}

/**
 * The parts that a range lies in, with where they begin in the file. A part that claims to be empty is looked at where the
 * range goes over it: it may lie.
 */
function touchedParts({ parts }: FileNode, nodeStart: bigint, from: bigint, to: bigint): FilePart[] {
  const touched: FilePart[] = []
  for (let index = firstEndingAt(parts, from - nodeStart); index < parts.length; index++) {
    const { cid, sizeBytes, start: startInNode } = parts[index]!
    const start = nodeStart + startInNode
    if (start > to) break
    if (sizeBytes === 0n ? start >= from : start < to && start + sizeBytes > from)
      touched.push({ cid, sizeBytes, start })
  }
  return touched
}

/** Number of the first part that does not end before a position: halving, because a node of a large file has a thousand. */
function firstEndingAt(parts: readonly FilePart[], position: bigint): number {
  let [low, high] = [0, parts.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const { start, sizeBytes } = parts[middle]!
    if (start + sizeBytes < position) low = middle + 1
    else high = middle
  }
  return low
}

function cut(data: Uint8Array, start: bigint, from: bigint, to: bigint): Uint8Array {
  const sizeBytes = BigInt(data.length)
  return data.subarray(within(from, start, sizeBytes), within(to, start, sizeBytes))
}

/** Bytes of a part. */
interface WantedBytes {
  readonly first: number
  /** Exclusive. */
  readonly end: number
}

function wantedOf({ start, sizeBytes }: FilePart, from: bigint, to: bigint): WantedBytes {
  return { first: within(from, start, sizeBytes), end: within(to, start, sizeBytes) }
}

/** Where a position of the file is in a part of it, or the end of the part that it is nearer to. */
function within(position: bigint, start: bigint, sizeBytes: bigint): number {
  const offset = position - start
  return Number(offset < 0n ? 0n : offset > sizeBytes ? sizeBytes : offset)
}

/**
 * What a reader of a range asks for after a node of a file, in that order: for those who have the file, and want to send it
 * along. Nothing for a block that is no node of a file.
 *
 * @param read - gives the node's checked block; not asked for a large node that was decoded not long ago
 * @param start - where in the file the node's content begins
 * @throws {CoreError} `MALFORMED_CONTENT`, and whatever `read` throws
 */
export async function partsInRange(
  cid: CID,
  read: () => Promise<Uint8Array>,
  start: bigint,
  { offset, length }: { readonly offset: number; readonly length: number }
): Promise<readonly FilePart[]> {
  const decoded = recallNode(cid) ?? decodeNode(cid, await read())
  const from = BigInt(offset)
  return decoded.kind === 'file' ? touchedParts(decoded, start, from, from + BigInt(length)) : []
}

/** What claims to be more than a block has parts of its own. */
function canBeLeaf({ sizeBytes }: FilePart): boolean {
  return sizeBytes <= BigInt(BLOCK_SIZE_BYTES_MAX)
}

/** Of a part's block. */
function leastSizeOf(part: FilePart): number {
  return canBeLeaf(part) ? Number(part.sizeBytes) : 0
}

function decodePart({ cid, sizeBytes }: FilePart, bytes: Uint8Array): FileNode {
  const node = decodeNode(cid, bytes)
  if (node.kind !== 'file') throw malformed(cid, `a ${node.kind} inside a file`)
  if (node.sizeBytes !== sizeBytes) {
    throw malformed(cid, `holds ${node.sizeBytes} bytes where its parent claims ${sizeBytes}`)
  }
  return node
}

/**
 * Asks for the parts that come next in one batch. While leaves follow each other the batch streams, and each is twice the
 * one before; when one turns out to have parts of its own, the rest of the batch is kept until those were read, as far as
 * the read-ahead has room, and what has none is asked for again.
 */
class ReadAhead {
  readonly #reader: BlockReader
  #incoming: AsyncGenerator<Uint8Array> | undefined
  /** Parts of the batch whose bytes have not come yet, next first. */
  #awaited: PendingPart[] = []
  #heldBytes = 0
  /** Of the read-ahead, for the next batch of leaves. */
  #times = 1

  constructor(reader: BlockReader) {
    this.#reader = reader
  }

  /** A part that is remembered, where nothing is under way that it would be in. */
  recall(part: PendingPart): Uint8Array | undefined {
    return this.#awaited.length > 0 || part.bytes !== undefined ? undefined : this.#reader.recall(part.cid)
  }

  /** What is wanted of a leaf that was read before, or as much of it as is given without the rest. */
  takeWithin(
    { cid, sizeBytes, bytes }: PendingPart,
    { first, end }: WantedBytes
  ): Iterable<never> | AsyncIterable<Uint8Array> {
    if (this.#awaited.length > 0 || bytes !== undefined || cid.code !== raw.code) return []
    return this.#reader.fetchWithin(cid, Number(sizeBytes), first, end)
  }

  async take(part: PendingPart, following: readonly PendingPart[]): Promise<Uint8Array> {
    if (part.bytes !== undefined) {
      this.#heldBytes -= part.bytes.length
      return part.bytes
    }
    if (this.#awaited.length === 0) await this.#ask(part, following)
    this.#awaited.shift()
    return this.#receive(part.cid)
  }

  /** Receives what is still under way, because other parts come first now. */
  async settle(): Promise<void> {
    for (const part of this.#awaited) {
      if (this.#heldBytes + leastSizeOf(part) > READ_AHEAD_BYTES) break
      part.bytes = await this.#receive(part.cid)
      this.#heldBytes += part.bytes.length
    }
    this.#awaited = []
    await this.close()
  }

  async close(): Promise<void> {
    await this.#incoming?.return(undefined)
    this.#incoming = undefined
  }

  async #ask(part: PendingPart, following: readonly PendingPart[]): Promise<void> {
    await this.close()
    const candidates = [part]
    for (let i = following.length - 1; i >= 0 && candidates.length < STREAMED_BLOCKS_MAX; i--) {
      const next = following[i]!
      if (next.bytes !== undefined || canBeLeaf(next) !== canBeLeaf(part)) break
      candidates.push(next)
    }
    const count = planBatch(
      candidates.map(({ sizeBytes }) => Number(sizeBytes)),
      this.#heldBytes,
      canBeLeaf(part) ? this.#times : 1
    )
    if (canBeLeaf(part)) this.#times = Math.min(2 * this.#times, STREAMED_BLOCKS_MAX)
    this.#awaited = candidates.slice(0, count)
    this.#incoming = this.#reader.fetch(this.#awaited.map(({ cid }) => cid))
  }

  async #receive(cid: CID): Promise<Uint8Array> {
    const next = await this.#incoming!.next()
    if (next.done === true) throw malformed(cid, 'was not delivered')
    return next.value
  }
}
