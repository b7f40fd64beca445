/**
 * Reads frames of one piece from its replicas: from the first in line, and from the next one where a replica does not
 * answer, ends early, or sends bytes that are not the frame. No wrong byte is handed on, none twice, none left out.
 */
import { iterateAbortably } from '../content/index.ts'
import { CoreError } from '../error.ts'
import {
  contentSizeOf,
  createFrameCipher,
  FRAME_CONTENT_SIZE_BYTES,
  FRAME_SIZE_BYTES,
  type FrameCipher
} from './frames.ts'
import type { ReadKey, RepairKey } from './object-keys.ts'
import { FRAME_TAG_SIZE_BYTES, type PieceCiphers } from './piece-ciphers.ts'
import { type ReplicaLayout, replicaKeystream } from './replica-layer.ts'

/** One replica of a piece, wherever it lies. */
export interface PieceReplica {
  /** Its number, from 0: which outer layer is to be taken off. */
  readonly replica: number
  /**
   * Tells sources apart that give one replica: identical ones have one number, and strangers can store anything under its
   * label. One that failed is left for the next source. Default: the replica's number.
   */
  readonly source?: string
  /**
   * Exactly `length` stored bytes from `offset` on, in chunks of any size, which belong to the caller. Nothing is believed
   * of them. Throws a `CoreError` when it cannot; anything else that it throws ends the whole read.
   */
  read(
    offset: number,
    length: number,
    options: { readonly signal?: AbortSignal | undefined }
  ): AsyncIterable<Uint8Array>
}

export interface ReplicaFailure {
  readonly piece: number
  readonly replica: number
  /** As the replica said it. */
  readonly source: string
  readonly reason: string
}

export interface FrameReaderOptions {
  readonly piece: number
  /** Stored bytes, as the PieceCID on the ledger says. */
  readonly sizeBytes: number
  readonly readKey: ReadKey
  readonly repairKey: RepairKey
  readonly layout: ReplicaLayout
  readonly ciphers: PieceCiphers
  /** Asked whenever a replica is chosen: those that can be asked, the best first. */
  readonly replicas: () => readonly PieceReplica[]
  /** Told whenever a replica is left for another one. */
  readonly onFailure?: ((failure: ReplicaFailure) => void) | undefined
}

export class FrameReader {
  readonly frameCount: number
  readonly contentSizeBytes: number
  readonly #options: FrameReaderOptions
  readonly #cipher: FrameCipher

  /** @throws {CoreError} `PIECE_INVALID` for a size that no private piece has */
  constructor(options: FrameReaderOptions) {
    const { piece, sizeBytes, ciphers, readKey } = options
    const contentSizeBytes = contentSizeOf(sizeBytes)
    if (contentSizeBytes === undefined) throw pieceInvalid(piece, 'size')
    this.contentSizeBytes = contentSizeBytes
    this.frameCount = Math.ceil(sizeBytes / FRAME_SIZE_BYTES)
    this.#options = options
    this.#cipher = createFrameCipher(ciphers, readKey, piece)
  }

  /**
   * The plaintext of frames `from` to below `to`, in order; each its own buffer.
   *
   * @throws {CoreError} `PIECE_UNREADABLE` when no replica gives the next frame
   */
  async *read(from: number, to: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()
    const failures: ReplicaFailure[] = []
    /** Failures before the newest frame came: whoever failed then may be asked again once all have. */
    let forgiven = 0
    for (let next = from; next < to; ) {
      const failed = new Set(failures.slice(forgiven).map(({ source }) => source))
      const replica = this.#options.replicas().find(one => !failed.has(sourceOf(one)))
      if (replica === undefined) throw unreadable(this.#options.piece, next, failures.slice(forgiven))
      const before = next
      try {
        for await (const frame of this.#readFrom(replica, next, to, signal)) {
          next += 1
          yield frame
        }
        if (next < to) throw new CoreError('REPLICA_FAILED', 'ended early')
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof CoreError)) throw error
        if (next > before) forgiven = failures.length
        const failure = {
          piece: this.#options.piece,
          replica: replica.replica,
          source: sourceOf(replica),
          reason: error.message
        }
        failures.push(failure)
        this.#options.onFailure?.(failure)
      }
    }
  }

  async *#readFrom(source: PieceReplica, from: number, to: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const { sizeBytes, piece } = this.#options
    const offset = from * FRAME_SIZE_BYTES
    const length = Math.min(to * FRAME_SIZE_BYTES, sizeBytes) - offset
    let number = from
    const frames = cutFrames(iterateAbortably(source.read(offset, length, { signal }), signal), length)
    // The key is derived while the answer is on its way.
    const asked = frames.next()
    asked.catch(() => undefined)
    const keystream = replicaKeystream(this.#options, { replica: source.replica, piece }, offset)
    for await (const frame of continued(asked, frames)) {
      keystream.xor(frame)
      if (!this.#cipher.open(frame, number, number === this.frameCount - 1)) {
        throw new CoreError('REPLICA_FAILED', `sent bytes that are not frame ${number}`)
      }
      number += 1
      yield frame.subarray(0, -FRAME_TAG_SIZE_BYTES)
    }
  }
}

/** The rest of what was asked for its first value already. */
async function* continued<T>(first: Promise<IteratorResult<T>>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    const { done, value } = await first
    if (done === true) return
    yield value
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

function sourceOf({ replica, source }: PieceReplica): string {
  return source ?? String(replica)
}

/** Frames of `length` bytes in all; one that is cut short is left out, and what comes behind them as well. */
async function* cutFrames(chunks: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  let frame = new Uint8Array(Math.min(left, FRAME_SIZE_BYTES))
  let filled = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + frame.length - filled)
      frame.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < frame.length) continue
      yield frame
      left -= frame.length
      if (left === 0) return
      frame = new Uint8Array(Math.min(left, FRAME_SIZE_BYTES))
      filled = 0
    }
  }
}

/** Which frames hold `length` bytes of plaintext from `offset` on. */
export function framesOf(offset: number, length: number): { readonly from: number; readonly to: number } {
  return {
    from: Math.floor(offset / FRAME_CONTENT_SIZE_BYTES),
    to: Math.ceil((offset + length) / FRAME_CONTENT_SIZE_BYTES)
  }
}

/** What the maker of an object got wrong; every other replica says the same. */
export function pieceInvalid(piece: number, reason: string): CoreError<'PIECE_INVALID'> {
  return new CoreError('PIECE_INVALID', `piece ${piece} of the object is not what a private piece is (${reason})`, {
    piece,
    reason
  })
}

function unreadable(piece: number, frame: number, failures: readonly ReplicaFailure[]): CoreError<'PIECE_UNREADABLE'> {
  const why = failures.map(({ replica, reason }) => `replica ${replica} ${reason}`).join('; ')
  return new CoreError(
    'PIECE_UNREADABLE',
    `no replica of piece ${piece} gave frame ${frame}${why === '' ? ': none can be asked' : ` (${why})`}`,
    { piece, frame, failures }
  )
}
