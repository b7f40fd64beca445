/** Waiting for what the ledger should show: ends with the event, never after a sleep. */
import { type DealResult, type Ledger, resultsIn } from '@holdfast/core'
import { PeerError } from '../error.ts'

/** Rounds that one thing may take to show: a fault, a docket proved, pay resumed each need two or three. */
const WAIT_ROUNDS_MAX = 20

export interface WatchOptions {
  readonly ledger: Ledger
  readonly roundMs: number
  readonly signal: AbortSignal
}

/**
 * Resolves with the results of the next closed round that passes.
 *
 * @param what - completes "no round …" in the error
 * @throws {PeerError} `NOT_SHOWN` after WAIT_ROUNDS_MAX rounds, also when the ledger stands still
 */
export function nextRoundThat(
  { ledger, roundMs, signal }: WatchOptions,
  what: string,
  passes: (results: readonly DealResult[]) => boolean
): Promise<readonly DealResult[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly DealResult[]>()
  const end = ledger.subscribe(({ events }) => {
    try {
      for (const event of events) if (resultsIn(event).length > 0 && passes(resultsIn(event))) resolve(resultsIn(event))
    } catch (error) {
      reject(error) // and not at the ledger, which would end with it
    }
  })
  const timer = setTimeout(
    () => reject(new PeerError('NOT_SHOWN', `no round ${what}, after ${WAIT_ROUNDS_MAX} rounds of waiting`)),
    WAIT_ROUNDS_MAX * roundMs
  )
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return promise.finally(() => {
    end()
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  })
}
