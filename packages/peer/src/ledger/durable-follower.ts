/**
 * A follower that keeps the log on its own disk: a restart reads from the network what it does not have, and nothing else.
 *
 * It serves to others what a host serves, and passes on what they submit to the host, and only there: two followers must
 * not hand a command back and forth. What the host leaves unanswered gets this peer's signed "seen, not answered".
 */
import {
  type Clock,
  type Command,
  CoreError,
  createFollower,
  type Follower,
  type LedgerSource,
  type LedgerTools,
  type NetworkParameters,
  type Receipt,
  type SignedLogHead,
  type Signer,
  signedDigestsOf,
  signSeenReceipt
} from '@holdfast/core'
import type { LedgerFiles } from './ledger-files.ts'
import { createLogReader } from './log-reader.ts'
import { recoverLedger } from './recover-ledger.ts'
import type { ServedLedger } from './serve-ledger.ts'
import type { SignaturePool } from './signature-pool.ts'
import { createSnapshotKeeper, type SnapshotEvent } from './snapshot-keeper.ts'

/** Below the time of a submission, so that the receipt still reaches whoever asked. */
const RELAY_MS_MAX = 10_000

export interface DurableFollower extends Follower {
  /** For `serveLedger`. */
  readonly served: ServedLedger
  /** Entries that came from a snapshot at the start. */
  readonly snapshotSequence: number
}

export interface DurableFollowerOptions {
  readonly files: LedgerFiles
  readonly parameters: NetworkParameters
  /** What is followed: the host, or whoever else has what it wrote. */
  readonly source: LedgerSource
  /** The host alone: others' submissions are passed on to it. */
  readonly host: LedgerSource
  readonly tools: LedgerTools
  readonly signatures?: SignaturePool
  readonly clock: Clock
  /** This peer's: signs receipts of what the host leaves unanswered. */
  readonly signer: Signer
  readonly snapshotEntries?: number
  readonly onSnapshot?: (event: SnapshotEvent) => void
  readonly onDamage?: (error: CoreError) => void
  readonly onUnreachable?: (error: CoreError) => void
  /** Ends the replay of the disk. */
  readonly signal?: AbortSignal
}

/**
 * Reads the disk; `start` then follows.
 *
 * @throws {PeerError} `LOG_INVALID`, `LOG_CONTRADICTS_HEAD`, `LOG_DAMAGED`; the signal's reason
 */
export async function createDurableFollower(options: DurableFollowerOptions): Promise<DurableFollower> {
  const { files, parameters, source, host, signatures, clock, signer, onSnapshot, onDamage, onUnreachable, signal } =
    options
  const { log, heads } = files
  const tools = { ...options.tools, signatures: signatures?.verifier ?? options.tools.signatures }
  const recovered = await recoverLedger({
    log,
    snapshots: files.snapshots,
    parameters,
    tools,
    ...(signatures !== undefined && { signatures }),
    heads: heads.all(),
    ...(signal !== undefined && { signal }),
    onSnapshotIgnored: (sequence, cause) => onSnapshot?.({ type: 'snapshot-ignored', sequence, cause })
  })
  const { snapshotSequence } = recovered
  const keeper = createSnapshotKeeper(
    {
      directory: files.directory,
      log,
      snapshots: files.snapshots,
      parameters,
      ...(options.snapshotEntries !== undefined && { entries: options.snapshotEntries }),
      ...(onSnapshot !== undefined && { onEvent: onSnapshot })
    },
    snapshotSequence
  )
  const ended = new AbortController()
  const { reader, wake } = createLogReader({
    log,
    heads,
    clock,
    length: () => log.length,
    tree: () => recovered.tree,
    ended: ended.signal
  })

  async function append(entries: readonly Uint8Array[], head: SignedLogHead | undefined): Promise<void> {
    if (entries.length > 0) await log.append(entries)
    if (head !== undefined && head.number > (heads.last?.number ?? -1)) await heads.write(head)
    wake()
    keeper.consider(log.length)
  }

  const follower = createFollower({
    parameters,
    source,
    tools,
    clock,
    start: {
      state: recovered.machine.state,
      tree: recovered.tree.save(),
      head: newestWithin(heads.all(), log.length)
    },
    store: { append, read: reader.read },
    ...(onDamage !== undefined && { onDamage }),
    ...(onUnreachable !== undefined && { onUnreachable })
  })
  /** Gives up on the host in time to answer whoever asked. */
  async function relay(command: Command, during: AbortSignal): Promise<Receipt> {
    const deadline = new AbortController()
    const answered = new AbortController()
    const leave = () => deadline.abort(during.reason)
    during.addEventListener('abort', leave, { once: true })
    clock.sleep(RELAY_MS_MAX, answered.signal).then(
      () => deadline.abort(new CoreError('LEDGER_UNREACHABLE', 'the ledger host did not answer in time')),
      () => undefined
    )
    try {
      return await host.submit(command, deadline.signal)
    } finally {
      answered.abort()
      during.removeEventListener('abort', leave)
    }
  }

  async function stop(): Promise<void> {
    ended.abort(new CoreError('LEDGER_UNREACHABLE', 'this follower has stopped'))
    await follower.stop()
    const { state, tree } = follower
    await keeper.stop({ state, tree })
  }

  const served: ServedLedger = {
    state: follower.state,
    subscribe: listener => follower.subscribe(listener),
    get length() {
      return reader.length
    },
    entries: reader.entries,
    ...follower.proofs,
    submit: (command, { signal: during }) => relay(command, during),
    seen: command =>
      signSeenReceipt(
        follower.state.networkId,
        {
          command: signedDigestsOf(follower.state, command)[0]!.digest,
          round: follower.state.round,
          timeMs: clock.now()
        },
        signer
      )
  }
  return {
    state: follower.state,
    subscribe: listener => follower.subscribe(listener),
    submit: (command, submitOptions) => follower.submit(command, submitOptions),
    start: during => follower.start(during),
    get head() {
      return follower.head
    },
    tree: follower.tree,
    heads: follower.heads,
    proofs: follower.proofs,
    served,
    snapshotSequence,
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/** The newest head whose entries this disk still has. */
function newestWithin(heads: readonly SignedLogHead[], length: number): SignedLogHead | undefined {
  return heads.filter(({ size }) => size <= length).sort((a, b) => b.number - a.number)[0]
}
