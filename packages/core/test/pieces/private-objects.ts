/** Private objects in memory: packed, their replicas stored, read back. */
import { portableNodeHasher } from '@holdfast/proofs'
import type { FetchBlocks, SourceEntry } from '../../src/content/index.ts'
import { CoreError } from '../../src/error.ts'
import type { PieceReplica } from '../../src/pieces/frame-reader.ts'
import {
  openPrivateObject,
  type PackPrivateOptions,
  type PrivateContent,
  type PrivateObject,
  packPrivate,
  portablePieceCiphers,
  type ReplicaFailure
} from '../../src/pieces/index.ts'
import { deriveObjectKeys, type ReplicaPlace } from '../../src/pieces/object-keys.ts'
import type { ObjectReference } from '../../src/pieces/reference.ts'
import { type ReplicaLayer, readReplica } from '../../src/pieces/replica-layer.ts'
import { gather, MemoryPieces, sourceOf } from '../content/memory-content.ts'

export const SECRET = Uint8Array.from({ length: 32 }, (_, index) => 255 - index)

export async function* chunked(bytes: Uint8Array, size = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

export const join = (chunks: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(chunks))

/** Compares large arrays faster than a matcher, which looks at every element. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0)
    throw new Error(`got ${actual.length} bytes that are not the ${expected.length} expected`)
}

/** Bytes without a pattern, the same for the same seed. */
export function noise(sizeBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  const key = new Uint8Array(32).fill(seed)
  portablePieceCiphers.keystream(key, 0).xor(bytes)
  return bytes
}

/** What lies at providers: `change` may spoil what a replica answers. */
export type Spoil = (bytes: Uint8Array, place: ReplicaPlace, offset: number) => Uint8Array | 'throws'

export class PrivateFixture {
  readonly content: PrivateContent
  readonly reference: ObjectReference
  /** Inner pieces. */
  readonly inner: readonly Uint8Array[]
  readonly layer: ReplicaLayer
  /** Ranges that were read, in order. */
  readonly reads: Array<ReplicaPlace & { offset: number; length: number }> = []
  readonly failures: ReplicaFailure[] = []
  spoil: Spoil = bytes => bytes

  constructor(
    content: PrivateContent,
    inner: readonly Uint8Array[],
    options: Pick<PackPrivateOptions, 'secret' | 'layout'>
  ) {
    const { secret, layout } = options
    this.content = content
    this.inner = inner
    this.reference = { root: content.root, secret, layout, pieceCount: inner.length }
    this.layer = { ciphers: portablePieceCiphers, layout, repairKey: deriveObjectKeys(secret).repairKey }
  }

  /** The whole piece of a replica as its provider stores it. */
  async stored(place: ReplicaPlace): Promise<Uint8Array> {
    return join(await gather(readReplica({ ...this.layer, place, inner: chunked(this.inner[place.piece]!) })))
  }

  replica(place: ReplicaPlace): PieceReplica {
    const fixture = this
    return {
      replica: place.replica,
      async *read(offset, length) {
        fixture.reads.push({ ...place, offset, length })
        const inner = chunked(fixture.inner[place.piece]!.subarray(offset, offset + length))
        let at = offset
        for await (const chunk of readReplica({ ...fixture.layer, place, inner, offset })) {
          const spoiled = fixture.spoil(chunk, place, at)
          if (spoiled === 'throws') throw new CoreError('PROVIDER_FAILED', 'went away')
          yield spoiled
          at += chunk.length
        }
      }
    }
  }

  open(replicaCount = 2, reference: ObjectReference = this.reference): PrivateObject {
    return openPrivateObject({
      reference,
      ciphers: portablePieceCiphers,
      onFailure: failure => this.failures.push(failure),
      locatePiece: async piece => [
        {
          sizeBytes: this.inner[piece]!.length,
          replicas: () => Array.from({ length: replicaCount }, (_, replica) => this.replica({ replica, piece }))
        }
      ]
    })
  }

  get fetchBlocks(): FetchBlocks {
    return this.open().fetchBlocks
  }
}

export async function packPrivateTree(
  entries: Iterable<SourceEntry>,
  options: Partial<PackPrivateOptions> = {}
): Promise<PrivateFixture> {
  const pieces = new MemoryPieces()
  const { secret = SECRET, layout = 'distinct' } = options
  const content = await packPrivate({
    source: { entries: sourceOf(entries) },
    openPiece: pieces.openPiece,
    nodeHasher: portableNodeHasher,
    ciphers: portablePieceCiphers,
    replicaCount: 0,
    ...options,
    secret,
    layout
  })
  return new PrivateFixture(content, pieces.bytes, { secret, layout })
}
