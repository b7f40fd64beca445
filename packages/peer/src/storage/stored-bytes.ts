/** Reads what is stored: bytes of pieces, and the layers beside them, which are made again where they are missing or wrong. */
import { LastUsed, type ReadablePiece } from '@holdfast/core'
import type { CachedLayer, NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { PeerError, systemCodeOf } from '../error.ts'
import type { FileSystem } from './file-system.ts'
import { diskError } from './incoming-file.ts'
import { createLayerTops, type LayerTops } from './layer-tops.ts'
import {
  checkFile,
  decodeLayer,
  encodeLayer,
  layerNodeCountOf,
  readAt,
  readChecksums,
  readFully,
  readLayerFile,
  readLayerNodes,
  writeSynced
} from './piece-files.ts'
import type { PieceRecord } from './piece-index.ts'
import type { PieceRecords } from './piece-records.ts'
import type { DamageReason, PieceBytes, PieceStoreEvent } from './piece-store.ts'

/** Of 16 GiB of pieces. */
const CHECKSUMS_KEPT_BYTES = 4 * 1024 * 1024

export interface StoredBytesOptions {
  readonly files: FileSystem
  readonly records: PieceRecords
  readonly nodeHasher: NodeHasher
  readonly report: (event: PieceStoreEvent) => void
}

/** Its methods are those of `PieceStore`. */
export class StoredBytes {
  readonly #files: FileSystem
  readonly #records: PieceRecords
  readonly #nodeHasher: NodeHasher
  readonly #report: (event: PieceStoreEvent) => void
  readonly #tops: LayerTops
  /** They belong to the piece, so they hold whatever becomes of its files. */
  readonly #checksums = new LastUsed<Uint8Array>({ weightMax: CHECKSUMS_KEPT_BYTES, weightOf: ({ length }) => length })

  constructor({ files, records, nodeHasher, report }: StoredBytesOptions) {
    this.#files = files
    this.#records = records
    this.#nodeHasher = nodeHasher
    this.#report = report
    this.#tops = createLayerTops(nodeHasher)
  }

  async read(cid: CID, offset: number, size: number): Promise<Uint8Array> {
    const { record, rawSize } = await this.#records.expect(cid)
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(size) || offset < 0 || size < 0) {
      throw new RangeError(`expected an offset and a size of 0 or more, got ${offset} and ${size}`)
    }
    if (offset >= rawSize || size === 0) return new Uint8Array(0)
    try {
      return await readAt(
        this.#files,
        this.#records.pieceFileOf(cid.toString(), record),
        offset,
        Math.min(size, rawSize - offset)
      )
    } catch (error) {
      throw readError(error, cid)
    }
  }

  async open(cid: CID): Promise<ReadablePiece> {
    const { record, rawSize } = await this.#records.expect(cid)
    const path = this.#records.layerFileOf(cid.toString(), record)
    const layer = await this.#tops.open(cid.toString(), {
      count: layerNodeCountOf(rawSize),
      whole: () => this.#layerOf(cid, record, rawSize),
      part: (first, count) =>
        readLayerNodes(this.#files, path, first, count).catch((error: unknown) => {
          if (systemCodeOf(error) === 'ENOENT') return Buffer.alloc(0)
          throw readError(error, cid)
        })
    })
    try {
      const handle = await this.#files.open(this.#records.pieceFileOf(cid.toString(), record), 'r')
      return {
        layer,
        read: (offset, size) =>
          readFully(handle, offset, Buffer.allocUnsafeSlow(Math.max(0, Math.min(size, rawSize - offset)))),
        [Symbol.asyncDispose]: () => handle.close()
      }
    } catch (error) {
      throw readError(error, cid)
    }
  }

  async openBytes(cid: CID): Promise<PieceBytes> {
    const { record, rawSize } = await this.#records.expect(cid)
    const path = this.#records.pieceFileOf(cid.toString(), record)
    const file = await this.#records.kept.open(path).catch((error: unknown) => {
      throw readError(error, cid)
    })
    return {
      rawSize,
      readInto: async (bytes, offset) => (await readFully(file.handle, offset, bytes)).length,
      [Symbol.dispose]: () => file[Symbol.dispose]()
    }
  }

  async layer(cid: CID): Promise<CachedLayer> {
    const { record, rawSize } = await this.#records.expect(cid)
    return await this.#layerOf(cid, record, rawSize)
  }

  /** Not checked: what they say is wrong is looked at in another way. */
  async checksums(cid: CID): Promise<Uint8Array | undefined> {
    const piece = cid.toString()
    const known = this.#checksums.get(piece)
    if (known !== undefined) return known
    const { record, rawSize } = await this.#records.expect(cid)
    const path = this.#records.layerFileOf(piece, record)
    const checksums = await readChecksums(this.#files, path, rawSize).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw readError(error, cid)
    })
    if (checksums !== undefined) this.#checksums.set(piece, checksums)
    return checksums
  }

  async #layerOf(cid: CID, record: PieceRecord, rawSize: number): Promise<CachedLayer> {
    const path = this.#records.layerFileOf(cid.toString(), record)
    const bytes = await readLayerFile(this.#files, path, rawSize).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT') return Buffer.alloc(0)
      throw readError(error, cid)
    })
    return decodeLayer(bytes, rawSize) ?? (await this.#records.inTurn(() => this.#rebuildLayer(cid)))
  }

  async check(
    cid: CID,
    { signal }: { signal?: AbortSignal } = {}
  ): Promise<{ ok: true } | { ok: false; reason: DamageReason | 'missing' }> {
    const { record } = await this.#records.expect(cid)
    try {
      const options = { nodeHasher: this.#nodeHasher, signal }
      const checked = await checkFile(
        this.#files,
        this.#records.pieceFileOf(cid.toString(), record),
        cid.toString(),
        options
      )
      return checked.ok ? { ok: true } : checked
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return { ok: false, reason: 'missing' }
      throw error
    }
  }

  async #rebuildLayer(cid: CID): Promise<CachedLayer> {
    const piece = cid.toString()
    const { record } = await this.#records.expect(cid)
    // Once is enough: who asks again for what is damaged must not make the disk read it all again.
    if (record.isDamaged) throw damaged(piece)
    const options = { nodeHasher: this.#nodeHasher }
    const checked = await checkFile(this.#files, this.#records.pieceFileOf(piece, record), piece, options).catch(
      (error: unknown) => {
        throw readError(error, cid)
      }
    )
    if (!checked.ok) {
      this.#report({ type: 'piece-damaged', piece, reason: checked.reason })
      await this.#records.replace(piece, record, { ...record, isDamaged: true })
      throw damaged(piece)
    }
    const { layer } = checked.digest
    this.#checksums.forget(piece)
    const path = this.#records.layerFileOf(piece, record)
    await this.#files.rm(path, { force: true })
    await writeSynced(this.#files, path, encodeLayer(layer, checked.checksums))
    this.#report({ type: 'layer-rebuilt', piece })
    return layer
  }
}

function damaged(piece: string): PeerError {
  return new PeerError('PIECE_DAMAGED', `${piece} is damaged on disk: repair it from another replica.`, { piece })
}

function readError(cause: unknown, cid: CID): PeerError {
  if (systemCodeOf(cause) !== 'ENOENT') return diskError(cause)
  return new PeerError(
    'PIECE_MISSING',
    `The file of ${cid} is gone from the disk.`,
    { piece: cid.toString() },
    { cause }
  )
}
