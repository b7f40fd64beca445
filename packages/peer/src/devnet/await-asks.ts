/** Waiting until the ledger has what providers ask: a new ask counts from the next opening on. */
import { asksInForce, type Ledger } from '@holdfast/core'

/** Resolves when so many asks are in force. @throws the signal's reason */
export function awaitAsks(ledger: Ledger, count: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const check = () => {
    if ([...asksInForce(ledger.state)].length >= count) resolve()
  }
  const end = ledger.subscribe(check)
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  check()
  return promise.finally(() => {
    end()
    signal?.removeEventListener('abort', abort)
  })
}
