/** Keeps the last frames of indexes and footers that were read, over all pieces of an object. */
import type { FrameReader } from './frame-reader.ts'

/** 8 MiB: the indexes of a hundred pieces of the largest size, in blocks of 1 MiB. */
export const CACHED_FRAMES_MAX = 128

export class FrameCache {
  /** In the order of their last use. */
  readonly #frames = new Map<string, Uint8Array>()

  /** Reads frames that are not held yet, as one range. */
  async load(piece: number, reader: FrameReader, from: number, to: number, signal?: AbortSignal): Promise<void> {
    let number = from
    for await (const frame of reader.read(from, to, signal)) this.#keep(keyOf(piece, number++), frame)
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
      const held = this.#frames.get(keyOf(piece, number))
      if (held !== undefined) {
        this.#keep(keyOf(piece, number), held)
        yield { number, frame: held }
        number += 1
        continue
      }
      const end = this.#firstHeld(piece, number, to)
      for await (const frame of reader.read(number, end, signal)) {
        this.#keep(keyOf(piece, number), frame)
        yield { number, frame }
        number += 1
      }
    }
  }

  #firstHeld(piece: number, from: number, to: number): number {
    let number = from + 1
    while (number < to && !this.#frames.has(keyOf(piece, number))) number += 1
    return number
  }

  #keep(key: string, frame: Uint8Array): void {
    this.#frames.delete(key)
    this.#frames.set(key, frame)
    if (this.#frames.size > CACHED_FRAMES_MAX) this.#frames.delete(this.#frames.keys().next().value!)
  }
}

function keyOf(piece: number, frame: number): string {
  return `${piece}/${frame}`
}
