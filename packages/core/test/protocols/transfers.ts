/** A bulk protocol, and sources and sinks that count. */
import { z } from 'zod'
import type { BulkProtocol, Refusal, Reply } from '../../src/protocols/protocol.ts'
import type { UploadSink } from '../../src/protocols/upload.ts'

export const CHUNK_SIZE_BYTES = 16 * 1024

export interface Named {
  name: string
}
export interface Sized {
  sizeBytes: number
}

export const TRANSFER: BulkProtocol<Named, Sized> = {
  id: '/holdfast/transfer/1',
  request: z.object({ name: z.string() }),
  response: z.object({ sizeBytes: z.number() }),
  requestSizeBytesMax: 1024,
  responseSizeBytesMax: 1024,
  timeoutMs: 10_000,
  streamsInboundMax: 8,
  chunkSizeBytesMax: CHUNK_SIZE_BYTES,
  chunksInFlightMax: 3,
  idleTimeoutMs: 10_000
}

/** Bytes that differ at every offset that matters. */
export function patternOf(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + (index >> 8) * 7) % 251)
}

/** A source of equal chunks that counts what was pulled and notices when it is left. */
export function openSource(bytes: Uint8Array, chunkSizeBytes = CHUNK_SIZE_BYTES) {
  const source = {
    calls: 0,
    pulledBytes: 0,
    closed: Promise.withResolvers<void>(),
    async *from(offset: number): AsyncGenerator<Uint8Array> {
      source.calls++
      try {
        for (let at = offset; at < bytes.length; at += chunkSizeBytes) {
          const chunk = bytes.subarray(at, at + chunkSizeBytes)
          source.pulledBytes += chunk.length
          yield chunk
        }
      } finally {
        source.closed.resolve()
      }
    }
  }
  return source
}

/** A sink in memory that keeps the order of its calls. */
export class MemorySink implements UploadSink<Sized> {
  readonly offset: number
  readonly calls: string[] = []
  readonly ended = Promise.withResolvers<unknown>()
  received: Uint8Array[] = []
  receivedBytes = 0
  /** what happens instead of, or before, the taking of a chunk */
  onWrite: (chunk: Uint8Array) => Promise<Refusal | undefined> = async () => undefined
  onFinish: (totalBytes: number) => Promise<Reply<Sized>> = async sizeBytes => ({ ok: true, value: { sizeBytes } })

  constructor(offset = 0) {
    this.offset = offset
  }

  async write(chunk: Uint8Array): Promise<Refusal | undefined> {
    this.calls.push('write')
    const refusal = await this.onWrite(chunk)
    if (refusal !== undefined) return refusal
    this.received.push(chunk.slice())
    this.receivedBytes += chunk.length
    return undefined
  }

  async finish(totalBytes: number): Promise<Reply<Sized>> {
    this.calls.push('finish')
    return await this.onFinish(totalBytes)
  }

  async abort(reason: unknown): Promise<void> {
    this.calls.push('abort')
    this.ended.resolve(reason)
  }

  get endings(): string[] {
    return this.calls.filter(call => call !== 'write')
  }
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
