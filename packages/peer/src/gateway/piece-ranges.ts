/**
 * Ranges of pieces over HTTP, as Filecoin's providers give them: `/piece/PIECECID`. A public piece is anybody's, a private one that
 * of whoever brings a permission.
 *
 * A permission that goes along in a header opens the piece to everybody who sees it, so this is served under TLS alone, to
 * who knows whose certificate he has seen.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { FRAME_SIZE_BYTES, RANGE_OVER_HTTP_SIZE_BYTES_MAX, readRange } from '@holdfast/core'
import type { ProviderComponents } from '../provider/components.ts'
import { type RangeServing, readablePiece, refusalOf } from '../provider/open-range.ts'
import { readAskedPiece } from './asked-piece.ts'
import { admit, answering, beginBytes, busy, say, type Wanted, wantedOf } from './web-answer.ts'

export type PieceRangesComponents = RangeServing & Pick<ProviderComponents, 'webLimiter' | 'onError'>

export function createPieceRanges(components: PieceRangesComponents): RequestListener {
  return answering((request, response) => answer(components, request, response), components.onError)
}

async function answer(
  components: PieceRangesComponents,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const asked = readAskedPiece(request.method ?? '', request.url ?? '', request.headers)
  if (!asked.ok) return say(response, asked.status, asked.message, asked.status === 405 ? { Allow: 'GET, HEAD' } : {})
  const { cid, isHead, range, permission = null } = asked
  const admitted = await admit(components.webLimiter, readRange, request, response)
  if (admitted === undefined) return

  const piece = await readablePiece(components, { piece: cid, reader: undefined, permission })
  // One answer for what is not here and for what is not yours.
  if (piece === undefined) return say(response, 404, `This peer has no piece ${cid} for you.`)
  const wanted = wantedOf(response, range, piece.rawSize)
  if (wanted === undefined) return
  const begin = () => beginBytes(response, HEADERS, { range, sizeBytes: piece.rawSize, wanted })
  if (isHead) return void begin().end()
  const sizeBytes = wanted.to - wanted.from
  if (sizeBytes > RANGE_OVER_HTTP_SIZE_BYTES_MAX)
    return say(response, 416, `At most ${RANGE_OVER_HTTP_SIZE_BYTES_MAX} bytes at a time: ask for ranges.`)
  const room = components.budget.take(admitted.who, sizeBytes, () => response.destroy())
  if (!room.ok) return busy(response)
  admitted.atEnd(room.giveBack)
  if (response.destroyed) return room.giveBack()
  const bytes = components.reader.open(cid, piece.rawSize).stream(wanted.from, sizeBytes, FIRST_SIZE_BYTES)
  if (await sendAll(response, bytes, wanted, begin)) room.waiting()
  else say(response, 404, `This peer's disk no longer has these bytes of ${cid}: read them elsewhere.`)
}

/** A frame of a private piece, which is of use without the next: it is on its way while that is read and encrypted. */
const FIRST_SIZE_BYTES = FRAME_SIZE_BYTES

/** Not to be kept by anybody on the way: it may be somebody's. */
const HEADERS = {
  'Content-Type': 'application/octet-stream',
  'Content-Disposition': 'attachment',
  'Cache-Control': 'private, no-store'
}

/** @returns false where the disk does not have the first of it, and nothing was said; what breaks off later ends the connection */
async function sendAll(
  response: ServerResponse,
  bytes: AsyncIterable<Uint8Array>,
  { from, to }: Wanted,
  begin: () => ServerResponse
): Promise<boolean> {
  let left = to - from
  try {
    // Few enough that the memory of none is used again while it is sent.
    for await (const step of bytes) {
      if (response.destroyed) return true
      if (!response.headersSent) begin()
      left -= step.length
      if (left > 0) response.write(step)
      else response.end(step)
    }
    return true
  } catch (error) {
    if (refusalOf(error) === undefined) throw error
    if (!response.headersSent) return false
    response.destroy()
    return true
  }
}
