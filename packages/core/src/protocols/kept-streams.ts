/**
 * Streams of downloads that came to their end, kept open for the next one from the same peer: a new stream takes a small
 * download longer than its bytes.
 *
 * A stream carries one download at a time. It is ended when nothing was asked on it for a while, and forgotten when it, or its
 * connection, is gone.
 */
import { openDeadline } from './deadline.ts'
import { type OpenStream, type PeerTarget, peerIdIn } from './dial-peer.ts'
import type { RequestOptions } from './engine.ts'
import { LASTING_STREAM_IDLE_MS } from './limits.ts'

/** As many downloads as run at once mostly. */
const STREAMS_KEPT_MAX = 4
/** Before the other side tires: who ends a stream should be the one who knows that nothing is coming. */
const KEPT_IDLE_MS = LASTING_STREAM_IDLE_MS / 2

interface KeptStream extends OpenStream {
  /** Ends its rest. */
  readonly wake: () => void
}

/** Of each node, by peer and protocol: those used last at the end. */
const keptOf = new WeakMap<object, Map<string, KeptStream[]>>()

/** @returns an open stream that is now the caller's, if there is one; the other side may just have tired of it */
export function takeKept(node: object, peer: PeerTarget, protocolId: string): OpenStream | undefined {
  const key = keyOf(peer, protocolId)
  const kept = key === undefined ? undefined : keptOf.get(node)?.get(key)?.at(-1)
  kept?.wake()
  return kept
}

/** Keeps a stream on which both sides have said all there was to say; one of a peer without a known id is ended. */
export function keepStream(
  node: object,
  peer: PeerTarget,
  protocolId: string,
  { stream, frames }: OpenStream,
  { clock }: Pick<RequestOptions, 'clock'>
): void {
  if (stream.status !== 'open') return
  const key = keyOf(peer, protocolId)
  const lists = keptOf.get(node) ?? new Map<string, KeptStream[]>()
  const others = (key === undefined ? undefined : lists.get(key)) ?? []
  const rest = openDeadline({ clock })
  if (key === undefined || others.length >= STREAMS_KEPT_MAX) {
    frames.end(rest.signal).catch(frames.abort)
    return
  }
  const kept: KeptStream = {
    stream,
    frames,
    wake() {
      rest.release()
      stream.removeEventListener('close', kept.wake)
      const left = (lists.get(key) ?? []).filter(one => one !== kept)
      if (left.length > 0) lists.set(key, left)
      else lists.delete(key)
    }
  }
  rest.signal.addEventListener('abort', () => {
    kept.wake()
    frames.abort(rest.signal.reason)
  })
  stream.addEventListener('close', kept.wake)
  lists.set(key, [...others, kept])
  keptOf.set(node, lists)
  rest.restart(KEPT_IDLE_MS)
}

function keyOf(peer: PeerTarget, protocolId: string): string | undefined {
  const id = peerIdIn(peer)
  return id === undefined ? undefined : `${id} ${protocolId}`
}
