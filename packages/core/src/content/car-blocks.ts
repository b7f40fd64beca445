/**
 * Reads the blocks of a foreign CARv1 as its bytes stream by, each checked against its CID.
 *
 * Holds one section at a time, whatever the file claims; see `CarScanner` for the bounds.
 */
import type { CID } from 'multiformats/cid'
import { CoreError } from '../error.ts'
import { iterateAbortably } from './abortable.ts'
import { checkBlock } from './block.ts'
import { type CarBlockPosition, type CarSummary, createCarScanner } from './car-scanner.ts'

export interface CarBlock {
  readonly cid: CID
  /** A copy of its own. */
  readonly bytes: Uint8Array
}

/**
 * Yields the blocks in the order of the file. @returns what the whole file was
 *
 * @throws {CoreError} `CAR_INVALID` for bytes that are no CARv1 or a block that is not what its CID says
 */
export async function* readCarBlocks(
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal
): AsyncGenerator<CarBlock, CarSummary> {
  const found: CarBlockPosition[] = []
  const scanner = createCarScanner({ onBlock: position => void found.push(position) })
  const window = new Window()
  for await (const chunk of iterateAbortably(source, signal)) {
    window.append(chunk)
    const verdict = scanner.update(chunk)
    for (const { cid, offset, length, sectionOffset, sectionLength } of found.splice(0)) {
      const bytes = window.slice(offset, length)
      await admit(cid, bytes)
      yield { cid, bytes }
      window.dropBefore(sectionOffset + sectionLength)
    }
    if (!verdict.ok) throw invalid(`${verdict.reason} at byte ${verdict.offset}`)
  }
  const end = scanner.finish()
  if (!end.ok) throw invalid(`${end.reason} at byte ${end.offset}`)
  return end
}

async function admit(cid: CID, bytes: Uint8Array): Promise<void> {
  const verdict = await checkBlock(cid, bytes)
  if (!verdict.ok) throw invalid(`block ${cid} is not what its CID says (${verdict.reason})`)
}

function invalid(what: string): CoreError<'CAR_INVALID'> {
  return new CoreError('CAR_INVALID', `this is no CARv1 that can be stored: ${what}`)
}

/** The bytes of a stream that are still wanted, by their place in the whole. */
class Window {
  #chunks: Uint8Array[] = []
  #startsAt = 0

  append(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  slice(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let at = this.#startsAt
    for (const chunk of this.#chunks) {
      const from = Math.max(offset, at)
      const to = Math.min(offset + length, at + chunk.length)
      if (from < to) bytes.set(chunk.subarray(from - at, to - at), from - offset)
      at += chunk.length
      if (at >= offset + length) break
    }
    return bytes
  }

  dropBefore(offset: number): void {
    let count = 0
    for (const chunk of this.#chunks) {
      if (this.#startsAt + chunk.length > offset) break
      this.#startsAt += chunk.length
      count += 1
    }
    this.#chunks.splice(0, count)
  }
}
