/**
 * What a ledger keeps on disk: the log, the ring of its last heads, and snapshots of the state.
 *
 * The log is the truth, the ring says how much of it must be there, and snapshots can be made again. Opened together,
 * because each is checked against the others: a log that is shorter than its newest head has lost acknowledged entries.
 */
import { type FileSystem, machineFileSystem } from '../storage/file-system.ts'
import type { IndexLevel } from '../storage/index-level.ts'
import { type HeadRing, openHeadRing } from './head-ring.ts'
import { openSegmentLog, type SegmentLog, type SegmentLogEvent } from './segment-log.ts'
import { listSegments } from './segment-log-reader.ts'
import { createSnapshotStore, type SnapshotLevel, type SnapshotStore } from './snapshot-store.ts'

export interface LedgerFiles extends AsyncDisposable {
  readonly directory: string
  readonly log: SegmentLog
  readonly heads: HeadRing
  readonly snapshots: SnapshotStore
}

export interface LedgerFilesOptions {
  /** Created when it is missing. */
  readonly directory: string
  /** Holds the log's index and nothing else. */
  readonly index: IndexLevel
  /** Holds snapshots and nothing else. */
  readonly snapshots: SnapshotLevel
  /** A `host` signs the heads and must know the newest; a `follower` is told again what it has lost. */
  readonly owner: 'host' | 'follower'
  readonly segmentSizeBytesMax?: number
  readonly onEvent?: (event: SegmentLogEvent) => void
  readonly files?: FileSystem
}

/**
 * Disposing of it waits for writes under way.
 *
 * @throws {PeerError} `LOG_DAMAGED`, also for a log that is shorter than its newest head; `HEADS_DAMAGED`, `HEADS_MISSING`
 */
export async function openLedgerFiles(options: LedgerFilesOptions): Promise<LedgerFiles> {
  const { directory, index, snapshots, owner, segmentSizeBytesMax, onEvent, files = machineFileSystem } = options
  await using opening = new AsyncDisposableStack()
  await files.mkdir(directory, { recursive: true, mode: 0o700 })
  const isNew = (await listSegments(files, directory)).length === 0
  const signer = isNew ? 'new signer' : 'signer'
  const heads = opening.use(await openHeadRing(directory, owner === 'host' ? signer : 'witness', files))
  const log = opening.use(
    await openSegmentLog({
      directory,
      index,
      files,
      lengthAcknowledged: owner === 'host' ? (heads.last?.size ?? 0) : 0,
      ...(segmentSizeBytesMax !== undefined && { segmentSizeBytesMax }),
      ...(onEvent !== undefined && { onEvent })
    })
  )
  const life = opening.move()
  return {
    directory,
    log,
    heads,
    snapshots: createSnapshotStore(snapshots),
    [Symbol.asyncDispose]: () => life.disposeAsync()
  }
}
