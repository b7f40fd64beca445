/** Reads of a log on disk by others: entries as they come, heads, and proofs over the tree. Host and durable follower have one. */
import { type Clock, ENTRIES_PER_ANSWER_MAX, encodeHead, type LogProofSource, type LogTree } from '@holdfast/core'
import type { HeadRing } from './head-ring.ts'
import type { SegmentLog } from './segment-log.ts'

/** Bytes of entries in one answer to a follower: below a message's limit, with its envelope. */
const ANSWER_SIZE_BYTES_MAX = 768 * 1024

export interface LogReader extends LogProofSource {
  /** Entries that anybody may see: those that are durable and under a head. */
  readonly length: number
  /**
   * Such entries from a sequence on, encoded; waits up to `waitMs` while there are none.
   *
   * @throws {CoreError} `LEDGER_UNREACHABLE` when this ledger has stopped before
   */
  entries(from: number, waitMs: number, signal: AbortSignal): Promise<{ entries: Uint8Array[]; length: number }>
}

export interface LogReaderOptions {
  readonly log: Pick<SegmentLog, 'read'>
  readonly heads: Pick<HeadRing, 'last' | 'headAt'>
  readonly clock: Clock
  readonly length: () => number
  /** @throws while there is none */
  readonly tree: () => LogTree
  /** Ends everybody's waiting. */
  readonly ended: AbortSignal
}

/** @returns the reader, and what to call when `length` has grown */
export function createLogReader(options: LogReaderOptions): { readonly reader: LogReader; readonly wake: () => void } {
  const { log, heads, clock, length, tree, ended } = options
  const waiting = new Set<() => void>()

  function waitForEntries(from: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const signals = [signal, ended]
    if (length() > from || waitMs === 0 || signals.some(({ aborted }) => aborted)) return Promise.resolve()
    const woken = new AbortController()
    const wake = () => woken.abort()
    waiting.add(wake)
    for (const one of signals) one.addEventListener('abort', wake, { once: true })
    return clock
      .sleep(waitMs, woken.signal)
      .catch(() => undefined)
      .finally(() => {
        waiting.delete(wake)
        for (const one of signals) one.removeEventListener('abort', wake)
      })
  }

  const reader: LogReader = {
    get length() {
      return length()
    },
    async entries(from, waitMs, signal) {
      ended.throwIfAborted()
      await waitForEntries(from, waitMs, signal)
      signal.throwIfAborted()
      const entries: Uint8Array[] = []
      let sizeBytes = 0
      for await (const { payload } of log.read({ from, to: Math.min(length(), from + ENTRIES_PER_ANSWER_MAX) })) {
        sizeBytes += payload.length
        if (entries.length > 0 && sizeBytes > ANSWER_SIZE_BYTES_MAX) break
        entries.push(payload)
      }
      return { entries, length: length() }
    },
    tree: {
      inclusion: (index, size, read) => tree().inclusion(index, size, read),
      consistency: (from, to, read) => tree().consistency(from, to, read)
    },
    async *read(from, to) {
      for await (const { payload } of log.read({ from, to })) yield payload
    },
    head(number) {
      const head = number === undefined ? heads.last : heads.headAt(number)
      return head === undefined ? undefined : encodeHead(head)
    }
  }
  const wake = () => {
    for (const one of [...waiting]) one()
  }
  return { reader, wake }
}
