/**
 * The ledger host: the one writer of a network's log.
 *
 * Owns the order of entries, the rounds' openings and the log's heads. Commands are applied one by one and appended in
 * groups (group-writer.ts); nobody is told of an entry before it is durable under a head that is durable too. When a write
 * fails the host stops for good: what it holds in memory is then ahead of the disk, and a restart replays what is durable.
 * It also stops when somebody shows it a head of its own that it does not know: its directory is an old copy then, and
 * whatever it signed next would be a second history.
 */

import {
  type AppliedEntry,
  type Beacon,
  beaconRoundOf,
  type Clock,
  type Command,
  CoreError,
  createBeaconOfOne,
  createLedgerMachine,
  createTokenBuckets,
  decodeHead,
  deriveBeaconKey,
  type EntryBody,
  encodeHead,
  forkProofOf,
  type HeadExchange,
  hashHead,
  type Ledger,
  type LedgerTools,
  type NetworkParameters,
  networkIdOf,
  opensLate,
  type Receipt,
  roundAtMs,
  roundOpensMs,
  type SignedLogHead,
  type Signer,
  verifyHead
} from '@holdfast/core'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { PeerError } from '../error.ts'
import { createGroupWriter, type GroupWriter } from './group-writer.ts'
import type { LedgerFiles } from './ledger-files.ts'
import { createLogReader, type LogReader } from './log-reader.ts'
import { type RecoveredLedger, recoverLedger } from './recover-ledger.ts'
import type { SignaturePool } from './signature-pool.ts'
import { createSnapshotKeeper, type SnapshotEvent, type SnapshotKeeper } from './snapshot-keeper.ts'

/** Longest sleep before a look at the clock: it may be set, and sleep does not count the time a machine was suspended. */
const SLEEP_MS_MAX = 60_000
/** Pause before the beacon is asked again: a round of it comes a second or so after its time. */
const BEACON_RETRY_MS = 1_000
/** From here on somebody should know that the beacon is silent. */
const BEACON_SILENT_MS = 10_000
/** A host whose clock is further off opens no round. */
const CLOCK_OFF_MS_MAX = 60_000
/** Deals that one entry settles after a round has closed: some milliseconds. */
const SETTLE_SLICE_DEALS = 128
/** Entries that one crash can leave without a head: the groups that were on their way. */
const HEADLESS_ENTRIES_MAX = 1024

export interface LedgerHost extends Ledger, LogReader, AsyncDisposable {
  /** What leaves with this host's messages, and whom it shows that it was rolled back. */
  readonly headExchange: HeadExchange
  /** How it started: entries that came from a snapshot instead of a replay. */
  readonly snapshotSequence: number
  /**
   * Replays the log, then keeps the rounds and takes commands. Idempotent.
   *
   * @throws {PeerError} `LOG_INVALID`, `LOG_DAMAGED`, `LOG_CONTRADICTS_HEAD`, `HEADS_BEHIND`, `HOST_ROLLED_BACK`
   */
  start(): Promise<void>
  /** Waits for what was submitted; what comes later is `LEDGER_UNREACHABLE`. Idempotent and for good. Does not close the files. */
  stop(): Promise<void>
}

export interface LedgerHostOptions {
  readonly files: LedgerFiles
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  /** Recovers signers before commands are applied. Without it the tools do, one by one. */
  readonly signatures?: SignaturePool
  readonly beacon: Beacon
  readonly clock: Clock
  /** The network's host. */
  readonly signer: Signer
  /** The newest heads that others know, asked once before anything is written: none of them may be news. */
  readonly witnesses?: (signal: AbortSignal) => Promise<readonly Uint8Array[]>
  /** Entries between two snapshots. */
  readonly snapshotEntries?: number
  readonly onSnapshot?: (event: SnapshotEvent) => void
  /** Told once, when the log can no longer be written or the rounds no longer be kept: the process must end. */
  readonly onFailure: (error: unknown) => void
  /** Told while a round cannot be opened because the beacon is not heard; it is asked until the round is void. */
  readonly onBeaconSilent?: (error: CoreError) => void
}

/**
 * Unknown heads whose signature is checked, which strangers send at will; a tenth of a core at most. One that is dropped
 * for it comes again with the next message of who believes it.
 */
const UNKNOWN_HEADS = { burst: 200, perSecond: 100 }

/** The clock has moved between the look at it and the entry: look again. */
const CLOCK_REFUSALS: ReadonlySet<string> = new Set(['TOO_EARLY', 'TOO_LATE'])

/** The beacon of one of a host: its BLS key comes from the host's own, so that there is one secret to keep. */
export function createHostBeacon(privateKey: Uint8Array): ReturnType<typeof createBeaconOfOne> {
  const purpose = new TextEncoder().encode('holdfast beacon of one')
  return createBeaconOfOne(deriveBeaconKey(hkdf(sha256, privateKey, undefined, purpose, 48)))
}

/** What a host has once it has read its disk. */
interface Started extends RecoveredLedger {
  readonly writer: GroupWriter
  readonly keeper: SnapshotKeeper
}

export function createLedgerHost(options: LedgerHostOptions): LedgerHost {
  const {
    files,
    parameters,
    tools,
    signatures,
    beacon,
    clock,
    signer,
    witnesses,
    onSnapshot,
    onFailure,
    onBeaconSilent
  } = options
  const { log, heads, snapshots } = files
  const authority = { networkId: networkIdOf(parameters), host: parameters.host, signatures: tools.signatures }
  const beforeStart = createLedgerMachine(parameters, tools)
  /** Nothing is written any more, after a failure too; what is durable is still read until it is closed. */
  const stopping = new AbortController()
  const closed = new AbortController()
  const listeners = new Set<(applied: AppliedEntry) => void>()
  const checks = createTokenBuckets(UNKNOWN_HEADS, 1, clock)
  let started: Started | undefined
  let failure: { readonly error: unknown } | undefined
  let starting: Promise<void> | undefined
  let keeping: Promise<void> | undefined
  let latest: Uint8Array | undefined

  const { reader, wake } = createLogReader({
    log,
    heads,
    clock,
    length: () => (started === undefined ? 0 : (heads.last?.size ?? 0)),
    tree: () => running().tree,
    ended: closed.signal
  })

  function running(): Started {
    if (started === undefined) throw new TypeError('expected a ledger host that was started')
    return started
  }

  async function begin(): Promise<void> {
    expectHeadsNear()
    const recovered = await recoverLedger({
      log,
      snapshots,
      parameters,
      tools: { ...tools, signatures: signatures?.verifier ?? tools.signatures },
      ...(signatures !== undefined && { signatures }),
      heads: heads.all(),
      signal: stopping.signal,
      onSnapshotIgnored: (sequence, cause) => onSnapshot?.({ type: 'snapshot-ignored', sequence, cause })
    })
    latest = heads.last === undefined ? undefined : encodeHead(heads.last)
    for (const head of (await witnesses?.(stopping.signal)) ?? []) expectKnown(head)
    const { machine, tree } = recovered
    const writer = createGroupWriter({
      machine,
      tree,
      log,
      heads,
      signer,
      clock,
      signatures,
      onDurable: tell,
      onFailure: fail
    })
    const keeper = createSnapshotKeeper(
      {
        directory: files.directory,
        log,
        snapshots,
        parameters,
        ...(options.snapshotEntries !== undefined && { entries: options.snapshotEntries }),
        ...(onSnapshot !== undefined && { onEvent: onSnapshot })
      },
      recovered.snapshotSequence
    )
    await writer.coverLog()
    started = { ...recovered, writer, keeper }
    if (machine.state.sequence === 0) await append({ kind: 'genesis', networkId: machine.state.networkId })
    latest = encodeHead(heads.last!)
    keeping = keepRounds(stopping.signal).catch(error => {
      if (!stopping.signal.aborted) fail(error)
    })
  }

  /** A log that is far ahead of its heads has lost some, and the next to be signed would have been signed before. */
  function expectHeadsNear(): void {
    const size = heads.last?.size ?? 0
    if (log.length - size <= HEADLESS_ENTRIES_MAX) return
    throw new PeerError(
      'HEADS_BEHIND',
      `The log has ${log.length} entries and its newest head says ${size}: the file of heads is an old copy. Bring it back from a follower: holdfast ledger mend --directory DIRECTORY.`,
      { length: log.length, size }
    )
  }

  async function append(body: EntryBody): Promise<Receipt> {
    if (failure !== undefined) throw failure.error
    if (stopping.signal.aborted) throw stopped()
    return await running().writer.append(body)
  }

  function tell(applied: readonly AppliedEntry[], head: SignedLogHead): void {
    latest = encodeHead(head)
    try {
      for (const entry of applied) for (const listener of [...listeners]) listener(entry)
    } catch (error) {
      // A listener of ours that throws: the entries are durable all the same, and whoever submitted them must hear it.
      fail(error)
    }
    wake()
    running().keeper.consider(head.size)
  }

  function fail(error: unknown): void {
    if (failure !== undefined) return
    failure = { error }
    stopping.abort(stopped())
    started?.writer.fail(error)
    onFailure(error)
  }

  /** Cheap for heads that are known: whoever sends another one pays for one signature. @throws {PeerError} `HOST_ROLLED_BACK`, `HOST_FORKED` */
  function expectKnown(bytes: Uint8Array): void {
    const head = decodeHead(bytes)
    if (head === undefined) return
    const own = heads.headAt(head.number)
    if (
      own !== undefined ? Buffer.compare(hashHead(own), hashHead(head)) === 0 : head.number < (heads.last?.number ?? 0)
    )
      return
    if (!checks.take('unknown heads', 1)) return
    const verdict = verifyHead(bytes, authority)
    if (!verdict.ok) return
    if (own !== undefined)
      throw new PeerError(
        'HOST_FORKED',
        `This host has signed two heads of number ${head.number}: its key is in use twice, or its directory was an old copy once. Nothing more is written; keep the proof.`,
        { number: head.number, proof: forkProofOf(own, head) }
      )
    throw new PeerError(
      'HOST_ROLLED_BACK',
      `Somebody knows head ${head.number} of this ledger, signed by this host, and the log here does not: this directory is an old copy. Nothing more is written to it. Bring it up to date from a follower: holdfast ledger mend --directory DIRECTORY.`,
      { number: head.number, size: head.size, last: heads.last?.number ?? -1 }
    )
  }

  /** Opens each round at its time, and passes over those whose time went by while nobody was here. */
  async function keepRounds(signal: AbortSignal): Promise<void> {
    const { state } = running().machine
    while (!signal.aborted) {
      const next = state.round + 1
      const now = clock.now()
      const current = roundAtMs(parameters, now)
      if (next > current && state.closing !== undefined) {
        // In slices, so that commands get their turn between them; whatever is left, the next round's entry settles.
        await append({ kind: 'settle', count: SETTLE_SLICE_DEALS })
        continue
      }
      if (next > current) {
        await clock.sleep(Math.min(roundOpensMs(parameters, next) - now, SLEEP_MS_MAX), signal)
        continue
      }
      const body = opensLate(parameters, next, now) ? voidRounds(next, current, now) : await openRound(next, signal)
      if (body === undefined) continue
      const receipt = await append(body)
      if (!receipt.ok && !CLOCK_REFUSALS.has(receipt.refusal.code)) {
        throw new PeerError('ROUND_REFUSED', `Round ${next} could not be opened: ${receipt.refusal.message}`, {
          round: next,
          code: receipt.refusal.code
        })
      }
    }
  }

  function voidRounds(from: number, current: number, now: number): EntryBody {
    return { kind: 'voidRounds', from, to: opensLate(parameters, current, now) ? current : current - 1 }
  }

  /** @returns undefined when the beacon cannot be heard now: the round is opened later, or void */
  async function openRound(round: number, signal: AbortSignal): Promise<EntryBody | undefined> {
    try {
      await expectBeaconTime(signal)
      const beaconRound = beaconRoundOf(parameters, round)
      const beaconSignature = await beacon.signatureOf(beaconRound, { signal })
      // Before it takes its place in the queue: commands would wait behind it for tens of milliseconds.
      await signatures?.prefetchBeacon(hexToBytes(parameters.beacon.publicKey), beaconRound, beaconSignature)
      return { kind: 'openRound', round, beaconSignature }
    } catch (error) {
      if (!(error instanceof CoreError && error.code === 'BEACON_UNAVAILABLE')) throw error
      if (clock.now() - roundOpensMs(parameters, round) > BEACON_SILENT_MS) onBeaconSilent?.(error)
      await clock.sleep(BEACON_RETRY_MS, signal)
      return undefined
    }
  }

  /** @throws {PeerError} `CLOCK_OFF`: with a clock that is wrong the host would open rounds that others find void */
  async function expectBeaconTime(signal: AbortSignal): Promise<void> {
    const newest = await beacon.newestRound?.({ signal })
    if (newest === undefined) return
    const { genesisMs, periodMs } = parameters.beacon
    const offMs = clock.now() - (genesisMs + (newest - 1) * periodMs)
    if (Math.abs(offMs) <= CLOCK_OFF_MS_MAX) return
    throw new PeerError(
      'CLOCK_OFF',
      `This machine's clock is ${Math.round(Math.abs(offMs) / 1000)} s ${offMs > 0 ? 'ahead of' : 'behind'} the beacon: set it, best with NTP, and start the host again.`,
      { offMs }
    )
  }

  async function stop(): Promise<void> {
    const isFirst = !stopping.signal.aborted
    stopping.abort(stopped())
    closed.abort(stopped())
    await starting?.catch(() => undefined) // whoever called start hears of it
    await keeping
    await started?.writer.idle()
    const { machine, tree, keeper } = started ?? {}
    const isWhole = isFirst && failure === undefined && machine !== undefined && tree !== undefined
    await keeper?.stop(isWhole ? { state: machine.state, tree } : undefined)
  }

  return {
    entries: reader.entries,
    tree: reader.tree,
    read: reader.read,
    head: reader.head,
    get state() {
      return (started?.machine ?? beforeStart).state
    },
    get length() {
      return reader.length
    },
    get snapshotSequence() {
      return started?.snapshotSequence ?? 0
    },
    headExchange: {
      latest: () => latest,
      saw(bytes) {
        if (started === undefined || stopping.signal.aborted) return
        try {
          expectKnown(bytes)
        } catch (error) {
          fail(error)
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async submit(command: Command) {
      running()
      return await append({ kind: 'command', command })
    },
    start() {
      starting ??= begin()
      return starting
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

function stopped(): CoreError {
  return new CoreError('LEDGER_UNREACHABLE', 'this ledger host has stopped')
}
