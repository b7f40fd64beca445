import { compareEntryNames, quoteName, type SourceEntry } from '@holdfast/core'
import { type ReadTreeOptions, readTree } from './read-tree.ts'

export type TreeComparison =
  | { readonly equal: true; readonly files: number; readonly bytes: number }
  | { readonly equal: false; readonly difference: string }

/**
 * Compares two trees on disk, streaming: names, kinds, targets of links, every byte of every file. Modes and times do
 * not count. `ignore` leaves entries out of both.
 *
 * @returns what was compared, or the first difference in words
 * @throws {PeerError} what `readTree` throws
 */
export async function compareTrees(a: string, b: string, options: ReadTreeOptions = {}): Promise<TreeComparison> {
  await using left = readTree(a, options)
  await using right = readTree(b, options)
  let files = 0
  let bytes = 0
  for (;;) {
    const [x, y] = [await left.next(), await right.next()]
    if (x.done === true && y.done === true) return { equal: true, files, bytes }
    if (x.done === true || y.done === true) {
      const extra = x.value?.path ?? y.value?.path ?? ''
      return differ(`only ${x.done === true ? b : a} holds ${quoteName(extra)}`)
    }
    const entries = await compareEntries(x.value, y.value)
    if (typeof entries === 'string') return differ(entries)
    if (x.value.kind === 'file') files += 1
    bytes += entries
  }
}

function differ(difference: string): TreeComparison {
  return { equal: false, difference }
}

/** Bytes that two entries share, or how they differ. */
async function compareEntries(x: SourceEntry, y: SourceEntry): Promise<number | string> {
  if (x.path !== y.path) return `${quoteName(firstOf(x.path, y.path))} is in one tree only`
  const path = quoteName(x.path)
  if (x.kind === 'file' && y.kind === 'file') return compareContents(path, x.content, y.content)
  if (x.kind !== y.kind) return `${path} is a ${x.kind} in one tree and a ${y.kind} in the other`
  if (x.kind === 'symlink' && y.kind === 'symlink' && x.target !== y.target) {
    return `${path} leads to ${quoteName(x.target)} in one tree and to ${quoteName(y.target)} in the other`
  }
  return 0
}

function firstOf(a: string, b: string): string {
  const [x, y] = [a.split('/'), b.split('/')]
  const at = x.findIndex((name, i) => name !== y[i])
  return compareEntryNames(x[at] ?? '', y[at] ?? '') < 0 ? a : b
}

async function compareContents(
  path: string,
  left: AsyncIterable<Uint8Array>,
  right: AsyncIterable<Uint8Array>
): Promise<number | string> {
  const [x, y] = [left[Symbol.asyncIterator](), right[Symbol.asyncIterator]()]
  try {
    return await compareStreams(path, x, y)
  } finally {
    await x.return?.()
    await y.return?.()
  }
}

/** Chunks may be cut differently on the two sides: what one side has too many waits for the next of the other. */
async function compareStreams(
  path: string,
  left: AsyncIterator<Uint8Array>,
  right: AsyncIterator<Uint8Array>
): Promise<number | string> {
  let offset = 0
  let x: Uint8Array | undefined = new Uint8Array(0)
  let y: Uint8Array | undefined = new Uint8Array(0)
  for (;;) {
    if (x?.length === 0) x = await nextChunk(left)
    if (y?.length === 0) y = await nextChunk(right)
    if (x === undefined && y === undefined) return offset
    if (x === undefined || y === undefined) return `${path} is longer in one tree, after ${offset} equal bytes`
    const size = Math.min(x.length, y.length)
    if (Buffer.compare(x.subarray(0, size), y.subarray(0, size)) !== 0) {
      return `${path} differs within the ${size} bytes at ${offset}`
    }
    offset += size
    x = x.subarray(size)
    y = y.subarray(size)
  }
}

/** The next chunk that is not empty, or `undefined` at the end. */
async function nextChunk(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  for (;;) {
    const next = await chunks.next()
    if (next.done === true) return undefined
    if (next.value.length > 0) return next.value
  }
}
