/**
 * Reads blocks, or parts of them, out of piece files, one behind the other, and hands on only what was checked: a byte that is
 * wrong on the disk is not served.
 *
 * Every block was compared with its CID when its piece came in, so of a long one it is enough that its bytes are still what was
 * written, span by span (span-checksums.ts). Short ones are hashed, and so is what the checksums do not agree with.
 *
 * The memory is used again: fresh memory for each block cost twice what reading, checking and sending it does. Until then it
 * keeps the block that it was found to hold, and who goes on reading in a leaf waits for no disk; what is denied or no longer
 * here is not placed, and so not sent. While one block is sent, the next is read.
 */
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, checkBlock, refuse, refuseMidway } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import {
  areSpansRight,
  type BlockPosition,
  type PieceBytes,
  type PieceStore,
  SPAN_SIZE_BYTES,
  spansAround
} from '../storage/index.ts'

export interface PlacedBlock {
  readonly cid: CID
  readonly sizeBytes: number
  /** Where it is said to stand, with this size. */
  readonly positions: readonly BlockPosition[]
}

/** Those that wait to be acknowledged, the one that waits to be sent, and the one that is being read. */
const SLABS = CHUNKS_IN_FLIGHT_MAX + 2

/** Hashing a shorter block takes less than reading the spans around it. */
const CHECKSUMMED_SIZE_BYTES_MIN = 4 * SPAN_SIZE_BYTES

/** Memory that transfers have one after the other; those used last at the end. */
interface SpareSlabs {
  readonly sizeBytes: number
  readonly slabs: Slab[]
}

/** For blocks that fill it nearly, with the spans around: as many as a reader at full speed takes. */
const large: SpareSlabs = { sizeBytes: CHUNK_SIZE_BYTES_MAX + 2 * SPAN_SIZE_BYTES, slabs: [] }
/** For parts of them. */
const small: SpareSlabs = { sizeBytes: 8 * SPAN_SIZE_BYTES, slabs: [] }
/** Of each. More, and slabs that are made anew bring the collector of garbage nearer. */
const SPARE_SLABS_MAX = SLABS
const LARGE_USE_MIN = CHUNK_SIZE_BYTES_MAX / 4

interface Slab {
  readonly memory: Buffer
  /** What it was found to hold; undefined while something else is read into it. */
  holds: HeldBytes | undefined
}

interface HeldBytes {
  readonly block: string
  /** Where they begin in it. */
  readonly from: number
  readonly bytes: Uint8Array
}

/** What is asked for: bytes of a block, the end exclusive. */
interface Wanted {
  readonly block: string
  readonly from: number
  readonly end: number
}

function heldBy({ holds }: Slab, { block, from, end }: Wanted): Uint8Array | undefined {
  if (holds?.block !== block || from < holds.from || end > holds.from + holds.bytes.length) return undefined
  return holds.bytes.subarray(from - holds.from, end - holds.from)
}

/** One that holds what is wanted; else, of those that fit, the one that was not used for longest. */
function takeSpare(wanted: Wanted, fitting: SpareSlabs | undefined): Slab | undefined {
  for (const { slabs } of [large, small]) {
    const position = slabs.findIndex(slab => heldBy(slab, wanted) !== undefined)
    if (position >= 0) return slabs.splice(position, 1)[0]
  }
  return fitting?.slabs.shift()
}

function fittingFor(sizeBytes: number): SpareSlabs | undefined {
  if (sizeBytes <= small.sizeBytes) return small
  return sizeBytes >= LARGE_USE_MIN && sizeBytes <= large.sizeBytes ? large : undefined
}

/** Memory of one transfer, block after block. */
class Slabs {
  #slabs: Slab[] = []
  /** Until they are shared. */
  #mine: Slab[] = []
  #isClosed = false

  /** @param sizeBytes - what is read of the block, with what is read around it */
  take(index: number, wanted: Wanted, sizeBytes: number): Slab {
    const slab = this.#slabs[index % SLABS]
    if (slab !== undefined && slab.memory.length >= sizeBytes) return slab
    const fitting = this.#isClosed ? undefined : fittingFor(sizeBytes)
    const taken = (this.#isClosed ? undefined : takeSpare(wanted, fitting)) ?? {
      memory: Buffer.allocUnsafeSlow(fitting?.sizeBytes ?? sizeBytes),
      holds: undefined
    }
    this.#slabs[index % SLABS] = taken
    return taken
  }

  /** What is taken from now on, by a reader that has not heard of the end yet, is not in anybody else's way. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#mine = this.#slabs
    this.#slabs = []
  }

  /** After `close`, and when nothing is written into them any more. */
  share(): void {
    for (const slab of this.#mine.splice(0)) {
      const spare = [large, small].find(({ sizeBytes }) => sizeBytes === slab.memory.length)
      spare?.slabs.push(slab)
      spare?.slabs.splice(0, spare.slabs.length - SPARE_SLABS_MAX)
    }
  }
}

/** Blocks of one file mostly stand in one piece. */
const OPEN_FILES_MAX = 4

export interface StreamOptions {
  /** Bytes that are wanted of each block; all when left out. */
  readonly part?: { readonly offset: number; readonly length: number } | undefined
}

export interface BlockStream {
  /**
   * Each block in one piece, whose bytes are overwritten once `CHUNKS_IN_FLIGHT_MAX` later ones were asked for.
   *
   * Throws what `refuseMidway` makes, `DAMAGED`, for a block that is nowhere what its CID says; the store has been told.
   */
  readonly chunks: AsyncGenerator<Uint8Array>
  /** Says that nothing of them is read any more: other transfers may have the memory. Idempotent. */
  release(): void
}

type BlockSource = Pick<PieceStore, 'openBytes' | 'checksums' | 'reportWrongBlock'>

/** The first block is read at once, while its header is on the way. */
export function streamBlocks(
  store: BlockSource,
  blocks: readonly PlacedBlock[],
  { part }: StreamOptions = {}
): BlockStream {
  const slabs = new Slabs()
  const files = new OpenFiles(store)

  async function load(index: number): Promise<Uint8Array> {
    const placed = blocks[index]!
    const from = part?.offset ?? 0
    const end = part === undefined ? placed.sizeBytes : from + part.length
    const wanted = { block: placed.cid.toString(), from, end }
    const isLong = placed.sizeBytes >= CHECKSUMMED_SIZE_BYTES_MIN
    const slab = slabs.take(index, wanted, isLong ? end - from + 2 * SPAN_SIZE_BYTES : placed.sizeBytes)
    const held = heldBy(slab, wanted)
    if (held !== undefined) return held
    slab.holds = undefined
    const bytes = isLong ? await readSpans(placed, wanted, slab.memory) : undefined
    if (bytes !== undefined) {
      slab.holds = { block: wanted.block, from, bytes }
      return bytes
    }
    const hasRoom = slab.memory.length >= placed.sizeBytes
    const whole = await hashWhole(placed, hasRoom ? slab.memory : Buffer.allocUnsafeSlow(placed.sizeBytes))
    if (hasRoom) slab.holds = { block: wanted.block, from: 0, bytes: whole }
    return whole.subarray(from, end)
  }

  /** @returns undefined where the bytes are not what was written */
  async function readSpans(
    { positions }: PlacedBlock,
    { from, end }: Wanted,
    memory: Buffer
  ): Promise<Uint8Array | undefined> {
    const { pieceCid, offset } = positions[0]!
    const [file, checksums] = await Promise.all([files.open(pieceCid), store.checksums(pieceCid)])
    if (file === undefined || checksums === undefined || offset + end > file.rawSize) return undefined
    const spans = spansAround(offset + from, offset + end, file.rawSize)
    const bytes = memory.subarray(0, spans.sizeBytes)
    if ((await file.readInto(bytes, spans.offset)) !== bytes.length) return undefined
    if (!areSpansRight(bytes, spans.first, checksums)) return undefined
    const before = offset + from - spans.offset
    return bytes.subarray(before, before + end - from)
  }

  /** Reads a block into memory, from whichever piece has it whole. */
  async function hashWhole({ cid, sizeBytes, positions }: PlacedBlock, memory: Buffer): Promise<Uint8Array> {
    const bytes = memory.subarray(0, sizeBytes)
    for (const position of positions) {
      if ((await files.read(position, bytes)) && (await checkBlock(cid, bytes)).ok) return bytes
      store.reportWrongBlock(cid, position)
    }
    throw refuseMidway(refuse('DAMAGED', `my disk no longer has block ${cid}: read it elsewhere`))
  }

  /** The one read that may be under way. */
  let loading = begin(0)

  function begin(index: number): Promise<Uint8Array> {
    const read = load(index)
    read.catch(() => undefined) // whoever asks for it hears of it
    return read
  }

  async function* stream(): AsyncGenerator<Uint8Array> {
    try {
      for (let index = 0; index < blocks.length; index++) {
        const bytes = await loading
        if (index + 1 < blocks.length) loading = begin(index + 1)
        yield bytes
      }
    } finally {
      await loading.catch(() => undefined)
      files.close()
    }
  }

  return {
    chunks: stream(),
    release() {
      slabs.close()
      // A read that was left behind still writes.
      const settled = loading.catch(() => undefined)
      void settled.then(() => slabs.share())
      void settled.then(() => files.close())
    }
  }
}

/** Files of the pieces that were read last. */
class OpenFiles {
  readonly #store: Pick<PieceStore, 'openBytes'>
  readonly #files = new Map<string, PieceBytes>()

  constructor(store: Pick<PieceStore, 'openBytes'>) {
    this.#store = store
  }

  /** @returns whether the file had all the bytes */
  async read({ pieceCid, offset }: BlockPosition, bytes: Buffer): Promise<boolean> {
    const file = await this.open(pieceCid)
    return file !== undefined && (await file.readInto(bytes, offset)) === bytes.length
  }

  /** @returns undefined where the piece was removed since the index named it, or its file is gone: another one may have the block */
  async open(cid: CID): Promise<PieceBytes | undefined> {
    const key = cid.toString()
    const known = this.#files.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#files
    if (oldest !== undefined && this.#files.size >= OPEN_FILES_MAX) {
      this.#files.delete(oldest[0])
      oldest[1][Symbol.dispose]()
    }
    try {
      const file = await this.#store.openBytes(cid)
      this.#files.set(key, file)
      return file
    } catch (error) {
      if (error instanceof PeerError && (error.code === 'PIECE_NOT_FOUND' || error.code === 'PIECE_MISSING'))
        return undefined
      throw error
    }
  }

  /** Idempotent. */
  close(): void {
    for (const file of this.#files.values()) file[Symbol.dispose]()
    this.#files.clear()
  }
}
