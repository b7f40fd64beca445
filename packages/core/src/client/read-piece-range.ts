/** Reads ranges of a piece at one provider: as they come, or each bound to the PieceCID before a byte of it is handed on. */
import { decodePieceCid, enclosingQuads, type NodeHasher, type PieceCommitment, verifyRange } from '@holdfast/proofs'
import type { Libp2p } from '@libp2p/interface'
import { machineClock } from '../clock.ts'
import { CoreError } from '../error.ts'
import { readRange } from '../protocols/definitions.ts'
import { download } from '../protocols/download.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import type { Address } from '../schema.ts'
import type { HttpSource } from './fetch-over-http.ts'
import { createMeasurements, type Measurements } from './measurements.ts'
import { type PieceRange, rangeOverHttp } from './range-over-http.ts'
import { openStopwatch } from './stopwatch.ts'
import { impatient, type Patience } from './transfer-terms.ts'

/** A proved range is held whole until its proof is checked. */
export const PROVED_STEP_SIZE_BYTES = 4 * 1024 * 1024

export interface RangeComponents {
  readonly node: Pick<Libp2p, 'dialProtocol'>
  readonly networkId: Uint8Array
  readonly measurements?: Measurements | undefined
  readonly patience?: Patience | undefined
  /** Default the machine's. */
  readonly now?: (() => number) | undefined
  /** For short ranges; libp2p alone when left out. */
  readonly http?: HttpSource | undefined
  /** Who gave no answer over HTTP, and is asked over libp2p from then on; asked both ways each time when left out. */
  readonly withoutWeb?: Set<Address> | undefined
}

/** Of at least 1 byte. */
export interface RangeRequest extends PieceRange {
  readonly provider: Address
  /** Checks with it that the bytes lie in this place of this piece; without one nothing is checked. */
  readonly nodeHasher?: NodeHasher | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Yields exactly the range, in chunks that belong to the caller.
 *
 * @throws {CoreError} `PROVIDER_FAILED` when the provider refuses, is silent or too slow, ends early, or sends what is not
 * the piece
 */
export async function* readPieceRange(components: RangeComponents, request: RangeRequest): AsyncGenerator<Uint8Array> {
  if (request.nodeHasher === undefined) {
    yield* readPlain(components, request)
    return
  }
  const decoded = decodePieceCid(request.piece.bytes)
  if (!decoded.ok) throw failed(`${request.piece} names no piece (${decoded.reason})`)
  const end = request.offset + request.length
  for (let offset = request.offset; offset < end; offset += PROVED_STEP_SIZE_BYTES) {
    const length = Math.min(PROVED_STEP_SIZE_BYTES, end - offset)
    yield await readProved(components, { ...request, offset, length }, decoded.commitment, request.nodeHasher)
  }
}

async function* readPlain(components: RangeComponents, request: RangeRequest): AsyncGenerator<Uint8Array> {
  if (yield* readByWeb(components, request)) return
  const { header, chunks } = await open(components, request, false)
  if (header.offset !== request.offset || header.length !== request.length) {
    await chunks.return(undefined)
    throw failed('answered for another range')
  }
  let left = request.length
  for await (const chunk of chunks) {
    if (chunk.length > left) throw failed('sent more than was asked for')
    left -= chunk.length
    yield chunk
  }
  if (left > 0) throw failed(`ended ${left} bytes early`)
}

/** @returns whether the provider gave it; where not, libp2p is the way to ask */
async function* readByWeb(
  { http, withoutWeb, measurements = createMeasurements(), patience = {}, now = machineClock.now }: RangeComponents,
  request: RangeRequest
): AsyncGenerator<Uint8Array, boolean> {
  const { provider, length, signal } = request
  if (http === undefined || withoutWeb?.has(provider) === true) return false
  const { timeoutMs, idleTimeoutMs, chunkSizeBytesMax } = impatient(readRange, patience)
  const wholeTimeoutMs = Math.ceil(length / chunkSizeBytesMax) * idleTimeoutMs
  const askedMs = now()
  let answeredMs: number | undefined
  let lastMs = askedMs
  let bytes = 0
  const source = rangeOverHttp(http, request, {
    timeoutMs,
    wholeTimeoutMs,
    signal,
    onAnswer() {
      answeredMs = now()
      measurements.record(provider, { kind: 'latency', ms: answeredMs - askedMs })
    },
    onBytes(filled) {
      lastMs = now()
      bytes = filled
    }
  })
  try {
    const answer = yield* source
    if (answer?.ok === true) return true
    if (answer?.isFailure === true) throw failed(answer.reason)
    if (answer !== undefined) withoutWeb?.add(provider)
    return false
  } finally {
    if (answeredMs !== undefined && bytes > 0)
      measurements.record(provider, { kind: 'download', bytes, ms: lastMs - answeredMs })
  }
}

async function readProved(
  components: RangeComponents,
  request: RangeRequest,
  commitment: PieceCommitment,
  nodeHasher: NodeHasher
): Promise<Uint8Array> {
  const range = { offset: request.offset, size: request.length }
  const quads = enclosingQuads(range, commitment.rawSize)
  const { header, chunks } = await open(components, request, true)
  if (header.offset !== quads.offset || header.length !== quads.size) {
    await chunks.return(undefined)
    throw failed('answered for another range')
  }
  const bytes = new Uint8Array(quads.size)
  let filled = 0
  for await (const chunk of chunks) {
    if (chunk.length > bytes.length - filled) throw failed('sent more than was asked for')
    bytes.set(chunk, filled)
    filled += chunk.length
  }
  if (filled < bytes.length) throw failed(`ended ${bytes.length - filled} bytes early`)
  const verdict = verifyRange({ commitment, range, bytes, nodes: header.nodes, nodeHasher })
  if (!verdict.ok) throw notBound(`sent bytes that do not lie in piece ${request.piece} (${verdict.reason})`)
  const start = range.offset - quads.offset
  return bytes.subarray(start, start + range.size)
}

/** Opens the download, and measures it: how soon it begins, and how fast it is while somebody waits for it. */
async function open(
  { node, networkId, measurements = createMeasurements(), patience = {}, now = machineClock.now }: RangeComponents,
  { provider, addresses, piece, offset, length, permission, signal }: RangeRequest,
  proof: boolean
) {
  const askedMs = now()
  const answer = await download(
    node,
    parsePeerAddresses(addresses),
    impatient(readRange, patience),
    { piece, offset, length, permission: permission ?? null, proof },
    { networkId, keepsStreamAfter: ({ length }) => length, ...(signal !== undefined && { signal }) }
  )
  if (answer.kind !== 'answer')
    throw failed(answer.kind === 'refused' ? `${answer.message} (${answer.code})` : answer.reason)
  measurements.record(provider, { kind: 'latency', ms: now() - askedMs })
  const { header, chunks } = answer.value
  const watch = openStopwatch(now)
  async function* measured(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    try {
      for await (const chunk of watch.time(chunks)) {
        bytes += chunk.length
        yield chunk
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof CoreError ? failed(error.message, error) : error
    } finally {
      if (bytes > 0) measurements.record(provider, { kind: 'download', bytes, ms: watch.elapsedMs })
    }
  }
  return { header, chunks: leavable(measured(), chunks) }
}

/** A generator that is left before its first step would not close what it iterates over. */
function leavable(outer: AsyncGenerator<Uint8Array>, inner: AsyncIterator<Uint8Array>) {
  const leave = outer.return.bind(outer)
  return Object.assign(outer, {
    async return(value: unknown) {
      const left = await leave(value)
      await inner.return?.()
      return left
    }
  })
}

/** The provider answered, and what it said does not bind the bytes to the piece: more than silence or a refusal. */
export function notBound(reason: string): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason, { isNotBound: true })
}

/** Whether a provider's answer, and not its silence, is what failed. */
export function isNotBound(error: unknown): boolean {
  return error instanceof CoreError && error.code === 'PROVIDER_FAILED' && error.details.isNotBound === true
}

function failed(reason: string, cause?: unknown): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason, {}, { cause })
}
