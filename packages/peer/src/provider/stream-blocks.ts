/**
 * Reads blocks out of piece files, one behind the other, and hands each on only after it was hashed: a byte that is wrong
 * on the disk is not served.
 *
 * The memory is used again: fresh memory for each block cost twice what reading, hashing and sending it does. While one
 * block is sent, the next is read.
 */
import { CHUNKS_IN_FLIGHT_MAX, checkBlock, refuse, refuseMidway } from '@holdfast/core'
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

/** Blocks of one file mostly stand in one piece. */
const OPEN_FILES_MAX = 4

/**
 * Yields each block in one piece, whose bytes are overwritten once `CHUNKS_IN_FLIGHT_MAX` later ones were asked for.
 *
 * @throws what `refuseMidway` makes, `DAMAGED`, for a block that is nowhere what its CID says; the store has been told
 */
export async function* streamBlocks(
  store: Pick<PieceStore, 'openBytes' | 'reportWrongBlock'>,
  blocks: readonly PlacedBlock[]
): AsyncGenerator<Uint8Array> {
  await using files = new OpenFiles(store)
  const slabs: Buffer[] = []
  async function load(index: number): Promise<Uint8Array> {
    const { cid, sizeBytes, positions } = blocks[index]!
    let slab = slabs[index % SLABS]
    if (slab === undefined || slab.length < sizeBytes) {
      slab = Buffer.allocUnsafeSlow(sizeBytes)
      slabs[index % SLABS] = slab
    }
    const bytes = slab.subarray(0, sizeBytes)
    for (const position of positions) {
      if ((await files.read(position, bytes)) && (await checkBlock(cid, bytes)).ok) return bytes
      store.reportWrongBlock(cid, position)
    }
    throw refuseMidway(refuse('DAMAGED', `my disk no longer has block ${cid}: read it elsewhere`))
  }
  let loading = load(0)
  try {
    for (let index = 0; index < blocks.length; index++) {
      const bytes = await loading
      if (index + 1 < blocks.length) {
        loading = load(index + 1)
        loading.catch(() => undefined) // whoever asks for it hears of it
      }
      yield bytes
    }
  } finally {
    await loading.catch(() => undefined)
  }
}

/** Files of the pieces that were read last. */
class OpenFiles implements AsyncDisposable {
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

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file[Symbol.asyncDispose]()
  }
}
