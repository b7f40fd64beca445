/**
 * From the disk to a ledger: the newest snapshot that is whole, and the entries after it.
 *
 * Host and durable follower start with this, the snapshot's thread and `ledger recalc` too. What it believes of the disk it
 * has checked: the snapshot by its digest and by the log's chain, the entries by every rule, the tree by the signed heads.
 */
import {
  createLedgerMachine,
  createLogTree,
  decodeEntry,
  decodeState,
  type Entry,
  type LedgerMachine,
  type LedgerTools,
  type LogTree,
  type NetworkParameters,
  type SignedLogHead,
  signedDigestsOf
} from '@holdfast/core'
import { PeerError } from '../error.ts'
import type { LogRecord } from './segment-log-format.ts'
import type { SignaturePool } from './signature-pool.ts'
import type { SnapshotFacts, SnapshotStore } from './snapshot-store.ts'

/** Entries whose signatures are recovered together, beforehand. */
const BATCH_ENTRIES = 256

/** A machine, the tree over the log that it has applied, and the log's chain hash there. */
export interface RecoveredLedger {
  readonly machine: LedgerMachine
  readonly tree: LogTree
  /** Entries that came from a snapshot; 0 when all were applied. */
  readonly snapshotSequence: number
}

export interface RecoveryOptions {
  readonly log: {
    readonly length: number
    read(range: { readonly from: number; readonly to?: number }): AsyncIterable<LogRecord>
  }
  readonly snapshots?: Pick<SnapshotStore, 'list' | 'read'>
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  readonly signatures?: Pick<SignaturePool, 'prefetch'>
  /** Heads that the log must agree with. */
  readonly heads?: Iterable<SignedLogHead>
  readonly signal?: AbortSignal
  /** Told of a snapshot that was passed over; a replay from further back makes up for it. */
  readonly onSnapshotIgnored?: (sequence: number, reason: unknown) => void
}

/**
 * @throws {PeerError} `LOG_INVALID` for an entry that breaks the rules, `LOG_CONTRADICTS_HEAD` for entries that are not those
 * which the host signed, `LOG_DAMAGED`
 * @throws the signal's reason
 */
export async function recoverLedger(options: RecoveryOptions): Promise<RecoveredLedger> {
  const { log, parameters, tools, signatures, heads = [], signal } = options
  const { machine, tree } = (await loadSnapshot(options)) ?? {
    machine: createLedgerMachine(parameters, tools),
    tree: createLogTree()
  }
  const snapshotSequence = tree.size
  const expected = new Map([...heads].map(head => [head.size, head]))
  expectRoot(tree, expected)
  let batch: Entry[] = []
  const applyBatch = async () => {
    await prefetch(batch, machine, signatures)
    for (const entry of batch) applyOrThrow(machine, entry)
    batch = []
  }
  for await (const { sequence, payload } of log.read({ from: snapshotSequence })) {
    signal?.throwIfAborted()
    const entry = decodeEntry(payload)
    if (entry === undefined) throw invalid(sequence, 'it cannot be decoded')
    batch.push(entry)
    tree.append(payload)
    expectRoot(tree, expected)
    if (batch.length === BATCH_ENTRIES) await applyBatch()
  }
  await applyBatch()
  return { machine, tree, snapshotSequence }
}

/** The signers of entries that are about to be applied, recovered by the pool's threads. */
async function prefetch(
  entries: readonly Entry[],
  { state }: LedgerMachine,
  signatures: RecoveryOptions['signatures']
): Promise<void> {
  if (signatures === undefined) return
  await signatures.prefetch(
    entries.flatMap(({ body }) => (body.kind === 'command' ? signedDigestsOf(state, body.command) : []))
  )
}

function applyOrThrow(machine: LedgerMachine, entry: Entry): void {
  const result = machine.applyEntry(entry)
  if (!result.ok) throw invalid(machine.state.sequence, result.refusal.message)
}

/** The newest snapshot that is whole and of this log. */
async function loadSnapshot(
  options: RecoveryOptions
): Promise<{ readonly machine: LedgerMachine; readonly tree: LogTree } | undefined> {
  const { log, snapshots, parameters, tools, signal, onSnapshotIgnored } = options
  for (const facts of (await snapshots?.list()) ?? []) {
    signal?.throwIfAborted()
    try {
      await expectOfLog(facts, log)
      const state = await decodeState(snapshots!.read(facts.sequence), parameters)
      if (state.sequence !== facts.sequence)
        throw new RangeError(`expected a state of ${facts.sequence} entries, got one of ${state.sequence}`)
      return { machine: createLedgerMachine(parameters, tools, state), tree: createLogTree(facts.tree) }
    } catch (reason) {
      onSnapshotIgnored?.(facts.sequence, reason)
    }
  }
  return undefined
}

async function expectOfLog(facts: SnapshotFacts, log: RecoveryOptions['log']): Promise<void> {
  const { sequence, chainHash, tree } = facts
  if (sequence > log.length || sequence === 0) throw new RangeError(`expected a snapshot of 1 to ${log.length} entries`)
  for await (const record of log.read({ from: sequence - 1, to: sequence })) {
    if (Buffer.compare(record.chainHash, chainHash) === 0 && tree.size === sequence) return
  }
  throw new RangeError('expected a snapshot of this log, got one of another')
}

function expectRoot(tree: LogTree, expected: ReadonlyMap<number, SignedLogHead>): void {
  const head = expected.get(tree.size)
  if (head === undefined || Buffer.compare(tree.root(), head.root) === 0) return
  throw new PeerError(
    'LOG_CONTRADICTS_HEAD',
    `The first ${tree.size} entries of the log are not those of head ${head.number}, which the host signed: bring the log back from a follower or a backup.`,
    { number: head.number, size: tree.size }
  )
}

function invalid(sequence: number, reason: string): PeerError<'LOG_INVALID'> {
  return new PeerError(
    'LOG_INVALID',
    `Entry ${sequence} of the log breaks the rules of this network (${reason}). See that log and network description belong together.`,
    { sequence, reason }
  )
}
