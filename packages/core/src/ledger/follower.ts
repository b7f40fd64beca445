/**
 * A ledger that follows a host: reads its log, applies every entry itself, and believes nothing that it has not checked.
 *
 * Keeps a tree over the entries and compares it with every head that the host signs, and with every head that others have
 * seen: a host that shows two histories is left at once, with the proof where there is one. Reads its own writes: a
 * submitted command is acknowledged here once this peer has applied the entry.
 */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import { type NetworkParameters, networkIdOf } from '../network.ts'
import { untilAborted } from '../protocols/deadline.ts'
import type { Command } from './commands.ts'
import { createFollowedLog, type FollowerStore } from './followed-log.ts'
import { forkProofOf } from './fork-proof.ts'
import { createHeadWatch, type HeadWatch } from './head-watch.ts'
import { createLedgerMachine, type Ledger, type Receipt } from './ledger.ts'
import { encodeHead, type HeadAuthority, type SignedLogHead, verifyHead } from './log-head.ts'
import type { LogProofSource } from './log-proofs.ts'
import { createLogTree, type EntryReader, type LogTree, type LogTreeState } from './log-tree.ts'
import type { LedgerTools } from './rules.ts'
import type { LedgerState } from './state.ts'

export type { FollowerStore } from './followed-log.ts'

/** Where a follower reads and submits: a host, over whatever carries it. */
export interface LedgerSource {
  /**
   * Encoded entries from a sequence on, none after some waiting; how many the log holds; and the newest head that came
   * with the answer, encoded and not looked at yet.
   *
   * @param isWaiting - default true; false: none at once when there are none
   * @throws {CoreError} `LEDGER_UNREACHABLE`; `LOG_INVALID` when the host has fewer entries than were asked from
   */
  entries(
    from: number,
    signal: AbortSignal,
    isWaiting?: boolean
  ): Promise<{
    readonly entries: readonly Uint8Array[]
    readonly length: number
    readonly head?: Uint8Array | undefined
  }>
  /**
   * The host's head of this number, or its newest, encoded and not looked at yet; undefined when it has none.
   *
   * @throws {CoreError} `LEDGER_UNREACHABLE`
   */
  head(number: number | undefined, signal: AbortSignal): Promise<Uint8Array | undefined>
  /** @throws {CoreError} `LEDGER_UNREACHABLE` */
  submit(command: Command, signal?: AbortSignal): Promise<Receipt>
}

export interface Follower extends Ledger, AsyncDisposable {
  /**
   * Follows until stopped, also when the signal ends the waiting. Resolves once it has caught up with the host for the
   * first time.
   *
   * @throws {CoreError} `LOG_INVALID`, `LOG_FORKED`; `LEDGER_UNREACHABLE` when it is stopped before
   */
  start(signal?: AbortSignal): Promise<void>
  /** Idempotent and for good; resolves when nothing runs any more. Ends submissions that wait for their entry. */
  stop(): Promise<void>
  /** The newest head that this peer's own log has been checked against. */
  readonly head: SignedLogHead | undefined
  /** For snapshots; not to be appended to. */
  readonly tree: Pick<LogTree, 'size' | 'save' | 'root'>
  /** Heads that come and go with messages of every kind. */
  readonly heads: HeadWatch
  /** For `serveLogProofs`: followers serve what a host does. Without a store, proofs of older entries are not to be had. */
  readonly proofs: LogProofSource
}

/** Where a follower goes on: what a snapshot and the entries after it gave. The follower owns it from then on. */
export interface FollowerStart {
  readonly state: LedgerState
  readonly tree: LogTreeState
  /** The newest head that was checked, if there is one; its size is at most the tree's. */
  readonly head: SignedLogHead | undefined
}

export interface FollowerOptions {
  readonly parameters: NetworkParameters
  readonly source: LedgerSource
  readonly tools: LedgerTools
  readonly clock: Clock
  /** Default: before genesis. */
  readonly start?: FollowerStart
  /** Default: entries are not kept. */
  readonly store?: FollowerStore
  /**
   * Told when the host's log breaks the rules (`LOG_INVALID`) or has two histories (`LOG_FORKED`, with `details.proof`
   * where there is one), or a listener or the store fails; the follower stops at the last good entry.
   */
  readonly onDamage?: (error: CoreError) => void
  /** Told when the host begins to give no answer, and not again until it has given one; the follower goes on trying. */
  readonly onUnreachable?: (error: CoreError) => void
}

/** Pause after the host did not answer; a restart of the host is noticed within this. */
const RETRY_MS = 250

export function createFollower(options: FollowerOptions): Follower {
  const { parameters, source, tools, clock, start, store, onDamage, onUnreachable } = options
  const machine = createLedgerMachine(parameters, tools, start?.state)
  const tree = createLogTree(start?.tree)
  if (tree.size !== machine.state.sequence)
    throw new RangeError(`expected a tree over ${machine.state.sequence} entries, got one over ${tree.size}`)
  const authority: HeadAuthority = {
    networkId: networkIdOf(parameters),
    host: parameters.host,
    signatures: tools.signatures
  }
  const read: EntryReader = store?.read ?? notHeld
  const heads = createHeadWatch({
    authority,
    clock,
    path: (from, to) => pathWithin(tree, from, to, read),
    onFork: ({ contradiction, proof }) => end(forked(`the host has signed two histories (${contradiction})`, proof)),
    onError: error => end(failureFrom(error))
  })
  const log = createFollowedLog({
    machine,
    tree,
    head: start?.head,
    authority,
    store,
    onHead: head => heads.advance(head)
  })
  if (start?.head !== undefined) heads.advance(start.head)
  let running: ReturnType<typeof run> | undefined
  /** Why nothing may be followed any more, when something else than the following has found it. */
  let failure: CoreError | undefined
  /** Aborts when nothing is followed any more, with the reason. */
  const over = new AbortController()

  function end(reason: CoreError): void {
    failure ??= reason
    running?.controller.abort()
  }

  async function follow(signal: AbortSignal, caughtUp: () => void): Promise<void> {
    let isReachable = true
    let isCaughtUp = false
    while (!signal.aborted) {
      try {
        const answer = await source.entries(machine.state.sequence, signal, isCaughtUp)
        signal.throwIfAborted()
        isReachable = true
        if (answer.head !== undefined && log.hear(answer.head)) heads.saw(answer.head)
        await log.take(answer.entries)
        isCaughtUp = machine.state.sequence >= answer.length
        if (isCaughtUp) caughtUp()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE'))
          throw await withEvidence(error, signal)
        if (isReachable) onUnreachable?.(error)
        isReachable = false
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  /** A host that gives out what cannot be may have another history than before: its head of our newest number tells. */
  async function withEvidence(error: unknown, signal: AbortSignal): Promise<unknown> {
    const own = log.head
    if (!(error instanceof CoreError && (error.code === 'LOG_INVALID' || error.code === 'LOG_FORKED'))) return error
    const bytes = own && (await source.head(own.number, signal).catch(() => undefined))
    const verdict = bytes && verifyHead(bytes, authority)
    const proof = own && verdict?.ok === true ? forkProofOf(own, verdict.head) : undefined
    if (proof !== undefined) return forked(error.message, proof, error)
    return own === undefined
      ? error
      : new CoreError(error.code, error.message, { ...error.details, head: encodeHead(own) }, { cause: error })
  }

  function run() {
    const controller = new AbortController()
    if (failure !== undefined) controller.abort()
    const caughtUp = Promise.withResolvers<void>()
    caughtUp.promise.catch(() => undefined) // nobody may be waiting any more
    const done = follow(controller.signal, caughtUp.resolve)
      .catch(error => {
        failure ??= failureFrom(error)
      })
      .then(() => {
        if (failure !== undefined) onDamage?.(failure)
        const reason = failure ?? new CoreError('LEDGER_UNREACHABLE', 'this follower has stopped')
        caughtUp.reject(reason)
        over.abort(reason)
      })
    return { controller, caughtUp: caughtUp.promise, done }
  }

  /** @throws why no entry will come any more, or the signal's reason */
  function reached(sequence: number, signal?: AbortSignal): Promise<void> {
    const applied = Promise.withResolvers<void>()
    const fail = () => applied.reject(signal?.aborted === true ? signal.reason : over.signal.reason)
    const check = () => {
      if (machine.state.sequence > sequence) applied.resolve()
    }
    const end = machine.subscribe(check)
    const signals = signal === undefined ? [over.signal] : [over.signal, signal]
    for (const one of signals) one.addEventListener('abort', fail, { once: true })
    check()
    if (signals.some(({ aborted }) => aborted)) fail()
    return applied.promise.finally(() => {
      end()
      for (const one of signals) one.removeEventListener('abort', fail)
    })
  }

  return {
    state: machine.state,
    subscribe: listener => machine.subscribe(listener),
    get head() {
      return log.head
    },
    tree,
    heads,
    proofs: {
      tree,
      read,
      head: number => encoded(number === undefined || number === log.head?.number ? log.head : heads.headOf(number))
    },
    async submit(command, { signal } = {}) {
      over.signal.throwIfAborted()
      const receipt = await source.submit(command, signal)
      if (receipt.ok) await reached(receipt.sequence, signal)
      return receipt
    },
    async start(signal) {
      running ??= run()
      await (signal === undefined ? running.caughtUp : untilAborted(running.caughtUp, signal))
    },
    async stop() {
      running?.controller.abort()
      await running?.done
      await heads.settled()
    },
    async [Symbol.asyncDispose]() {
      await this.stop()
    }
  }
}

/** A listener of ours that throws ends the following too, and is told apart from a damaged log. */
function failureFrom(error: unknown): CoreError {
  if (error instanceof CoreError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new CoreError('FOLLOWER_FAILED', `the ledger is not followed any more: ${reason}`, {}, { cause: error })
}

function forked(what: string, proof: Uint8Array, cause?: unknown): CoreError {
  const advice = 'keep the proof: with it anybody can see that the host keeps two histories'
  return new CoreError('LOG_FORKED', `${what}; ${advice}`, { proof }, { cause })
}

function encoded(head: SignedLogHead | undefined): Uint8Array | undefined {
  return head === undefined ? undefined : encodeHead(head)
}

/** A path in this peer's own tree, as far as it reaches and its entries are to be had. */
async function pathWithin(tree: LogTree, from: number, to: number, read: EntryReader) {
  if (to > tree.size) return undefined
  try {
    return await tree.consistency(from, to, read)
  } catch (error) {
    if (error instanceof CoreError && error.code === 'ENTRIES_NOT_HELD') return undefined
    throw error
  }
}

/** Of a follower that keeps no entries. */
const notHeld: EntryReader = (from, to) => {
  throw new CoreError('ENTRIES_NOT_HELD', `this peer does not keep the entries ${from} to ${to - 1} of the log`, {
    from,
    to
  })
}
