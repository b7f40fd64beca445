/**
 * The answering half of streams that last: many requests on one stream, answered in their order.
 *
 * A peer that asks once and ends its half is served like any other, so that a protocol may change from one request a
 * stream to many without a new version. A stream without requests is ended after {@link LASTING_STREAM_IDLE_MS}.
 */
import type { Libp2p } from '@libp2p/interface'
import type { Handler } from './engine.ts'
import { requestFrameSizeBytesMax } from './envelope.ts'
import { LASTING_STREAM_IDLE_MS } from './limits.ts'
import type { Protocol } from './protocol.ts'
import type { ServedConversation, ServeOptions } from './serve-streams.ts'
import { answerRequest, attempt, encodeReplySafely, serveStreams } from './serve-streams.ts'

/** Requests of one stream that are worked on at once: one that waits for a disk does not keep the next from a core. */
const REQUESTS_RUNNING_MAX = 2

/** Answers a protocol until the returned service is disposed, which waits for the running handlers to end. */
export async function serveRequests<Request, Response>(
  node: Pick<Libp2p, 'handle' | 'unhandle'>,
  protocol: Protocol<Request, Response>,
  handler: Handler<Request, Response>,
  options: ServeOptions
): Promise<AsyncDisposable> {
  const sizeBytesMax = requestFrameSizeBytesMax(protocol)

  const answer = (served: ServedConversation, bytes: Uint8Array) =>
    answerRequest(served, protocol, options, bytes, async message => {
      const { deadline, allowance, context, failed } = served
      const reply = message.ok ? await attempt(() => handler(message.value, context), deadline, failed) : message
      deadline.signal.throwIfAborted()
      const encoded = encodeReplySafely(protocol, protocol.response, options, reply, failed)
      allowance.charge(encoded.length)
      return encoded
    })

  return await serveStreams(node, protocol, sizeBytesMax, options, async served => {
    const { frames, deadline } = served
    const running = new Set<Promise<Uint8Array>>()
    let last: Promise<void> = Promise.resolve()

    async function writeInTurn(before: Promise<void>, answering: Promise<Uint8Array>): Promise<void> {
      await before
      await frames.write([await answering], deadline.signal)
      running.delete(answering)
      if (running.size === 0) deadline.restart(LASTING_STREAM_IDLE_MS)
    }

    try {
      for (;;) {
        const bytes = await frames.read(sizeBytesMax, deadline.signal)
        if (bytes === undefined) return await last
        deadline.restart(protocol.timeoutMs)
        const answering = answer(served, bytes.subarray())
        running.add(answering)
        const before = last
        last = writeInTurn(before, answering)
        last.catch(deadline.abort)
        // With two at work, the next is read when the first of them is answered.
        if (running.size >= REQUESTS_RUNNING_MAX) await before
      }
    } finally {
      await Promise.allSettled(running)
    }
  })
}
