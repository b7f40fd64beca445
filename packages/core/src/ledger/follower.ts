/**
 * A ledger that follows a host: reads its log, applies every entry itself, and believes nothing that it has not checked.
 *
 * Reads its own writes: a submitted command is acknowledged here once this peer has applied the entry.
 */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { NetworkParameters } from '../network.ts'
import { untilAborted } from '../protocols/deadline.ts'
import type { Command } from './commands.ts'
import { decodeEntry } from './entry.ts'
import { createLedgerMachine, type Ledger, type Receipt } from './ledger.ts'
import type { LedgerTools } from './rules.ts'

/** Where a follower reads and submits: a host, over whatever carries it. */
export interface LedgerSource {
  /** @returns encoded entries from a sequence on, none after some waiting; @throws {CoreError} `LEDGER_UNREACHABLE` */
  entries(
    from: number,
    signal: AbortSignal
  ): Promise<{ readonly entries: readonly Uint8Array[]; readonly length: number }>
  /** @throws {CoreError} `LEDGER_UNREACHABLE` */
  submit(command: Command, signal?: AbortSignal): Promise<Receipt>
}

export interface Follower extends Ledger, AsyncDisposable {
  /**
   * Follows until stopped, also when the signal ends the waiting. Resolves once it has caught up with the host for the
   * first time.
   *
   * @throws {CoreError} `LOG_INVALID`; `LEDGER_UNREACHABLE` when it is stopped before
   */
  start(signal?: AbortSignal): Promise<void>
  /** Idempotent and for good; resolves when nothing runs any more. Ends submissions that wait for their entry. */
  stop(): Promise<void>
}

export interface FollowerOptions {
  readonly parameters: NetworkParameters
  readonly source: LedgerSource
  readonly tools: LedgerTools
  readonly clock: Clock
  /** Told when the host's log breaks the rules, or a listener throws; the follower stops at the last good entry. */
  readonly onDamage?: (error: CoreError) => void
  /** Told when the host begins to give no answer, and not again until it has given one; the follower goes on trying. */
  readonly onUnreachable?: (error: CoreError) => void
}

/** Pause after the host did not answer; a restart of the host is noticed within this. */
const RETRY_MS = 250

export function createFollower(options: FollowerOptions): Follower {
  const { parameters, source, tools, clock, onDamage, onUnreachable } = options
  const machine = createLedgerMachine(parameters, tools)
  let running: ReturnType<typeof run> | undefined
  /** Aborts when nothing is followed any more, with the reason. */
  const over = new AbortController()

  function applyAll(encoded: readonly Uint8Array[]): void {
    for (const bytes of encoded) {
      const entry = decodeEntry(bytes)
      const result = entry === undefined ? undefined : machine.applyEntry(entry)
      if (result?.ok !== true) {
        const reason = result === undefined ? 'it cannot be decoded' : result.refusal.message
        throw new CoreError(
          'LOG_INVALID',
          `entry ${machine.state.sequence} of the host's log breaks the rules: ${reason}`,
          { sequence: machine.state.sequence }
        )
      }
      machine.announce([result.applied])
    }
  }

  async function follow(signal: AbortSignal, caughtUp: () => void): Promise<void> {
    let isReachable = true
    while (!signal.aborted) {
      try {
        const answer = await source.entries(machine.state.sequence, signal)
        signal.throwIfAborted()
        isReachable = true
        applyAll(answer.entries)
        if (machine.state.sequence >= answer.length) caughtUp()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE')) throw error
        if (isReachable) onUnreachable?.(error)
        isReachable = false
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  function run() {
    const controller = new AbortController()
    const caughtUp = Promise.withResolvers<void>()
    caughtUp.promise.catch(() => undefined) // nobody may be waiting any more
    const done = follow(controller.signal, caughtUp.resolve)
      .then(
        () => new CoreError('LEDGER_UNREACHABLE', 'this follower has stopped'),
        error => {
          const failure = failureFrom(error)
          onDamage?.(failure)
          return failure
        }
      )
      .then(reason => {
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
    async submit(command, { signal } = {}) {
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
