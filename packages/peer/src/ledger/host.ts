/**
 * The ledger host: the one writer of a network's log.
 *
 * Owns the order of entries and the rounds' openings. Commands are applied one by one and appended in groups; nobody is
 * told of an entry before the fsync that makes it durable. When a write fails the host stops for good: what it holds in
 * memory is then ahead of the disk, and a restart replays what is durable.
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
  decodeEntry,
  deriveBeaconKey,
  ENTRIES_PER_ANSWER_MAX,
  type EntryBody,
  encodeEntry,
  type Ledger,
  type LedgerTools,
  type NetworkParameters,
  opensLate,
  type Receipt,
  receiptOf,
  roundAtMs,
  roundOpensMs
} from '@holdfast/core'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { PeerError } from '../error.ts'
import { GROUP_SIZE_BYTES_MAX, type SegmentLog } from './segment-log.ts'

/** Entries of one fsync: bounds the memory of a group and the wait of its first command. */
const GROUP_ENTRIES_MAX = 256
/** A group is full from here on: with one more entry, and the headers of all, it is still one append of the log. */
const GROUP_SIZE_BYTES = GROUP_SIZE_BYTES_MAX / 2
/** Longest sleep before a look at the clock: it may be set, and sleep does not count the time a machine was suspended. */
const SLEEP_MS_MAX = 60_000
/** Bytes of entries in one answer to a follower: below a message's limit, with its envelope. */
const ANSWER_SIZE_BYTES_MAX = 768 * 1024

export interface LedgerHost extends Ledger, AsyncDisposable {
  /**
   * Replays the log, then keeps the rounds and takes commands. Idempotent.
   *
   * @throws {PeerError} `LOG_INVALID`, `LOG_DAMAGED`
   */
  start(): Promise<void>
  /** Waits for what was submitted; what comes later is `LEDGER_UNREACHABLE`. Idempotent and for good. Does not close the log. */
  stop(): Promise<void>
  /** Durable entries from a sequence on, encoded; waits up to `waitMs` while there are none. */
  entries(from: number, waitMs: number, signal: AbortSignal): Promise<{ entries: Uint8Array[]; length: number }>
}

export interface LedgerHostOptions {
  readonly log: SegmentLog
  readonly parameters: NetworkParameters
  readonly tools: LedgerTools
  readonly beacon: Beacon
  readonly clock: Clock
  /** Told once, when the log can no longer be written or the rounds no longer be kept: the process must end. */
  readonly onFailure: (error: unknown) => void
}

/** The clock has moved between the look at it and the entry: look again. */
const CLOCK_REFUSALS: ReadonlySet<string> = new Set(['TOO_EARLY', 'TOO_LATE'])

interface Pending {
  readonly body: EntryBody
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
}

/** The beacon of one of a host: its BLS key comes from the host's own, so that there is one secret to keep. */
export function createHostBeacon(privateKey: Uint8Array): ReturnType<typeof createBeaconOfOne> {
  const purpose = new TextEncoder().encode('holdfast beacon of one')
  return createBeaconOfOne(deriveBeaconKey(hkdf(sha256, privateKey, undefined, purpose, 48)))
}

export function createLedgerHost({ log, parameters, tools, beacon, clock, onFailure }: LedgerHostOptions): LedgerHost {
  const machine = createLedgerMachine(parameters, tools)
  const { state } = machine
  const queue: Pending[] = []
  const stopping = new AbortController()
  const newEntries = new Set<() => void>()
  let failure: { readonly error: unknown } | undefined
  let starting: Promise<void> | undefined
  let isReplayed = false
  let writing: Promise<void> | undefined
  let keeping: Promise<void> | undefined

  async function begin(): Promise<void> {
    await replay()
    isReplayed = true
    if (state.sequence === 0) await append({ kind: 'genesis', networkId: state.networkId })
    keeping = keepRounds(stopping.signal).catch(error => {
      if (!stopping.signal.aborted) fail(error)
    })
  }

  async function replay(): Promise<void> {
    for await (const { sequence, payload } of log.read({ from: 0 })) {
      if (stopping.signal.aborted) throw stopped()
      const entry = decodeEntry(payload)
      const result = entry === undefined ? undefined : machine.applyEntry(entry)
      if (result?.ok === true) continue
      const reason = result === undefined ? 'it cannot be decoded' : result.refusal.message
      throw new PeerError(
        'LOG_INVALID',
        `Entry ${sequence} of the log breaks the rules of this network (${reason}). See that log and network description belong together.`,
        { sequence }
      )
    }
  }

  function append(body: EntryBody): Promise<Receipt> {
    if (failure !== undefined) return Promise.reject(failure.error)
    if (stopping.signal.aborted) return Promise.reject(stopped())
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    queue.push({ body, resolve, reject })
    writing ??= writeGroups()
    return promise
  }

  async function writeGroups(): Promise<void> {
    await Promise.resolve() // whoever submits in the same turn shares the fsync
    while (queue.length > 0) await writeGroup()
    // In the same turn as the look at the queue: what comes later starts a new run.
    writing = undefined
  }

  /** Applies what waits, makes it durable with one fsync, and only then tells anybody. */
  async function writeGroup(): Promise<void> {
    const group: Pending[] = []
    const receipts: Receipt[] = []
    const applied: AppliedEntry[] = []
    const payloads: Uint8Array[] = []
    try {
      for (let sizeBytes = 0; group.length < GROUP_ENTRIES_MAX && sizeBytes < GROUP_SIZE_BYTES; ) {
        const pending = queue.shift()
        if (pending === undefined) break
        group.push(pending)
        const result = machine.applyNext(pending.body, clock.now())
        receipts.push(receiptOf(result))
        if (!result.ok) continue
        const payload = encodeEntry(result.applied.entry)
        applied.push(result.applied)
        payloads.push(payload)
        sizeBytes += payload.length
      }
      if (payloads.length > 0) await log.append(payloads)
    } catch (error) {
      for (const { reject } of group) reject(error)
      fail(error)
      return
    }
    tell(applied)
    for (const [index, { resolve }] of group.entries()) resolve(receipts[index]!)
  }

  function tell(applied: readonly AppliedEntry[]): void {
    try {
      machine.announce(applied)
    } catch (error) {
      // A listener of ours that throws: the entries are durable all the same, and whoever submitted them must hear it.
      fail(error)
    }
    for (const wake of [...newEntries]) wake()
  }

  function fail(error: unknown): void {
    if (failure !== undefined) return
    failure = { error }
    stopping.abort()
    for (const { reject } of queue.splice(0)) reject(error)
    onFailure(error)
  }

  /** Opens each round at its time, and passes over those whose time went by while nobody was here. */
  async function keepRounds(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const next = state.round + 1
      const now = clock.now()
      const current = roundAtMs(parameters, now)
      if (next > current) {
        await clock.sleep(Math.min(roundOpensMs(parameters, next) - now, SLEEP_MS_MAX), signal)
        continue
      }
      const body = opensLate(parameters, next, now) ? voidRounds(next, current, now) : await openRound(next, signal)
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

  async function openRound(round: number, signal: AbortSignal): Promise<EntryBody> {
    return {
      kind: 'openRound',
      round,
      beaconSignature: await beacon.signatureOf(beaconRoundOf(parameters, round), { signal })
    }
  }

  function waitForEntries(from: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const signals = [signal, stopping.signal]
    if (log.length > from || waitMs === 0 || signals.some(({ aborted }) => aborted)) return Promise.resolve()
    const woken = new AbortController()
    const wake = () => woken.abort()
    newEntries.add(wake)
    for (const one of signals) one.addEventListener('abort', wake, { once: true })
    return clock
      .sleep(waitMs, woken.signal)
      .catch(() => undefined)
      .finally(() => {
        newEntries.delete(wake)
        for (const one of signals) one.removeEventListener('abort', wake)
      })
  }

  async function stop(): Promise<void> {
    stopping.abort()
    await starting?.catch(() => undefined) // whoever called start hears of it
    await keeping
    await writing
  }

  return {
    state,
    subscribe: listener => machine.subscribe(listener),
    async submit(command: Command) {
      if (!isReplayed) throw new TypeError('expected a ledger host that was started')
      return await append({ kind: 'command', command })
    },
    start() {
      starting ??= begin()
      return starting
    },
    stop,
    [Symbol.asyncDispose]: stop,
    async entries(from, waitMs, signal) {
      await waitForEntries(from, waitMs, signal)
      signal.throwIfAborted()
      const entries: Uint8Array[] = []
      let sizeBytes = 0
      for await (const { payload } of log.read({ from, to: Math.min(log.length, from + ENTRIES_PER_ANSWER_MAX) })) {
        sizeBytes += payload.length
        if (entries.length > 0 && sizeBytes > ANSWER_SIZE_BYTES_MAX) break
        entries.push(payload)
      }
      return { entries, length: log.length }
    }
  }
}

function stopped(): CoreError {
  return new CoreError('LEDGER_UNREACHABLE', 'this ledger host has stopped')
}
