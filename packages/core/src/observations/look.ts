/**
 * One look at a provider, over a connection that was opened for it: a read as any reader reads, or a check that a block of
 * a public object stands in the pieces that are paid for.
 *
 * Both run the code of the client, request for request. What its provider can tell from the wire is what it can tell of any
 * reader: the object, the range, the address that the connection comes from.
 */
import type { NodeHasher } from '@holdfast/proofs'
import type { Libp2p } from '@libp2p/interface'
import { createBlockFetcher } from '../client/fetch-blocks.ts'
import { fetchBoundBlocks } from '../client/fetch-bound-blocks.ts'
import type { HttpSource } from '../client/fetch-over-http.ts'
import type { Measurements } from '../client/measurements.ts'
import { isNotBound } from '../client/read-piece-range.ts'
import type { Patience } from '../client/transfer-terms.ts'
import { inlineBlock } from '../content/block.ts'
import type { FetchBlocks } from '../content/block-reader.ts'
import { readBytes } from '../content/read-path.ts'
import { CoreError } from '../error.ts'
import { type Sample, UNMEASURED } from '../placement/measurement.ts'
import { PIECES_PER_LOOKUP_MAX } from '../protocols/definitions.ts'
import type { Draw } from '../rounds/draw.ts'
import { cutReason, type ObservationOf } from './observation.ts'
import type { ObservedObject } from './plan-observation.ts'
import { type FetchBlock, fractionOf, walkToFile, walkToLeaf } from './walk.ts'

export interface LookComponents {
  /** Of a key that nobody knows: one look is all that it is for. */
  readonly node: Pick<Libp2p, 'dialProtocol'>
  /** As readers have it; without one a look reads as those do who speak no TCP. */
  readonly http: HttpSource | undefined
  readonly networkId: Uint8Array
  readonly nodeHasher: NodeHasher
  readonly now: () => number
  readonly patience?: Patience
}

/** An observation but for whom it is of, and when. */
export type Seen<Kind extends 'read' | 'binding'> = Omit<
  ObservationOf<Kind>,
  'provider' | 'dealId' | 'round' | 'timeMs'
>

/**
 * Reads a random range of a random file of an object, as `get` does with an offset and a length.
 *
 * Content that is not sound is its client's fault: of it, what came and what it took is counted, and it is a read.
 *
 * @param lengthBytes - at most so many bytes of content; the nodes above them come on top
 * @throws the signal's reason
 */
export async function lookByReading(
  components: LookComponents,
  object: ObservedObject,
  { lengthBytes, draw, signal }: { readonly lengthBytes: number; readonly draw: Draw; readonly signal: AbortSignal }
): Promise<Seen<'read'>> {
  const { node, http, networkId, now, patience = {} } = components
  const meter = createMeter()
  let reason: string | undefined
  const fetchBlocks = remembering(
    createBlockFetcher({
      node,
      http,
      networkId,
      providers: [object],
      measurements: meter.measurements,
      patience,
      now,
      onFailure: failure => {
        reason = failure.reason
      }
    })
  )
  try {
    const found = await walkToFile(object.root, cid => fetchBlocks.one(cid, signal), draw)
    if (found !== undefined) {
      const length = Math.min(lengthBytes, found.sizeBytes)
      const offset = Math.floor(fractionOf(draw) * (found.sizeBytes - length + 1))
      const range = { path: found.path, offset, length }
      for await (const _ of readBytes({ root: object.root, fetchBlocks: fetchBlocks.all, ...range, signal }));
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof CoreError)) throw error
  }
  const outcome = reason === undefined ? 'read' : 'failed'
  return { kind: 'read', outcome, ...meter.sum(), ...(reason !== undefined && { reason: cutReason(reason) }) }
}

/**
 * Walks from the root of a public object to a random leaf of it, and has every block on the way shown in the deal's pieces by
 * a range proof: the CIDs bind them to the object, the proofs to what is challenged and paid for.
 *
 * A provider that says it knows no place for a block is *not bound*: it answered, and did not show what it is paid for.
 *
 * @throws the signal's reason
 */
export async function lookForBinding(
  components: LookComponents,
  object: ObservedObject,
  { draw, signal }: { readonly draw: Draw; readonly signal: AbortSignal }
): Promise<Seen<'binding'>> {
  const meter = createMeter()
  const options = { ...components, measurements: meter.measurements }
  const fetchBlock: FetchBlock = async cid => {
    let lastError: unknown
    for (let from = 0; from === 0 || from < object.pieces.length; from += PIECES_PER_LOOKUP_MAX) {
      const provider = { ...object, pieces: object.pieces.slice(from, from + PIECES_PER_LOOKUP_MAX) }
      try {
        for await (const block of fetchBoundBlocks(options, provider, [cid], signal)) return block
      } catch (error) {
        if (!isNotBound(error)) throw error
        lastError = error
      }
    }
    throw lastError
  }
  try {
    const blocks = await walkToLeaf(object.root, fetchBlock, draw)
    if (blocks > 0) return { kind: 'binding', outcome: 'bound', bytes: meter.bytes }
    return {
      kind: 'binding',
      outcome: 'not bound',
      ...meter.sum(),
      reason: 'its label is no CID whose hash can be checked'
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof CoreError)) throw error
    const outcome = isNotBound(error) ? 'not bound' : 'no answer'
    return { kind: 'binding', outcome, bytes: meter.bytes, reason: cutReason(error.message) }
  }
}

/** Adds up what one look saw. */
function createMeter(): {
  readonly measurements: Measurements
  readonly bytes: number
  sum(): Pick<Seen<'read'>, 'bytes' | 'firstByteMs' | 'transferMs'>
} {
  let firstByteMs: number | undefined
  let transferMs: number | undefined
  let bytes = 0
  const record = (sample: Sample) => {
    if (sample.kind === 'latency') firstByteMs ??= sample.ms
    if (sample.kind !== 'download') return
    bytes += sample.bytes
    transferMs = (transferMs ?? 0) + sample.ms
  }
  return {
    measurements: {
      of: () => UNMEASURED,
      record: (_, sample) => record(sample),
      snapshot: () => new Map()
    },
    get bytes() {
      return bytes
    },
    sum: () => ({
      bytes,
      ...(firstByteMs !== undefined && { firstByteMs }),
      ...(transferMs !== undefined && { transferMs })
    })
  }
}

/** The blocks of the way down are kept: a reader who knows where it reads asks for none of them twice. */
function remembering(fetchBlocks: FetchBlocks) {
  const known = new Map<string, Uint8Array>()

  async function one(cid: Parameters<FetchBlock>[0], signal: AbortSignal): Promise<Uint8Array> {
    const inline = inlineBlock(cid)
    if (inline !== undefined) return inline
    for await (const block of fetchBlocks([cid], { signal })) {
      known.set(cid.toString(), block)
      return block
    }
    throw new CoreError('BLOCK_MISSING', `block ${cid} did not come`)
  }

  const all: FetchBlocks = Object.assign(
    async function* (...[cids, options]: Parameters<FetchBlocks>): AsyncGenerator<Uint8Array> {
      const kept = cids.map(cid => known.get(cid.toString()))
      if (!kept.includes(undefined)) yield* kept as Uint8Array[]
      else yield* fetchBlocks(cids, options)
    },
    { isChecked: fetchBlocks.isChecked === true }
  )
  return { one, all }
}
