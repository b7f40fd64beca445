/**
 * Length-prefixed frames on a libp2p stream: the one place that reads from and writes to streams.
 *
 * Owns what libp2p leaves to its users: a length is checked before anything is kept for it, prefixes are minimal,
 * unread bytes are bounded, a writer waits for the `drain` *event* (`stream.onDrain()` waits only once in a stream's
 * life), and an end inside a frame is told apart from an end between frames. Reads are not concurrent with reads, nor
 * writes with writes. Used by the engine only.
 *
 * Errors are `CoreError`s: `STREAM_CUT` when the stream is gone, `FRAME_INVALID` when the other side breaks the format,
 * `UNSUPPORTED` when it turns out not to speak the protocol, or the signal's own reason.
 */
import type { Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { CoreError } from '../error.ts'
import { decodeLength, encodeLength, LENGTH_SIZE_BYTES_MAX } from './length.ts'

export interface Frames {
  /**
   * Reads the next frame.
   *
   * @returns its bytes without the prefix, or `undefined` when the other side ended its half between two frames
   */
  read(sizeBytesMax: number, signal: AbortSignal): Promise<Uint8ArrayList | undefined>
  /** Writes the parts as one frame and waits until the connection has taken all of it. Keeps no copy of the parts. */
  write(parts: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  /** Ends our half; the other side can still write. */
  end(signal: AbortSignal): Promise<void>
  /** Waits until the other side has ended its half, dropping what it still sends. */
  ended(signal: AbortSignal): Promise<void>
  /** Resets the stream, for both sides and at once. */
  abort(reason: unknown): void
}

/** Where unread bytes are counted; see `StreamAllowance`. */
export interface FramesMemory {
  hold(sizeBytes: number): boolean
  release(sizeBytes: number): void
}

const UNCOUNTED: FramesMemory = { hold: () => true, release: () => undefined }

/**
 * @param unreadSizeBytesMax - bytes that may wait here; a peer that sends more without having been asked to is cut off
 * @param memory - a peer for whose bytes it has no room left is cut off too
 */
export function openFrames(stream: Stream, unreadSizeBytesMax: number, memory: FramesMemory = UNCOUNTED): Frames {
  const unread = new Uint8ArrayList()
  let ended = stream.readableEnded
  let failure: CoreError | undefined
  let dropping = false
  let wake = () => {}

  const fail = (code: 'STREAM_CUT' | 'FRAME_INVALID' | 'UNSUPPORTED', message: string, cause?: unknown) => {
    failure ??= new CoreError(code, message, {}, { cause })
    return failure
  }

  const consume = (sizeBytes: number) => {
    unread.consume(sizeBytes)
    memory.release(sizeBytes)
  }
  const cutOff = (reason: string) => {
    consume(unread.byteLength)
    const error = fail('FRAME_INVALID', reason)
    // An abort inside the dispatch of `message` would run before libp2p has finished with the event.
    queueMicrotask(() => stream.abort(error))
  }

  stream.addEventListener('message', event => {
    if (dropping || failure !== undefined) return
    if (!memory.hold(event.data.byteLength)) cutOff('no room for more bytes of this peer')
    else {
      unread.append(event.data)
      if (unread.byteLength > unreadSizeBytesMax + LENGTH_SIZE_BYTES_MAX)
        cutOff(`more than ${unreadSizeBytesMax} bytes without credit`)
    }
    wake()
  })
  stream.addEventListener('end', () => {
    ended = true
    wake()
  })
  stream.addEventListener('close', event => {
    ended = true
    const { error } = event
    if (error?.name === 'UnsupportedProtocolError') fail('UNSUPPORTED', error.message, error)
    else if (error !== undefined) fail('STREAM_CUT', `the stream was cut: ${error.message}`, error)
    wake()
  })

  /** Resolves at the next event that can change what a reader sees. */
  function change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        wake = () => {}
        signal.removeEventListener('abort', aborted)
        then()
      }
      const aborted = () => settle(() => reject(signal.reason))
      wake = () => settle(resolve)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  /** Waits for `sizeBytes` unread bytes; false when the stream ends before. */
  async function fill(sizeBytes: number, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted()
      if (unread.byteLength >= sizeBytes) return true
      if (failure !== undefined) throw failure
      if (ended) return false
      await change(signal)
    }
  }

  async function readLength(sizeBytesMax: number, signal: AbortSignal): Promise<number | undefined> {
    for (let prefixSizeBytes = 1; ; prefixSizeBytes++) {
      if (!(await fill(prefixSizeBytes, signal))) {
        if (prefixSizeBytes === 1) return undefined
        throw fail('STREAM_CUT', 'the stream ended inside the length of a frame')
      }
      const length = decodeLength(unread, prefixSizeBytes)
      if (length === 'incomplete') continue
      if (length === 'malformed') throw fail('FRAME_INVALID', 'the length of a frame is not a minimal varint')
      if (length > sizeBytesMax)
        throw fail('FRAME_INVALID', `a frame of ${length} bytes, at most ${sizeBytesMax} allowed`)
      consume(prefixSizeBytes)
      return length
    }
  }

  /** Waits until libp2p has handed everything written so far to the connection. */
  async function drained(signal: AbortSignal): Promise<void> {
    while (stream.writableNeedsDrain && stream.status === 'open') {
      await new Promise<void>((resolve, reject) => {
        const settle = (then: () => void) => {
          stream.removeEventListener('drain', proceed)
          stream.removeEventListener('close', proceed)
          signal.removeEventListener('abort', aborted)
          then()
        }
        const proceed = () => settle(resolve)
        const aborted = () => settle(() => reject(signal.reason))
        stream.addEventListener('drain', proceed)
        stream.addEventListener('close', proceed)
        if (signal.aborted) aborted()
        else signal.addEventListener('abort', aborted, { once: true })
      })
    }
    if (stream.status !== 'open') throw failure ?? fail('STREAM_CUT', 'the stream closed before everything was written')
  }

  return {
    async read(sizeBytesMax, signal) {
      const length = await readLength(sizeBytesMax, signal)
      if (length === undefined) return undefined
      if (!(await fill(length, signal))) throw fail('STREAM_CUT', `the stream ended inside a frame of ${length} bytes`)
      const frame = unread.sublist(0, length)
      consume(length)
      return frame
    },

    async write(parts, signal) {
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      const sizeBytes = parts.reduce((total, part) => total + part.byteLength, 0)
      try {
        stream.send(new Uint8ArrayList(encodeLength(sizeBytes), ...parts))
      } catch (error) {
        throw fail('STREAM_CUT', 'the stream closed before everything was written', error)
      }
      await drained(signal)
    },

    async end(signal) {
      try {
        await stream.close({ signal })
      } catch (error) {
        signal.throwIfAborted()
        // What close() rejects with can be an Event that says nothing.
        throw fail('STREAM_CUT', 'the stream closed before everything was written', error)
      }
    },

    async ended(signal) {
      dropping = true
      consume(unread.byteLength)
      while (!ended && failure === undefined) {
        signal.throwIfAborted()
        await change(signal)
      }
    },

    abort(reason) {
      stream.abort(reason instanceof Error ? reason : new CoreError('ABORTED', 'the request was ended', { reason }))
    }
  }
}
