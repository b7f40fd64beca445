/**
 * The provider's pieces: what a store of them promises, whatever it stands on.
 *
 *   - a piece is committed when its file, its name and its index entry are durable, in that order, so a crash leaves the
 *     whole piece or nothing that counts;
 *   - bytes are reserved before the first one is accepted, and given back when the piece is not committed;
 *   - a piece that no deal needs is a lease: it goes when its time is over, and not before;
 *   - Level holds nothing that the files do not say too, except which deals need a piece. After Level was lost every
 *     piece is a lease again, so a provider calls `keep` for all its live deals when it starts;
 *   - blocks are found only of pieces that an order named as part of a public object.
 * Whether bytes are still what they were is checked where they are used: by the proof, range by range, block by block.
 */
import type { ReadablePiece } from '@holdfast/core'
import type { CachedLayer, NodeHasher, PieceCommitment } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { FileSystem } from './file-system.ts'
import type { OpenIncomingFile, PieceName } from './incoming-file.ts'
import type { IndexLevel } from './index-level.ts'
import type { DiskFloor, PieceDirectoryOptions } from './piece-directory.ts'
import type { PieceHolder } from './piece-index.ts'

const MINUTE_MS = 60 * 1000

/** How long bytes that no deal covers are kept: time to countersign and reach the ledger after a long upload. */
export const LEASE_MS_DEFAULT = 24 * 60 * MINUTE_MS
/** How long the bytes of an upload that broke off are kept: time for a client to come back, not to store for nothing. */
export const RESUME_MS_DEFAULT = 60 * MINUTE_MS
/** Left free on a disk, so that pieces never take the room that ledger and index need to go on: 2 GiB, of small disks 5 %. */
export const FLOOR_DEFAULT: DiskFloor = { bytes: 2 * 1024 ** 3, permille: 50 }

export interface PieceStoreOptions {
  /** The first directory, where a store with only one has everything. */
  readonly directory: string
  /** Others. Where there are any, new pieces go into these, and the first only keeps what it has. */
  readonly directories?: readonly PieceDirectoryOptions[]
  /** The index, for this store alone. */
  readonly level: IndexLevel
  /** Bytes on disk given to pieces and their cached layers, in all directories. */
  readonly capacityBytes: number
  readonly nodeHasher: NodeHasher
  readonly clock: { now(): number }
  readonly floor?: DiskFloor
  readonly leaseMs?: number
  readonly resumeMs?: number
  readonly onEvent?: (event: PieceStoreEvent) => void
  readonly files?: FileSystem
  /** Takes bytes in; in the calling thread unless told otherwise (see intake-workers.ts). */
  readonly openIncoming?: OpenIncomingFile
  /** Whether a piece, or an object that it is part of, is nothing to be served. */
  readonly denies?: (cid: string) => boolean
}

/** What the store mended or found broken. `piece` is a PieceCIDv2 as text. */
export type PieceStoreEvent =
  | { readonly type: 'temporary-removed'; readonly name: string }
  | { readonly type: 'layer-removed'; readonly name: string }
  | { readonly type: 'layer-rebuilt'; readonly piece: string }
  | { readonly type: 'copy-removed'; readonly piece: string; readonly directory: string }
  | { readonly type: 'piece-reindexed'; readonly piece: string }
  | { readonly type: 'piece-missing'; readonly piece: string; readonly deals: readonly string[] }
  | { readonly type: 'piece-damaged'; readonly piece: string; readonly reason: DamageReason; readonly movedTo?: string }
  | { readonly type: 'file-unexplained'; readonly name: string }
  | { readonly type: 'blocks-not-indexed'; readonly piece: string; readonly reason: string }
  | { readonly type: 'block-wrong'; readonly piece: string; readonly cid: string; readonly offset: number }
  | { readonly type: 'range-wrong'; readonly piece: string; readonly offset: number }

export type DamageReason = 'wrong-size' | 'wrong-bytes'

/** A committed piece. */
export interface StoredPiece extends PieceCommitment {
  /** PieceCIDv2. */
  readonly cid: CID
  /** Whether it is one whole CARv1 whose blocks are what their CIDs say. */
  readonly isCar: boolean
  /** Blocks of it that {@link PieceStore.findBlocks} knows. */
  readonly blockCount: number
  /** Whether an order named it as part of a public object, so that anybody may have it. */
  readonly isPublic: boolean
  /** Whether wrong bytes were seen in it. */
  readonly isDamaged: boolean
  /** Whether the operator wants nothing to do with it: it is proved while a deal pays, and served to nobody. */
  readonly isDenied: boolean
  readonly holders: readonly PieceHolder[]
  /** Deals that need it, sorted. */
  readonly deals: readonly string[]
  /** Set when no deal needs it: it may be swept from then on. */
  readonly leaseUntilMs?: number
}

/** Why a piece cannot be taken: not the store's mistake, so not an error. */
export interface NoSpace {
  readonly ok: false
  readonly code: 'NO_SPACE'
  /** `quota`: what was given to the network is used up. `disk`: the disk itself is nearly full. */
  readonly limit: 'quota' | 'disk'
  readonly neededBytes: number
  readonly freeBytes: number
}

export interface ReceiveRequest {
  readonly sizeBytes: number
  /** The deal that the bytes come under, and that they are leased to. */
  readonly dealId?: string
  /** Chosen by the client: with it, an upload that broke off goes on where the disk stands. */
  readonly uploadId?: string
  /** In place of a piece that rotted or was lost: its room was given long ago, so only the disk itself may be too full. */
  readonly mends?: boolean
}

export type Received =
  | { readonly ok: true; readonly writer: PieceWriter }
  /** This upload was committed already, and its client did not hear of it. */
  | { readonly ok: true; readonly piece: StoredPiece }
  | NoSpace

/** Takes the bytes of one piece in order. Ends with one of `commit`, `suspend` and `abort`. Calls must not overlap. */
export interface PieceWriter extends AsyncDisposable {
  /** Bytes taken, those of an earlier attempt included. */
  readonly positionBytes: number
  /**
   * Takes the next bytes; they may be reused when it resolves. **Not durable**: only {@link commit} is.
   *
   * @throws {RangeError} beyond the declared size
   * @throws {PeerError} `NO_SPACE`, `DISK_FAILED`, `WRITER_CLOSED`; the piece is given up then
   */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the bytes and says what piece they are, so that a caller can refuse a wrong one before anything is kept. */
  finish(): Promise<PieceName>
  /**
   * Keeps the piece: durable and readable when it resolves. A piece that is here already stays, with its deals; its file
   * is replaced by the new one, which mends a rotten copy.
   *
   * @throws {PeerError} as {@link write}
   */
  commit(): Promise<StoredPiece>
  /** Leaves the bytes for a later attempt where the upload can be resumed; else as {@link abort}. Idempotent. */
  suspend(): Promise<void>
  /** Gives the piece up and its reservation back. Idempotent; does nothing after a commit. */
  abort(): Promise<void>
}

export interface PieceStoreUsage {
  readonly capacityBytes: number
  /** Pieces and layers on disk. */
  readonly usedBytes: number
  /** Promised to writers that are open. */
  readonly reservedBytes: number
  /** The part of `reservedBytes` that is not on the disk yet. */
  readonly unwrittenBytes: number
  /** Uploads that broke off and may go on. */
  readonly suspendedBytes: number
  /** The part of `usedBytes` that no deal needs. */
  readonly leasedBytes: number
  readonly freeBytes: number
}

/** Sizes of the files in a store's directories, as the disk says. */
export interface FileUsage {
  readonly pieceBytes: number
  readonly layerBytes: number
  /** On their way in, or broken off there. */
  readonly incomingBytes: number
  readonly damagedBytes: number
  readonly otherBytes: number
}

/** Raw bytes that no order covers, under one deal: leased, broken off, or on their way. */
export interface StoreLease {
  readonly dealId: string
  readonly rawBytes: number
  readonly leafCount: number
}

/** Where a block's data stands. */
export interface BlockPosition {
  readonly pieceCid: CID
  readonly offset: number
  readonly length: number
}

/** The open file of a piece: it stays readable after the piece was removed. */
export interface PieceBytes extends Disposable {
  /** Of the piece; its file may have been cut. */
  readonly rawSize: number
  /** Fills a buffer from an offset of the piece on. @returns how many bytes the file had for it */
  readInto(bytes: Buffer, offset: number): Promise<number>
}

export interface PieceStore extends AsyncDisposable {
  /**
   * Makes files and index agree: sweeps what a crash left, indexes pieces that the index lacks by hashing them again, and
   * drops entries whose file is gone. Idempotent.
   *
   * @throws {PeerError} `PIECES_DIRECTORY_GONE` when a directory's disk is not there
   */
  start(options?: StartOptions): Promise<void>
  /** Suspends or aborts open writers and waits for commits. Idempotent. Does not close Level. */
  stop(): Promise<void>
  /** Reserves room for a piece of at most `sizeBytes` and its layer. A second writer of one upload ends the first. */
  receive(request: ReceiveRequest): Promise<Received>
  get(cid: CID): Promise<StoredPiece | undefined>
  has(cid: CID): Promise<boolean>
  list(): AsyncIterable<StoredPiece>
  /**
   * Reads raw bytes; fewer than `size` where the piece, or its damaged file, ends. Not checked against anything.
   *
   * @throws {PeerError} `PIECE_NOT_FOUND`, `PIECE_MISSING` when its file is gone, `DISK_FAILED`
   */
  read(cid: CID, offset: number, size: number): Promise<Uint8Array>
  /**
   * Opens a piece for many reads, its layer with it; not checked either, so a proof made of it may be bad.
   *
   * @throws {PeerError} as {@link layer}
   */
  open(cid: CID): Promise<ReadablePiece>
  /**
   * Opens the file of a piece alone, for one that reads much of it; not checked against anything.
   *
   * @throws {PeerError} as {@link read}
   */
  openBytes(cid: CID): Promise<PieceBytes>
  /**
   * The cached layer, made again from the piece when its file is missing or wrong.
   *
   * @throws {PeerError} as {@link read}, and `PIECE_DAMAGED` when the bytes are no longer the piece
   */
  layer(cid: CID): Promise<CachedLayer>
  /**
   * Checksums of what was written (span-checksums.ts), for whoever reads parts of a piece; not checked themselves.
   *
   * @returns undefined while there are none: the layer's file, which they stand in, is missing
   * @throws {PeerError} `PIECE_NOT_FOUND`, `DISK_FAILED`
   */
  checksums(cid: CID): Promise<Uint8Array | undefined>
  /** Reads and hashes the whole piece. */
  check(
    cid: CID,
    options?: { signal?: AbortSignal }
  ): Promise<{ ok: true } | { ok: false; reason: DamageReason | 'missing' }>
  /**
   * Notes that a deal needs a piece; durable when it resolves.
   *
   * @param root - of the public object that it is part of; left out for a private one
   * @returns false when the piece is not here
   */
  keep(cid: CID, dealId: string, root?: CID): Promise<boolean>
  /** Makes a leased piece public, because its order was signed: its blocks can be found when it resolves, if they are few. */
  publish(cid: CID, dealId: string, root: CID): Promise<void>
  /**
   * Notes that a deal no longer needs it. Durable when it resolves.
   *
   * @param graceMs - how long its bytes stay without a deal; the lease's time when left out, at 0 they go at once
   */
  release(cid: CID, dealId: string, graceMs?: number): Promise<void>
  /** Removes leases that are over, and uploads that nobody went on with. @returns the pieces removed */
  sweep(): Promise<CID[]>
  /** Removes a piece whoever needs it. */
  remove(cid: CID): Promise<void>
  /** Where a block stands, in the first piece that has it. */
  findBlock(cid: CID): Promise<BlockPosition | undefined>
  /** Where a block is said to stand, in every public piece that has it and that nobody denies. */
  findBlocks(cid: CID): AsyncIterable<BlockPosition>
  /** Multihash of every indexed block, once for each piece that has it. */
  listBlocks(): AsyncIterable<Uint8Array>
  /** Tells whoever watches the store that a block's bytes are not what its CID says, and marks the piece. */
  reportWrongBlock(cid: CID, position: BlockPosition): void
  /** Tells whoever watches the store that bytes are not what the piece's tree says, and marks the piece. */
  reportWrongRange(cid: CID, offset: number): void
  /** Resolves when all blocks are indexed that were to be when it was called. */
  indexed(): Promise<void>
  leases(): StoreLease[]
  /** Asks the disk what the files of the store come to. */
  measure(): Promise<FileUsage>
  usage(): PieceStoreUsage
}

export interface StartOptions {
  readonly signal?: AbortSignal
  /** Told of every piece that is hashed again, before it is. */
  readonly onProgress?: (progress: { readonly piece: string; readonly doneBytes: number }) => void
}
