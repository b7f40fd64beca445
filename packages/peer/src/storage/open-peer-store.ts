/** The piece store of a data directory with all that stands around it: index, reserve, deny list, workers. */
import { availableParallelism } from 'node:os'
import type { NodeHasher } from '@holdfast/proofs'
import type { ProviderConfig } from '../config.ts'
import type { DataDirectory } from '../data-directory.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { type DenyList, openDenyList } from './deny-list.ts'
import { createPieceStore } from './disk-piece-store.ts'
import type { DiskReserve } from './disk-reserve.ts'
import { openHealingLevel } from './healing-level.ts'
import { createIntakeWorkers } from './intake-workers.ts'
import type { PieceStore, PieceStoreEvent, StartOptions } from './piece-store.ts'

export interface PeerStoreOptions extends StartOptions {
  readonly directory: DataDirectory
  /** For the index; the ledger has it too. */
  readonly reserve: DiskReserve
  readonly config: ProviderConfig
  readonly nodeHasher: NodeHasher
  readonly clock: { now(): number }
  readonly onEvent: (event: PieceStoreEvent) => void
}

export interface PeerStore {
  readonly store: PieceStore
  readonly denied: DenyList
  /** Looks at what may have changed beside the store: the deny list, and room for the reserve. Cheap. */
  refresh(): Promise<void>
}

/**
 * Opens and starts it; the stack closes it. Hashes again what the index has lost, which can take as long as the disk is
 * large.
 *
 * @throws {PeerError} `INDEX_DAMAGED` when the index cannot be opened, and what the store's `start` throws
 */
export async function openPeerStore(
  life: AsyncDisposableStack,
  { directory, reserve, config, nodeHasher, clock, onEvent, ...start }: PeerStoreOptions
): Promise<PeerStore> {
  const denied = await openDenyList(directory.denyFile)
  const level = life.use(
    await openHealingLevel(directory.indexDirectory, async () => {
      await reserve.release()
    }).catch((cause: unknown) => {
      const message = `${directory.indexDirectory} cannot be opened (${systemCodeOf(cause)}): run \`holdfast store rebuild\`, which makes it again from the pieces.`
      throw new PeerError('INDEX_DAMAGED', message, { path: directory.indexDirectory }, { cause })
    })
  )
  const workers = life.use(createIntakeWorkers({ count: Math.max(1, availableParallelism() - 1) }))
  const store = createPieceStore({
    directory: directory.piecesDirectory,
    directories: (config.directories ?? []).map(({ path, allocateBytes }) => ({
      path,
      ...(allocateBytes !== undefined && { capacityBytes: allocateBytes })
    })),
    level,
    capacityBytes: config.allocateBytes,
    nodeHasher,
    clock,
    openIncoming: workers.open,
    denies: cid => denied.has(cid),
    onEvent
  })
  life.use(store)
  await store.start(start)
  return {
    store,
    denied,
    async refresh() {
      await denied.refresh()
      await reserve.hold()
    }
  }
}
