/**
 * Several sources of one ledger as one: the host, and followers that serve what it wrote and pass on what it is sent.
 *
 * The first that answers is asked again; the host is tried again after a while. A follower that is behind, or says
 * nonsense about how far the log goes, counts as one that gives no answer: only the host can have lost entries.
 */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { LedgerSource } from './follower.ts'

/** How long a follower is asked before the host again: a host's restart is noticed within this. */
const HOST_AGAIN_MS = 30_000

/**
 * @param sources - the host first, then followers in the order in which they are tried; at least one
 * @throws {RangeError} for none
 */
export function createFallbackSource(sources: readonly LedgerSource[], clock: Pick<Clock, 'now'>): LedgerSource {
  const host = sources[0]
  if (host === undefined) throw new RangeError('expected at least one source of the ledger, got none')
  if (sources.length === 1) return host
  let preferred = host
  let leftHostMs = 0

  async function first<T>(ask: (source: LedgerSource) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (preferred !== host && Math.abs(clock.now() - leftHostMs) >= HOST_AGAIN_MS) prefer(sources[0]!)
    const begun = preferred
    let failure: unknown
    for (const source of [begun, ...sources.filter(one => one !== begun)]) {
      try {
        const answer = await ask(source)
        prefer(source)
        return answer
      } catch (error) {
        signal?.throwIfAborted()
        if (!isSilence(error, source)) throw error
        failure ??= error
      }
    }
    throw unreachable(failure)
  }

  function prefer(source: LedgerSource): void {
    if (source !== preferred && source !== host) leftHostMs = clock.now()
    preferred = source
  }

  function isSilence(error: unknown, source: LedgerSource): boolean {
    if (!(error instanceof CoreError)) return false
    return error.code === 'LEDGER_UNREACHABLE' || (error.code === 'LOG_INVALID' && source !== host)
  }

  return {
    entries: (from, signal, isWaiting) => first(source => source.entries(from, signal, isWaiting), signal),
    head: (number, signal) => first(source => source.head(number, signal), signal),
    submit: (command, signal) => first(source => source.submit(command, signal), signal)
  }
}

function unreachable(cause: unknown): CoreError {
  if (cause instanceof CoreError && cause.code === 'LEDGER_UNREACHABLE') return cause
  return new CoreError('LEDGER_UNREACHABLE', 'no peer that is asked has the entries that come next', {}, { cause })
}
