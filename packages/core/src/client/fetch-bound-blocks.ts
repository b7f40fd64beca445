/**
 * Fetches public blocks, each bound by a range proof to a piece that its provider is paid for.
 *
 * The provider says where blocks stand; their CARv1 sections are read with a proof, those that lie side by side as one
 * range, and each must begin with its block's CID. So what is read is not only the right block, but comes from the bytes
 * that are challenged every round.
 */
import { decodePieceCid, type NodeHasher } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { machineClock } from '../clock.ts'
import { BLOCK_SIZE_BYTES_MAX, checkBlock, encodeSectionPrefix, type FetchBlocks } from '../content/index.ts'
import { CoreError } from '../error.ts'
import { locateBlocks, PIECES_PER_LOOKUP_MAX } from '../protocols/definitions.ts'
import { request } from '../protocols/engine.ts'
import { parsePeerAddresses } from '../protocols/peer-addresses.ts'
import { type BlockProvider, createFailover, type FetchOptions } from './fetch-blocks.ts'
import { createMeasurements } from './measurements.ts'
import { notBound, readPieceRange } from './read-piece-range.ts'
import { impatient } from './transfer-terms.ts'

/** A provider, and the pieces of the object that stand in its deal. */
export interface BoundProvider extends BlockProvider {
  readonly pieces: readonly CID[]
}

export interface FetchBoundOptions extends Omit<FetchOptions, 'providers'> {
  readonly providers: readonly BoundProvider[]
  readonly nodeHasher: NodeHasher
}

/** @returns a source of blocks that are checked, and bound to the providers' pieces */
export function createBoundBlockFetcher(options: FetchBoundOptions): FetchBlocks {
  const { providers, measurements = createMeasurements(), onFailure = () => undefined } = options
  return createFailover({ providers, measurements, onFailure }, (provider, cids, { signal }) =>
    fetchBoundBlocks({ ...options, measurements }, provider, cids, signal)
  )
}

/**
 * The blocks of one provider, each bound to one of its pieces; of these, the first `PIECES_PER_LOOKUP_MAX` are looked through.
 *
 * @throws {CoreError} `PROVIDER_FAILED`; see `isNotBound`
 */
export async function* fetchBoundBlocks(
  options: Omit<FetchBoundOptions, 'providers' | 'onFailure'>,
  { provider, addresses, pieces }: BoundProvider,
  cids: readonly CID[],
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array> {
  const { node, networkId, patience = {}, nodeHasher, now = machineClock.now, measurements } = options
  const known = pieces.slice(0, PIECES_PER_LOOKUP_MAX)
  const message = { cids: [...cids], pieces: known }
  const answer = await request(node, parsePeerAddresses(addresses), impatient(locateBlocks, patience), message, {
    networkId,
    ...(signal !== undefined && { signal })
  })
  if (answer.kind !== 'answer')
    throw failed(answer.kind === 'refused' ? `${answer.message} (${answer.code})` : answer.reason)
  const sections: Section[] = []
  let fault: CoreError | undefined
  for (const [index, cid] of cids.entries()) {
    const section = sectionOf(cid, answer.value.places[index] ?? undefined, known)
    if (section instanceof CoreError) {
      fault = section
      break
    }
    sections.push(section)
  }
  for (const run of runsOf(sections)) {
    const { piece, offset } = run[0]!
    const last = run.at(-1)!
    const length = last.offset + last.length - offset
    const components = { node, networkId, patience, now, measurements }
    const read = { provider, addresses, piece, offset, length, permission: undefined, nodeHasher, signal }
    yield* cutSections(readPieceRange(components, read), run)
  }
  // What stands before it is good all the same.
  if (fault !== undefined) throw fault
}

/** Where a block's CARv1 section is said to stand. */
interface Section {
  readonly cid: CID
  readonly piece: CID
  readonly offset: number
  readonly length: number
  /** Of the block alone. */
  readonly dataLength: number
}

/** Bytes between two sections that are read along rather than proved apart. */
const GAP_BYTES_MAX = 64 * 1024

/** Those that are asked for one behind the other, and also stand so: a file's leaves, mostly. */
function runsOf(sections: readonly Section[]): Section[][] {
  const runs: Section[][] = []
  for (const section of sections) {
    const run = runs.at(-1)
    const before = run?.at(-1)
    const gap = before === undefined ? -1 : section.offset - (before.offset + before.length)
    if (run !== undefined && before?.piece.equals(section.piece) && gap >= 0 && gap <= GAP_BYTES_MAX) run.push(section)
    else runs.push([section])
  }
  return runs
}

/** The blocks of a run, from the bytes of the piece that begin with its first section. */
async function* cutSections(chunks: AsyncIterable<Uint8Array>, run: readonly Section[]): AsyncGenerator<Uint8Array> {
  let position = run[0]!.offset
  let next = 0
  let bytes = new Uint8Array(run[0]!.length)
  let filled = 0
  for await (const chunk of chunks) {
    for (let section = run[next]; section !== undefined; section = run[next]) {
      const at = section.offset + filled - position
      if (at >= chunk.length) break
      const part = chunk.subarray(at, at + section.length - filled)
      bytes.set(part, filled)
      filled += part.length
      if (filled < section.length) break
      yield await dataOf(section.cid, bytes, section.dataLength)
      next += 1
      bytes = new Uint8Array(run[next]?.length ?? 0)
      filled = 0
    }
    position += chunk.length
  }
}

/** @returns the error to throw when the place cannot be the block's */
function sectionOf(
  cid: CID,
  place: { readonly piece: number; readonly offset: number; readonly length: number } | undefined,
  pieces: readonly CID[]
): Section | CoreError {
  const piece = place === undefined ? undefined : pieces[place.piece]
  if (place === undefined || piece === undefined)
    return notBound(`block ${cid} stands in none of the pieces that it is paid for`)
  const { offset, length } = place
  // No block is longer, whatever a provider says: what measures its section takes no such length.
  const prefix = length > BLOCK_SIZE_BYTES_MAX ? Number.POSITIVE_INFINITY : encodeSectionPrefix(cid, length).length
  const decoded = decodePieceCid(piece.bytes)
  const isWithin = decoded.ok && offset >= prefix && offset + length <= decoded.commitment.rawSize
  if (!isWithin) return notBound(`names a place for block ${cid} that does not lie in its piece`)
  return { cid, piece, offset: offset - prefix, length: prefix + length, dataLength: length }
}

async function dataOf(cid: CID, section: Uint8Array, length: number): Promise<Uint8Array> {
  const prefix = encodeSectionPrefix(cid, length)
  const data = section.subarray(prefix.length)
  const isSection = prefix.every((byte, index) => byte === section[index])
  if (!isSection) throw notBound(`there is no section of block ${cid} at the place that it names`)
  const verdict = await checkBlock(cid, data)
  if (!verdict.ok) throw notBound(`sent bytes that are not ${cid} (${verdict.reason})`)
  return data
}

function failed(reason: string): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason)
}
