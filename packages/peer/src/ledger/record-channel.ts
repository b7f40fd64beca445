/** Byte records over a port between two threads, a few at a time: neither side fills the other's memory. */
import { once } from 'node:events'
import type { MessagePort } from 'node:worker_threads'

/** Records on their way: enough that nobody waits, and a few MiB at most. */
const IN_FLIGHT_MAX = 8

type Message = { readonly record: Uint8Array } | { readonly end: true } | { readonly credit: true }

/** Sends all of them, and that they are all. Resolves when the last was taken. @throws the signal's reason */
export async function sendRecords(
  port: MessagePort,
  records: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal
): Promise<void> {
  let inFlight = 0
  port.on('message', () => {
    inFlight -= 1
  })
  const credit = async () => {
    if (inFlight > 0) await once(port, 'message', { signal })
  }
  for await (const record of records) {
    while (inFlight >= IN_FLIGHT_MAX) await credit()
    signal.throwIfAborted()
    inFlight += 1
    port.postMessage({ record } satisfies Message)
  }
  inFlight += 1
  port.postMessage({ end: true } satisfies Message)
  while (inFlight > 0) await credit()
}

/** Takes records until the other side says that these were all. @throws the signal's reason */
export async function* receiveRecords(port: MessagePort, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const arrived: Message[] = []
  port.on('message', (message: Message) => arrived.push(message))
  for (;;) {
    signal.throwIfAborted()
    if (arrived.length === 0) await once(port, 'message', { signal })
    const message = arrived.shift()
    if (message === undefined) continue
    port.postMessage({ credit: true } satisfies Message)
    if (!('record' in message)) return
    yield message.record
  }
}
