/**
 * Fetches public blocks, each bound by a range proof to a piece that its provider is paid for.
 *
 * The provider says where a block stands; its CARv1 section is read with a proof, and must begin with the block's CID. So
 * what is read is not only the right block, but comes from the bytes that are challenged every round.
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
  return createFailover({ providers, measurements, onFailure }, (provider, cids, signal) =>
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
  for (const [index, cid] of cids.entries()) {
    const place = answer.value.places[index]
    const piece = place === undefined || place === null ? undefined : known[place.piece]
    if (place === undefined || place === null || piece === undefined)
      throw notBound(`block ${cid} stands in none of the pieces that it is paid for`)
    const range = sectionOf(cid, place, piece)
    const components = { node, networkId, patience, now, measurements }
    const chunks: Uint8Array[] = []
    const read = { provider, addresses, piece, ...range, permission: undefined, nodeHasher, signal }
    for await (const chunk of readPieceRange(components, read)) chunks.push(chunk)
    yield await dataOf(cid, join(chunks, range.length), place.length)
  }
}

/** Where the CARv1 section of a block stands whose data is said to lie at a place. */
function sectionOf(cid: CID, { offset, length }: { readonly offset: number; readonly length: number }, piece: CID) {
  // No block is longer, whatever a provider says: what measures its section takes no such length.
  const prefix = length > BLOCK_SIZE_BYTES_MAX ? Number.POSITIVE_INFINITY : encodeSectionPrefix(cid, length).length
  const decoded = decodePieceCid(piece.bytes)
  const isWithin = decoded.ok && offset >= prefix && offset + length <= decoded.commitment.rawSize
  if (!isWithin) throw notBound(`names a place for block ${cid} that does not lie in its piece`)
  return { offset: offset - prefix, length: prefix + length }
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

function join(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  let filled = 0
  for (const chunk of chunks) {
    bytes.set(chunk, filled)
    filled += chunk.length
  }
  return bytes
}

function failed(reason: string): CoreError<'PROVIDER_FAILED'> {
  return new CoreError('PROVIDER_FAILED', reason)
}
