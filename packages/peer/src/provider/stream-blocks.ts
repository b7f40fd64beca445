/**
 * Reads blocks out of piece files, one behind the other, and hands each on only after it was hashed: a byte that is wrong
 * on the disk is not served.
 *
 * The memory is used again: fresh memory for each block cost twice what reading, hashing and sending it does. Until then it
 * keeps the block that it was found to hold, and who goes on reading in a leaf waits for no disk and no digest; what is denied
 * or no longer here is not placed, and so not sent. While one block is sent, the next is read.
 */
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, checkBlock, refuse, refuseMidway } from '@holdfast/core'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import type { BlockPosition, PieceBytes, PieceStore } from '../storage/index.ts'

export interface PlacedBlock {
  readonly cid: CID
  readonly sizeBytes: number
  /** Where it is said to stand, with this size. */
  readonly positions: readonly BlockPosition[]
}

/** Those that wait to be acknowledged, the one that waits to be sent, and the one that is being read. */
const SLABS = CHUNKS_IN_FLIGHT_MAX + 2

/** Blocks that fill it nearly are read into memory that all transfers share; others into some of their own. */
const SHARED_SLAB_SIZE_BYTES = CHUNK_SIZE_BYTES_MAX
const SHARED_SLAB_USE_MIN = SHARED_SLAB_SIZE_BYTES / 4
/** What a reader at full speed takes. Each slab that is made anew brings the collector of garbage nearer. */
const SPARE_SLABS_MAX = SLABS

interface Slab {
  readonly memory: Buffer
  /** The block that it was found to hold; undefined while another is read into it. */
  holds: string | undefined
}

/** Those used last at the end. */
const spare: Slab[] = []

/** One that holds the block, or else the one that was not used for longest. */
function takeSpare(block: string): Slab | undefined {
  const position = spare.findIndex(({ holds }) => holds === block)
  return spare.splice(Math.max(0, position), 1)[0]
}

/** Memory of one transfer, block after block. */
class Slabs {
  #slabs: Slab[] = []
  /** Until they are shared. */
  #mine: Slab[] = []
  #isClosed = false

  take(index: number, block: string, sizeBytes: number): Slab {
    const slab = this.#slabs[index % SLABS]
    if (slab !== undefined && slab.memory.length >= sizeBytes) return slab
    const isShared = !this.#isClosed && sizeBytes >= SHARED_SLAB_USE_MIN && sizeBytes <= SHARED_SLAB_SIZE_BYTES
    const taken = (isShared ? takeSpare(block) : undefined) ?? {
      memory: Buffer.allocUnsafeSlow(isShared ? SHARED_SLAB_SIZE_BYTES : sizeBytes),
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
    for (const slab of this.#mine.splice(0)) if (slab.memory.length === SHARED_SLAB_SIZE_BYTES) spare.push(slab)
    spare.splice(0, spare.length - SPARE_SLABS_MAX)
  }
}

/** Blocks of one file mostly stand in one piece. */
const OPEN_FILES_MAX = 4

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

/** The first block is read at once, while its header is on the way. */
export function streamBlocks(
  store: Pick<PieceStore, 'openBytes' | 'reportWrongBlock'>,
  blocks: readonly PlacedBlock[]
): BlockStream {
  const slabs = new Slabs()
  const files = new OpenFiles(store)

  async function load(index: number): Promise<Uint8Array> {
    const { cid, sizeBytes, positions } = blocks[index]!
    const block = cid.toString()
    const slab = slabs.take(index, block, sizeBytes)
    const bytes = slab.memory.subarray(0, sizeBytes)
    if (slab.holds === block) return bytes
    slab.holds = undefined
    for (const position of positions) {
      if ((await files.read(position, bytes)) && (await checkBlock(cid, bytes)).ok) {
        slab.holds = block
        return bytes
      }
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
      await files.close()
    }
  }

  return {
    chunks: stream(),
    release() {
      slabs.close()
      // A read that was left behind still writes.
      const settled = loading.catch(() => undefined)
      void settled.then(() => slabs.share())
      void settled.then(() => files.close()).catch(() => undefined)
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
    try {
      const file = await this.#open(pieceCid)
      return (await file.readInto(bytes, offset)) === bytes.length
    } catch (error) {
      // The piece was removed since the index named it, or its file is gone: another one may have the block.
      if (error instanceof PeerError && (error.code === 'PIECE_NOT_FOUND' || error.code === 'PIECE_MISSING'))
        return false
      throw error
    }
  }

  async #open(cid: CID): Promise<PieceBytes> {
    const key = cid.toString()
    const known = this.#files.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#files
    if (oldest !== undefined && this.#files.size >= OPEN_FILES_MAX) {
      this.#files.delete(oldest[0])
      await oldest[1][Symbol.asyncDispose]()
    }
    const file = await this.#store.openBytes(cid)
    this.#files.set(key, file)
    return file
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    for (const file of files) await file[Symbol.asyncDispose]()
  }
}
