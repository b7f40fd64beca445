/** Keeps the last frames of indexes and footers that were read, over all pieces of an object, or of several. */
import { LastUsed } from '../content/index.ts'
import type { FrameReader } from './frame-reader.ts'

/** 8 MiB: the indexes of a hundred pieces of the largest size, in blocks of 1 MiB. */
export const CACHED_FRAMES_MAX = 128

/** What the caches of objects that are read one after the other keep together. */
export type SharedFrames = LastUsed<Uint8Array>

export function createSharedFrames(): SharedFrames {
  return new LastUsed({ weightMax: CACHED_FRAMES_MAX, weightOf: () => 1 })
}

export class FrameCache {
  readonly #frames: SharedFrames
  readonly #object: string

  /** @param object - tells its frames from those of others in `frames` */
  constructor(frames: SharedFrames = createSharedFrames(), object = '') {
    this.#frames = frames
    this.#object = object
  }

  /** Reads frames that are not held yet, as one range. */
  async load(piece: number, reader: FrameReader, from: number, to: number, signal?: AbortSignal): Promise<void> {
    let number = from
    for await (const frame of reader.read(from, to, signal)) this.#frames.set(this.#keyOf(piece, number++), frame)
  }

  /** Frames `from` to below `to`, whether they are held or have to be read. */
  async *read(
    piece: number,
    reader: FrameReader,
    from: number,
    to: number,
    signal?: AbortSignal
  ): AsyncGenerator<{ readonly number: number; readonly frame: Uint8Array }> {
    for (let number = from; number < to; ) {
      const held = this.#frames.get(this.#keyOf(piece, number))
      if (held !== undefined) {
        yield { number, frame: held }
        number += 1
        continue
      }
      const end = this.#firstHeld(piece, number, to)
      for await (const frame of reader.read(number, end, signal)) {
        this.#frames.set(this.#keyOf(piece, number), frame)
        yield { number, frame }
        number += 1
      }
    }
  }

  #firstHeld(piece: number, from: number, to: number): number {
    let number = from + 1
    while (number < to && this.#frames.get(this.#keyOf(piece, number)) === undefined) number += 1
    return number
  }

  #keyOf(piece: number, frame: number): string {
    return `${this.#object}/${piece}/${frame}`
  }
}
