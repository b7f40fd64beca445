/** Takes the bytes of a piece: only from the client of a deal, only what it could pay for, only as there is room. */
import { hash } from 'node:crypto'
import {
  addressOfPeer,
  type Deal,
  type HandlerContext,
  judgeUpload,
  type Reply,
  refuse,
  type UploadSink
} from '@holdfast/core'
import { PIECE_SIZE_BYTES_MAX } from '@holdfast/proofs'
import type { CID } from 'multiformats/cid'
import { PeerError } from '../error.ts'
import type { PieceStore, PieceWriter, ReceiveRequest, StoredPiece } from '../storage/index.ts'
import { awaitDeal } from './await-deal.ts'
import type { ProviderComponents } from './components.ts'
import type { TransferRoom } from './transfer-budget.ts'

export interface UploadRequest {
  readonly dealId: number
  readonly sizeBytes: number
  readonly uploadId?: string | undefined
  /** A lost piece of the deal that these bytes are. */
  readonly mends?: CID | undefined
}

type Stored = { readonly cid: CID; readonly rawSize: number }

export async function acceptUpload(
  components: ProviderComponents,
  request: UploadRequest,
  context: HandlerContext
): Promise<Reply<UploadSink<Stored>>> {
  const deal = await findClientsDeal(components, request.dealId, context)
  if (!deal.ok) return deal
  const taken = components.budget.take(context.remotePeer.toString(), request.sizeBytes, context.cut)
  if (!taken.ok) return taken
  try {
    const { mends } = request
    const room =
      mends === undefined
        ? await reserveRoom(components, deal.value, request)
        : await reserveMend(components, deal.value, mends, request.sizeBytes)
    if (!room.ok) {
      taken.giveBack()
      return room
    }
    const sink = openSink(room.value, request.sizeBytes, mends)
    return {
      ok: true,
      value: timed(sink, taken, stored => {
        if (stored && mends !== undefined) components.lost?.mended(mends.toString())
        taken.giveBack()
      })
    }
  } catch (error) {
    taken.giveBack()
    throw error
  }
}

/** The open deal of the peer that asks, as soon as the ledger here knows it. */
export async function findClientsDeal(
  { ledger, clock, terms }: Pick<ProviderComponents, 'ledger' | 'clock' | 'terms'>,
  dealId: number,
  { remotePeer, signal }: HandlerContext
): Promise<Reply<Deal>> {
  await awaitDeal(ledger, clock, dealId, signal)
  const deal = ledger.state.deals.get(dealId)
  if (deal === undefined || deal.provider !== terms.address || deal.status !== 'active')
    return refuse('NO_DEAL', `I have no open deal ${dealId}`)
  if (addressOfPeer(remotePeer) !== deal.client) return refuse('NOT_A_PARTY', `deal ${dealId} is not yours`)
  return { ok: true, value: deal }
}

/** What there is for an upload: somewhere to write it, or the piece that it was already. */
export type Room = { readonly writer: PieceWriter } | { readonly piece: StoredPiece }

/** Reserves the room for a piece, of which some may be here already; nobody's bytes are counted against them twice. */
export async function reserveRoom(
  { store, ledger, leaseLimits }: Pick<ProviderComponents, 'store' | 'ledger' | 'leaseLimits'>,
  deal: Deal,
  { sizeBytes, uploadId }: Pick<UploadRequest, 'sizeBytes' | 'uploadId'>
): Promise<Reply<Room>> {
  if (sizeBytes > PIECE_SIZE_BYTES_MAX)
    return refuse('PIECE_TOO_LARGE', `a piece has at most ${PIECE_SIZE_BYTES_MAX} bytes, not ${sizeBytes}`)
  const leases = store.leases().map(lease => ({ ...lease, dealId: Number(lease.dealId) }))
  const refusal = judgeUpload(deal, sizeBytes, leases, leaseLimits, ledger.state)
  if (refusal !== undefined) return refusal
  return await openRoom(store, { sizeBytes, dealId: String(deal.id), ...(uploadId !== undefined && { uploadId }) })
}

/** Room for a piece that was lost here: it had it before, so neither quota nor leases are asked. One upload at a time. */
async function reserveMend(
  { store, lost }: Pick<ProviderComponents, 'store' | 'lost'>,
  deal: Deal,
  mends: CID,
  sizeBytes: number
): Promise<Reply<Room>> {
  const piece = mends.toString()
  const isOfDeal = deal.pieces.some(({ cid, rawSize }) => cid.equals(mends) && rawSize === sizeBytes)
  if (!isOfDeal || lost?.list().includes(piece) !== true)
    return refuse('NOT_LOST', `I miss no piece ${piece} of ${sizeBytes} bytes in deal ${deal.id}`)
  const uploadId = hash('sha256', `holdfast/mend/${piece}`).slice(0, 32)
  return await openRoom(store, { sizeBytes, dealId: String(deal.id), uploadId, mends: true })
}

async function openRoom(store: Pick<PieceStore, 'receive'>, request: ReceiveRequest): Promise<Reply<Room>> {
  const received = await orFullDisk(() => store.receive(request))
  if (!received.ok) return received
  const room = received.value
  if (room.ok) return { ok: true, value: room }
  return refuse('NO_SPACE', `I have ${room.freeBytes} bytes left, ${room.neededBytes} are needed`, {
    freeBytes: room.freeBytes,
    neededBytes: room.neededBytes
  })
}

/** @param expected - the piece that these bytes must be; any when left out */
function openSink(room: Room, sizeBytes: number, expected?: CID): UploadSink<Stored> {
  const wrongSize = (came: number) => refuse('WRONG_SIZE', `${sizeBytes} bytes were declared and ${came} came`)
  if ('piece' in room) {
    const { cid, rawSize } = room.piece
    return {
      offset: sizeBytes,
      write: async chunk => wrongSize(sizeBytes + chunk.length),
      finish: async () => ({ ok: true, value: { cid, rawSize } }),
      abort: async () => undefined
    }
  }
  const { writer } = room
  return {
    offset: writer.positionBytes,
    async write(chunk) {
      const cameBytes = writer.positionBytes + chunk.length
      if (cameBytes > sizeBytes) {
        await writer.abort()
        return wrongSize(cameBytes)
      }
      const written = await orFullDisk(() => writer.write(chunk))
      return written.ok ? undefined : written
    },
    async finish(totalBytes) {
      if (totalBytes !== sizeBytes) {
        await writer.abort()
        return wrongSize(totalBytes)
      }
      if (expected !== undefined) {
        const found = await orFullDisk(() => writer.finish())
        if (!found.ok) return found
        if (found.value.piece !== expected.toString()) {
          await writer.abort()
          return refuse('OTHER_PIECE', `that was ${found.value.piece}, not the piece that I miss`)
        }
      }
      const committed = await orFullDisk(() => writer.commit())
      if (!committed.ok) return committed
      const { cid, rawSize } = committed.value
      return { ok: true, value: { cid, rawSize } }
    },
    // A client that is gone may come back; what it sent so far is kept for that, if it said which upload it is.
    abort: () => writer.suspend()
  }
}

/** Tells whose turn it is, and of the end of a sink, whichever end that is. */
function timed(sink: UploadSink<Stored>, room: TransferRoom, ended: (isStored: boolean) => void): UploadSink<Stored> {
  room.waiting()
  return {
    offset: sink.offset,
    async write(chunk) {
      room.working()
      const refusal = await sink.write(chunk)
      room.waiting()
      return refusal ?? undefined
    },
    async finish(totalBytes) {
      let isStored = false
      room.working()
      try {
        const reply = await sink.finish(totalBytes)
        isStored = reply.ok
        return reply
      } finally {
        ended(isStored)
      }
    },
    abort: reason => sink.abort(reason).finally(() => ended(false))
  }
}

/**
 * A full disk is news for the client, who then takes another provider, and so is a second stream that went on with the
 * same upload; any other failure is the store's own.
 */
export async function orFullDisk<T>(work: () => Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    if (error instanceof PeerError && error.code === 'NO_SPACE') return refuse('NO_SPACE', 'my disk is full')
    if (error instanceof PeerError && error.code === 'WRITER_CLOSED')
      return refuse('SUPERSEDED', 'this upload goes on elsewhere, or this peer stops')
    throw error
  }
}
