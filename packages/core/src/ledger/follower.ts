/**
 * A ledger that follows a host: reads its log, applies every entry itself, and believes nothing that it has not checked.
 *
 * Reads its own writes: a submitted command is acknowledged here once this peer has applied the entry.
 */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { NetworkParameters } from '../network.ts'
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
  /** Follows until stopped. Resolves once it has caught up with the host for the first time. */
  start(signal?: AbortSignal): Promise<void>
  /** Idempotent; resolves when nothing runs any more. */
  stop(): Promise<void>
}

export interface FollowerOptions {
  readonly parameters: NetworkParameters
  readonly source: LedgerSource
  readonly tools: LedgerTools
  readonly clock: Clock
  /** Told when the host's log does not follow the rules; the follower stops at the last good entry. */
  readonly onDamage?: (error: CoreError) => void
}

/** Pause after the host did not answer; a restart of the host is noticed within this. */
const RETRY_MS = 250

export function createFollower({ parameters, source, tools, clock, onDamage }: FollowerOptions): Follower {
  const machine = createLedgerMachine(parameters, tools)
  let running: { readonly controller: AbortController; readonly done: Promise<void> } | undefined

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
    while (!signal.aborted) {
      try {
        const answer = await source.entries(machine.state.sequence, signal)
        signal.throwIfAborted()
        applyAll(answer.entries)
        if (machine.state.sequence >= answer.length) caughtUp()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE')) throw error
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  function reached(sequence: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        end()
        signal?.removeEventListener('abort', abort)
        finish()
      }
      const abort = () => settle(() => reject(signal?.reason))
      const check = () => {
        if (machine.state.sequence > sequence) settle(resolve)
      }
      const end = machine.subscribe(check)
      if (signal?.aborted === true) return abort()
      signal?.addEventListener('abort', abort, { once: true })
      check()
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
      if (running !== undefined) return
      const controller = new AbortController()
      const caughtUp = Promise.withResolvers<void>()
      const done = follow(controller.signal, caughtUp.resolve).catch((error: unknown) => {
        caughtUp.reject(error)
        if (error instanceof CoreError) onDamage?.(error)
      })
      running = { controller, done }
      const abort = () => caughtUp.reject(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted === true) abort()
      await caughtUp.promise.finally(() => signal?.removeEventListener('abort', abort))
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
