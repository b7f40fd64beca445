/** Serves ranges of pieces: to whoever may read them, and only bytes that are still the piece's. */
import {
  addressOfPeer,
  type createKnownPermissions,
  type HandlerContext,
  type Holding,
  type LedgerState,
  mayRead,
  PROVED_RANGE_SIZE_BYTES_MAX,
  type ReadRequest,
  type Refusal,
  type Reply,
  type readRange,
  refuse,
  refuseMidway,
  statementDigestOf
} from '@holdfast/core'
import { enclosingQuads, proveRange } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import type { z } from 'zod'
import { PeerError } from '../error.ts'
import type { StoredPiece } from '../storage/index.ts'
import type { VerifiedReader } from '../storage/verified-reader.ts'
import type { ProviderComponents } from './components.ts'
import { labelOf } from './piece-label.ts'
import { returning } from './transfer-budget.ts'

type RangeRequest = z.output<typeof readRange.request>

export interface RangeServing
  extends Pick<ProviderComponents, 'store' | 'ledger' | 'signatures' | 'terms' | 'budget' | 'nodeHasher'> {
  readonly reader: VerifiedReader
  readonly knownPermissions: ReturnType<typeof createKnownPermissions>
}

interface OpenedRange {
  readonly header: z.output<typeof readRange.response>
  readonly chunks: AsyncIterable<Uint8Array>
  /** Closes the piece's file, also when no chunk was ever asked for. */
  readonly release: () => void
}

export async function openRange(
  components: RangeServing,
  request: RangeRequest,
  context: HandlerContext
): Promise<Reply<OpenedRange>> {
  const { permission } = request
  const asking = { piece: request.piece, reader: addressOfPeer(context.remotePeer), permission }
  const piece = await readablePiece(components, asking)
  // One answer for what is not here and for what is not yours, so that nobody learns which of the two it is.
  if (piece === undefined) return refuse('PIECE_MISSING', `I have no piece ${request.piece} for you`)
  const { offset, length, proof } = request
  const isProvable = !proof || length <= PROVED_RANGE_SIZE_BYTES_MAX
  if (!isProvable || offset + length > piece.rawSize)
    return refuse(
      'BAD_RANGE',
      `the piece has ${piece.rawSize} bytes, of which ${PROVED_RANGE_SIZE_BYTES_MAX} are proved`
    )
  const taken = components.budget.take(context.remotePeer.toString(), length, context.cut)
  if (!taken.ok) return taken
  try {
    const opened = await openVerified(components, piece, request)
    return {
      ok: true,
      value: { ...opened, chunks: returning(opened.chunks, taken, context.signal) }
    }
  } catch (error) {
    taken.giveBack()
    const refusal = refusalOf(error)
    if (refusal === undefined) throw error
    return refusal
  }
}

/** @returns a piece that is here, and may be read by who asks */
export async function readablePiece(
  { store, ledger, signatures, terms, knownPermissions }: Omit<RangeServing, 'budget' | 'nodeHasher' | 'reader'>,
  { piece: cid, reader, permission }: Pick<ReadRequest, 'reader' | 'permission'> & { readonly piece: CID }
): Promise<StoredPiece | undefined> {
  const piece = await store.get(cid)
  if (piece === undefined || piece.isDenied) return undefined
  const { state } = ledger
  const isReadable = mayRead(
    {
      isPublic: piece.isPublic,
      holdings: holdingsOf(state, piece),
      provider: terms.address,
      reader,
      permission,
      round: state.round,
      statementRoundsMax: state.parameters.statementRoundsMax
    },
    { digestOf: statementDigestOf(state), verifier: signatures, known: knownPermissions }
  )
  return isReadable ? piece : undefined
}

/** The deals that hold a piece or brought it, with what the ledger calls it in each. */
function holdingsOf(state: LedgerState, { cid, holders }: StoredPiece): Holding[] {
  return holders.flatMap(({ dealId }) => {
    const deal = state.deals.get(Number(dealId))
    if (deal === undefined) return []
    const piece = deal.pieces.find(candidate => candidate.cid.equals(cid))
    return [{ client: deal.client, label: piece === undefined ? undefined : labelOf(piece) }]
  })
}

/** Reads the first bytes before it answers, so that damage at the front is a plain refusal. */
async function openVerified(
  { nodeHasher, reader }: RangeServing,
  { cid, rawSize }: StoredPiece,
  { offset, length, proof }: RangeRequest
): Promise<OpenedRange> {
  const piece = reader.open(cid, rawSize)
  const wanted = { offset, size: length }
  const { read } = piece
  const range = proof ? enclosingQuads(wanted, rawSize) : wanted
  const nodes = proof
    ? await proveRange({ read, commitment: { rawSize }, layer: await piece.layer(), nodeHasher, range: wanted })
    : new Uint8Array(0)
  const source = piece.stream(range.offset, range.size)
  const first = await source.next()
  const header = { offset: range.offset, length: range.size, nodes }
  return { header, chunks: continued(first, source), release: () => void source.return(undefined) }
}

async function* continued(
  first: IteratorResult<Uint8Array>,
  rest: AsyncGenerator<Uint8Array>
): AsyncGenerator<Uint8Array> {
  try {
    if (first.done !== true) yield first.value
    yield* rest
  } catch (error) {
    const refusal = refusalOf(error)
    throw refusal === undefined ? error : refuseMidway(refusal)
  }
}

/** @returns undefined for what is no fault of the disk */
export function refusalOf(error: unknown): Refusal | undefined {
  const isDamaged = error instanceof PeerError && (error.code === 'PIECE_DAMAGED' || error.code === 'PIECE_MISSING')
  return isDamaged ? refuse('DAMAGED', 'my disk no longer has these bytes: read them elsewhere') : undefined
}
