/**
 * Computes again what is kept beside the log: snapshots, marks of the index, the roots of the heads. Nothing there is
 * believed that the log does not say; what differs is listed, and can be made again by deleting it.
 */
import {
  createLedgerMachine,
  createLogTree,
  decodeEntry,
  decodeState,
  diffStates,
  hashState,
  type LedgerTools,
  type NetworkParameters,
  type SignedLogHead
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import { machineFileSystem } from '../storage/file-system.ts'
import type { IndexLevel } from '../storage/index-level.ts'
import { readHeadRing } from './head-ring.ts'
import { compareMarks, createMarker, type Mark } from './segment-log-index.ts'
import { walkLog } from './segment-log-reader.ts'
import type { SnapshotFacts, SnapshotStore } from './snapshot-store.ts'

/** A derived figure that is not what the log says. */
export interface Difference {
  /** `snapshot 50000`, `index`, `head 17` */
  readonly where: string
  /** `accounts/0x…`, `deals/7`, `stateHash`, a mark's key */
  readonly figure: string
}

export interface Recalculation {
  readonly entries: number
  readonly stateHash: string
  readonly snapshots: number
  readonly differences: readonly Difference[]
}

export interface RecalcOptions {
  /** Of the log. */
  readonly directory: string
  readonly index: IndexLevel
  readonly snapshots: Pick<SnapshotStore, 'list' | 'read'>
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  readonly signal: AbortSignal
}

/**
 * Replays all of the log.
 *
 * @throws {PeerError} `LOG_INVALID`, `LOG_DAMAGED`
 */
export async function recalcLedger(options: RecalcOptions): Promise<Recalculation> {
  const { directory, index, snapshots, parameters, tools, signal } = options
  const heads = bySize((await readHeadRing(directory)).heads.values())
  const kept = new Map((await snapshots.list()).map(facts => [facts.sequence, facts]))
  const machine = createLedgerMachine(parameters, tools)
  const tree = createLogTree()
  const marker = createMarker()
  const marks: Mark[] = []
  const differences: Difference[] = []
  const differs = (where: string, figures: readonly string[]) =>
    differences.push(...figures.map(figure => ({ where, figure })))
  for await (const records of walkLog(machineFileSystem, directory)) {
    for (const record of records) {
      signal.throwIfAborted()
      const entry = decodeEntry(record.payload)
      if (entry === undefined || !machine.applyEntry(entry).ok)
        throw new PeerError('LOG_INVALID', `Entry ${record.sequence} of the log breaks the rules of this network.`, {
          sequence: record.sequence
        })
      tree.append(record.payload)
      const mark = marker(record)
      if (mark !== undefined) marks.push(mark)
      const head = heads.get(tree.size)
      if (head !== undefined && !equal(head.root, tree.root())) differs(`head ${head.number}`, ['root'])
      const facts = kept.get(tree.size)
      if (facts === undefined) continue
      const now = { stateHash: hashState(machine.state), chainHash: record.chainHash, tree: tree.save() }
      differs(`snapshot ${facts.sequence}`, [
        ...factsThatDiffer(facts, now),
        ...(await stateThatDiffers(facts.sequence, machine.state, options))
      ])
    }
  }
  for (const { sequence } of kept.values()) if (sequence > tree.size) differs(`snapshot ${sequence}`, ['sequence'])
  differs('index', await compareMarks(index, marks))
  return { entries: tree.size, stateHash: hashState(machine.state), snapshots: kept.size, differences }
}

function bySize(heads: Iterable<SignedLogHead>): Map<number, SignedLogHead> {
  return new Map([...heads].map(head => [head.size, head]))
}

function factsThatDiffer(facts: SnapshotFacts, now: Omit<SnapshotFacts, 'sequence'>): string[] {
  const figures: string[] = []
  if (facts.stateHash !== now.stateHash) figures.push('stateHash')
  if (!equal(facts.chainHash, now.chainHash)) figures.push('chainHash')
  const { tree } = facts
  if (tree.size !== now.tree.size || !equal(tree.groups, now.tree.groups) || !equal(tree.leaves, now.tree.leaves))
    figures.push('tree')
  return figures
}

async function stateThatDiffers(
  sequence: number,
  state: Parameters<typeof diffStates>[0],
  { snapshots, parameters }: RecalcOptions
): Promise<string[]> {
  try {
    return diffStates(await decodeState(snapshots.read(sequence), parameters), state)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
