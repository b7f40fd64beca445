/**
 * The provider's pieces: what a store of them promises, whatever it stands on.
 *
 *   - a piece is committed when its file, its name and its index entry are durable, in that order, so a crash leaves the
 *     whole piece or nothing that counts;
 *   - bytes are reserved before the first one is accepted, and given back when the piece is not committed;
 *   - a piece that no deal needs is a lease: it goes when its time is over, and not before;
 *   - Level holds nothing that the files do not say too, except which deals need a piece. After Level was lost every
 *     piece is a lease again, so a provider calls `keep` for all its live deals when it starts.
 * Whether bytes are still what they were is checked where they are used: by the proof, or block by block.
 */
import type { CachedLayer, NodeHasher, PieceCommitment, PieceDigest } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { FileSystem } from './file-system.ts'
import type { IndexLevel } from './index-level.ts'

/** How long bytes that no deal covers are kept: time to countersign and reach the ledger after a long upload. */
export const LEASE_MS_DEFAULT = 24 * 60 * 60 * 1000
/** Left free on the disk, so that pieces never take the room that ledger and index need to go on. */
export const RESERVE_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024

export interface PieceStoreOptions {
  readonly directory: string
  /** The index, for this store alone. */
  readonly level: IndexLevel
  /** Bytes on disk given to pieces and their cached layers. */
  readonly capacityBytes: number
  readonly nodeHasher: NodeHasher
  readonly clock: { now(): number }
  readonly reserveBytes?: number
  readonly leaseMs?: number
  readonly onEvent?: (event: PieceStoreEvent) => void
  readonly files?: FileSystem
}

/** What the store mended or found broken. `piece` is a PieceCIDv2 as text. */
export type PieceStoreEvent =
  | { readonly type: 'temporary-removed'; readonly name: string }
  | { readonly type: 'layer-removed'; readonly name: string }
  | { readonly type: 'layer-rebuilt'; readonly piece: string }
  | { readonly type: 'piece-reindexed'; readonly piece: string }
  | { readonly type: 'piece-missing'; readonly piece: string; readonly deals: readonly string[] }
  | { readonly type: 'piece-damaged'; readonly piece: string; readonly reason: DamageReason; readonly movedTo?: string }
  | { readonly type: 'file-unexplained'; readonly name: string }
  | { readonly type: 'blocks-not-indexed'; readonly piece: string }
  | { readonly type: 'block-wrong'; readonly piece: string; readonly cid: string; readonly offset: number }

export type DamageReason = 'wrong-size' | 'wrong-bytes'

/** A committed piece. */
export interface StoredPiece extends PieceCommitment {
  /** PieceCIDv2. */
  readonly cid: CID
  /** Whether it is one whole CARv1. */
  readonly isPublicCar: boolean
  /** Blocks of it that {@link PieceStore.findBlocks} knows. */
  readonly blockCount: number
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

/** Takes the bytes of one piece in order. Ends with exactly one of `commit` and `abort`. Calls must not overlap. */
export interface PieceWriter extends AsyncDisposable {
  readonly positionBytes: number
  /**
   * Takes the next bytes; they may be reused when it resolves. **Not durable**: only {@link commit} is.
   *
   * @throws {RangeError} beyond the declared size
   * @throws {PeerError} `NO_SPACE`, `DISK_FAILED`, `WRITER_CLOSED`; the piece is given up then
   */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the bytes and says what piece they are, so that a caller can refuse a wrong one before anything is kept. */
  finish(): PieceDigest
  /**
   * Keeps the piece: durable, indexed and readable when it resolves. A piece that is here already stays, with its deals;
   * its file is replaced by the new one, which mends a rotten copy.
   *
   * @throws {PeerError} as {@link write}
   */
  commit(): Promise<StoredPiece>
  /** Gives the piece up and its reservation back. Idempotent; does nothing after a commit. */
  abort(): Promise<void>
}

export interface PieceStoreUsage {
  readonly capacityBytes: number
  /** Pieces and layers on disk. */
  readonly usedBytes: number
  /** Promised to writers that are open. */
  readonly reservedBytes: number
  /** The part of `usedBytes` that no deal needs. */
  readonly leasedBytes: number
  readonly freeBytes: number
}

export interface PieceStore extends AsyncDisposable {
  /**
   * Makes files and index agree: sweeps what a crash left, indexes pieces that the index lacks by hashing them again, and
   * drops entries whose file is gone. Idempotent.
   */
  start(options?: { signal?: AbortSignal }): Promise<void>
  /** Aborts open writers and waits for commits. Idempotent. Does not close Level. */
  stop(): Promise<void>
  /** Reserves room for a piece of at most `sizeBytes` and its layer. */
  receive(request: { readonly sizeBytes: number }): Promise<{ ok: true; writer: PieceWriter } | NoSpace>
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
   * The cached layer, made again from the piece when its file is missing or wrong.
   *
   * @throws {PeerError} as {@link read}, and `PIECE_DAMAGED` when the bytes are no longer the piece
   */
  layer(cid: CID): Promise<CachedLayer>
  /** Reads and hashes the whole piece. */
  check(
    cid: CID,
    options?: { signal?: AbortSignal }
  ): Promise<{ ok: true } | { ok: false; reason: DamageReason | 'missing' }>
  /** Notes that a deal needs a piece; durable when it resolves. @returns false when the piece is not here */
  keep(cid: CID, dealId: string): Promise<boolean>
  /** Notes that a deal no longer needs it; without any it is a lease from now on. Durable when it resolves. */
  release(cid: CID, dealId: string): Promise<void>
  /** Removes leases that are over. @returns the pieces removed */
  sweep(): Promise<CID[]>
  /** Removes a piece whoever needs it. */
  remove(cid: CID): Promise<void>
  /** Where a block stands, in the first piece that has it. */
  findBlock(cid: CID): Promise<BlockPosition | undefined>
  /** Where a block is said to stand, in every piece that has it: a CAR may call any bytes by any CID. */
  findBlocks(cid: CID): AsyncIterable<BlockPosition>
  /** Multihash of every indexed block, once for each piece that has it. */
  listBlocks(): AsyncIterable<Uint8Array>
  /** Tells whoever watches the store that a block's bytes are not what its CID says. */
  reportWrongBlock(cid: CID, position: BlockPosition): void
  usage(): PieceStoreUsage
}

/** Where a block's data stands. */
export interface BlockPosition {
  readonly pieceCid: CID
  readonly offset: number
  readonly length: number
}
