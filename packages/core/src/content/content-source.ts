/** What an app may hand over to be stored, as the entries that `packContent` reads. */
import { CoreError } from '../error.ts'
import type { SourceEntry } from './source-entry.ts'

/** Bytes of one file, in any form that a platform gives them. */
export type ByteSource = Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * One file as bytes, a tree as entries, or a CAR whose DAG is stored as it is. A stream is read once, so that a store
 * which is to be tried again needs it anew.
 */
export type ContentSource = ByteSource | TreeSource | CarSource

export interface TreeSource {
  /** Depth first, sorted by the UTF-8 bytes of names. */
  readonly entries: AsyncIterable<SourceEntry>
}

export interface CarSource {
  /** A CARv1 with one root. */
  readonly car: ByteSource
}

export function isCar(source: ContentSource): source is CarSource {
  return !isByteSource(source) && 'car' in source
}

/** The entries of a source that is no CAR: bytes are one file. */
export function entriesOf(source: Exclude<ContentSource, CarSource>): AsyncIterable<SourceEntry> {
  return isByteSource(source) ? oneFile(source) : source.entries
}

/** The bytes of a source, chunk by chunk. Chunks belong to whoever takes them. @throws {CoreError} `SOURCE_INVALID` */
export async function* bytesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    // A copy, because the packer takes what it is given, and the app may write to its bytes again.
    if (source.length > 0) yield source.slice()
    return
  }
  const chunks = source instanceof Blob ? source.stream() : source
  for await (const chunk of isStream(chunks) ? readStream(chunks) : chunks) {
    if (!(chunk instanceof Uint8Array))
      throw new CoreError('SOURCE_INVALID', `a source yields Uint8Array, not ${typeof chunk}`)
    if (chunk.length > 0) yield chunk
  }
}

function isByteSource(source: ContentSource): source is ByteSource {
  return source instanceof Uint8Array || source instanceof Blob || isStream(source) || Symbol.asyncIterator in source
}

function isStream(source: object): source is ReadableStream<Uint8Array> {
  return 'getReader' in source
}

/** Not every browser iterates over its streams. Leaving early cancels the stream. */
async function* readStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  let isOver = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      isOver = done
      if (done) return
      yield value
    }
  } finally {
    if (!isOver) await reader.cancel()
    reader.releaseLock()
  }
}

async function* oneFile(source: ByteSource): AsyncGenerator<SourceEntry> {
  yield { path: '', kind: 'file', content: bytesOf(source) }
}
