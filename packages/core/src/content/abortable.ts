/**
 * Waits for `promise`, or rejects with the signal's reason as soon as it aborts. The promise itself goes on and its
 * later failure is nobody's: whoever started that work ends it.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([aborted.promise, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Iterates `source` and obeys the signal. Where the loop ends early, the source is closed before the loop is left,
 * unless the source itself hangs: then it is told to close and not waited for.
 */
export async function* iterateAbortably<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let state: 'idle' | 'waiting' | 'done' = 'idle'
  try {
    for (;;) {
      signal?.throwIfAborted()
      state = 'waiting'
      const next = await abortable(iterator.next(), signal)
      state = next.done === true ? 'done' : 'idle'
      if (next.done === true) return
      yield next.value
    }
  } finally {
    if (state === 'idle') await iterator.return?.()
    if (state === 'waiting') iterator.return?.().catch(() => {})
  }
}
