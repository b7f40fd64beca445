/**
 * When snapshots are made: every so many entries by a thread, and at the end of a run from the state at hand where that is
 * cheap. Nothing depends on them; an attempt that fails is reported, and made again with the next entries.
 */
import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import {
  encodeState,
  hashState,
  type LedgerState,
  type LogTree,
  type NetworkParameters,
  networkParametersSchema
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { startThread } from '../worker-thread.ts'
import { receiveRecords, sendRecords } from './record-channel.ts'
import type { SegmentLog } from './segment-log.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import type { SnapshotResult, SnapshotTask } from './snapshot-thread.ts'

/** With signatures at a few thousand a second, a start replays seconds of log. */
export const SNAPSHOT_ENTRIES = 50_000
/** Fewer are replayed sooner than a snapshot of them is read. */
const LAST_SNAPSHOT_ENTRIES_MIN = 1_000
/** Entries of a state's maps that are written while a stop waits: under a second. */
const LAST_SNAPSHOT_ITEMS_MAX = 100_000

export type SnapshotEvent =
  | { readonly type: 'snapshot-written'; readonly sequence: number }
  | { readonly type: 'snapshot-failed'; readonly sequence: number; readonly cause: unknown }
  | { readonly type: 'snapshot-ignored'; readonly sequence: number; readonly cause: unknown }

export interface SnapshotKeeperOptions {
  /** Where the log's segments stand. */
  readonly directory: string
  readonly log: SegmentLog
  readonly snapshots: SnapshotStore
  readonly parameters: NetworkParameters
  /** Entries between two snapshots. Default 50,000. */
  readonly entries?: number
  readonly onEvent?: (event: SnapshotEvent) => void
}

export interface SnapshotKeeper {
  /** Begins a snapshot when one is due; call it after every group of entries, with those that are durable. */
  consider(sequence: number): void
  /** Resolves when no snapshot is being made; rejects never. */
  settled(): Promise<void>
  /** Gives up one that is being made, then writes a last one of this state when that is cheap and worth it. */
  stop(last?: { readonly state: LedgerState; readonly tree: Pick<LogTree, 'size' | 'save'> }): Promise<void>
}

/** @param written - entries of the newest snapshot that is there; 0 for none */
export function createSnapshotKeeper(options: SnapshotKeeperOptions, written: number): SnapshotKeeper {
  const { log, snapshots, entries = SNAPSHOT_ENTRIES, onEvent } = options
  const stopping = new AbortController()
  let newest = written
  let attempted = written
  let making: Promise<void> | undefined

  async function attempt(sequence: number, make: () => Promise<void>): Promise<void> {
    try {
      await make()
      newest = sequence
      onEvent?.({ type: 'snapshot-written', sequence })
    } catch (cause) {
      if (!stopping.signal.aborted) onEvent?.({ type: 'snapshot-failed', sequence, cause })
    }
  }

  async function writeLast({
    state,
    tree
  }: {
    readonly state: LedgerState
    readonly tree: Pick<LogTree, 'size' | 'save'>
  }): Promise<void> {
    const { sequence } = state
    const isOfTheLog = sequence === log.length && tree.size === sequence
    if (!isOfTheLog || sequence - newest < LAST_SNAPSHOT_ENTRIES_MIN || itemsOf(state) > LAST_SNAPSHOT_ITEMS_MAX) return
    await attempt(sequence, () =>
      snapshots.write(sequence, encodeState(state), () => ({
        stateHash: hashState(state),
        chainHash: log.tipHash,
        tree: tree.save()
      }))
    )
  }

  return {
    consider(sequence) {
      if (making !== undefined || stopping.signal.aborted || sequence - attempted < entries) return
      attempted = sequence
      making = attempt(sequence, () => makeByThread(options, sequence, stopping.signal)).finally(() => {
        making = undefined
      })
    },
    async settled() {
      await making
    },
    async stop(last) {
      stopping.abort(new PeerError('SNAPSHOT_STOPPED', 'no snapshot is needed any more'))
      await making
      if (last !== undefined) await writeLast(last)
    }
  }
}

function itemsOf(state: LedgerState): number {
  return Object.values(state).reduce((sum, field: unknown) => sum + (field instanceof Map ? field.size : 0), 0)
}

async function makeByThread(
  { directory, log, snapshots, parameters }: SnapshotKeeperOptions,
  sequence: number,
  signal: AbortSignal
): Promise<void> {
  const from = (await snapshots.list()).find(snapshot => snapshot.sequence <= sequence)
  const [base, records] = [new MessageChannel(), new MessageChannel()]
  const task: SnapshotTask = {
    directory,
    parameters: JSON.stringify(networkParametersSchema.encode(parameters)),
    sequence,
    from,
    position: from === undefined ? undefined : await log.positionBefore(from.sequence - 1),
    base: base.port2,
    records: records.port2
  }
  signal.throwIfAborted()
  const thread = startThread('snapshot-thread', import.meta.url, {
    workerData: task,
    transferList: [task.base, task.records],
    resourceLimits: {} // it builds a whole state
  })
  const ended = new AbortController()
  const end = () => ended.abort(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  let result: SnapshotResult | undefined
  thread
    .on('message', (message: SnapshotResult) => {
      result = message
    })
    .on('error', error => ended.abort(error))
    .on('exit', () => ended.abort(new PeerError('SNAPSHOT_FAILED', 'The thread that makes snapshots has ended.')))
  try {
    const sending =
      from === undefined ? Promise.resolve() : sendRecords(base.port1, snapshots.read(from.sequence), ended.signal)
    sending.catch(error => ended.abort(error)) // a base that is damaged ends the attempt; the next begins without it
    const finished = async function* () {
      yield* receiveRecords(records.port1, ended.signal)
      while (result === undefined) await once(thread, 'message', { signal: ended.signal })
    }
    await snapshots.write(sequence, finished(), () => result!)
  } finally {
    signal.removeEventListener('abort', end)
    base.port1.close()
    records.port1.close()
    await thread.terminate()
  }
}
