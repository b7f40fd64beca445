/** What both sides of a protocol do with an open stream, and what they make of its end. */
import { CoreError } from '../error.ts'
import type { Deadline } from './deadline.ts'
import { noAnswer } from './envelope.ts'
import type { Frames } from './frames.ts'
import type { NoAnswer, NoAnswerCode } from './protocol.ts'

/** One side of one open stream. */
export interface Conversation {
  readonly frames: Frames
  /** runs from the start with the protocol's `timeoutMs`; when it aborts, the stream is reset */
  readonly deadline: Deadline
}

/** The reset of a stream must not wait for the code that holds it: that may be a handler which ignores its signal. */
export function resetOnAbort(frames: Frames, { signal }: Deadline): void {
  if (signal.aborted) frames.abort(signal.reason)
  else signal.addEventListener('abort', () => frames.abort(signal.reason), { once: true })
}

/** Ends our half and waits for theirs. A peer that does not end its half is reset; what it said counts all the same. */
export async function closeConversation({ frames, deadline }: Conversation): Promise<void> {
  try {
    await frames.end(deadline.signal)
    await frames.ended(deadline.signal)
  } catch (error) {
    frames.abort(error)
  }
}

const NO_ANSWER_CODES: ReadonlyMap<string, NoAnswerCode> = new Map([
  ['UNREACHABLE', 'UNREACHABLE'],
  ['UNSUPPORTED', 'UNSUPPORTED'],
  ['TIMED_OUT', 'TIMED_OUT'],
  ['STREAM_CUT', 'CUT'],
  ['FRAME_INVALID', 'INVALID']
])

/** What the other side or the network did wrong, as a value; our own errors are thrown on. */
export function noAnswerFrom(error: unknown): NoAnswer {
  const code = isWireError(error) ? NO_ANSWER_CODES.get(error.code) : undefined
  if (!isWireError(error) || code === undefined) throw error
  return noAnswer(code, error.message)
}

/** Whether the other side or the network is to blame. */
export function isWireError(error: unknown): error is CoreError {
  return error instanceof CoreError && NO_ANSWER_CODES.has(error.code)
}
