/**
 * Public blocks over HTTP, for whoever speaks no libp2p: IPFS's trustless gateway, as far as it is about single blocks
 * (specs.ipfs.tech, Trustless Gateway, `format=raw`).
 *
 * Who asks checks what comes against the CID, so the line needs no encryption to be believed; without it whoever is on the way can
 * see what is read. Nothing is shown that a browser would run: a block is a download of one type, in a sandbox. What is
 * denied or private is in no index, and so not here.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { inlineBlock, readBlocks, refusalInside, type TrafficLimiter } from '@holdfast/core'
import { type PlaceComponents, placeBlock } from '../provider/place-block.ts'
import { type PlacedBlock, streamBlocks } from '../provider/stream-blocks.ts'
import type { TransferBudget } from '../provider/transfer-budget.ts'
import type { PieceStore } from '../storage/index.ts'
import { type AskedBlock, RAW_BLOCK_TYPE, readAsked } from './asked-block.ts'
import { type Admitted, admit, answering, beginBytes, busy, say, type Wanted, wantedOf } from './web-answer.ts'

export interface GatewayComponents extends PlaceComponents {
  readonly store: PlaceComponents['store'] & Pick<PieceStore, 'openBytes' | 'checksums' | 'reportWrongBlock'>
  /** Shared with the other ways in which strangers have bytes on the way. */
  readonly budget: TransferBudget
  readonly limiter: TrafficLimiter
  /** Told of our own bugs; the asker gets status 500. */
  readonly onError: (error: unknown) => void
}

/** An answer never changes: so long a proxy may keep it, in seconds. */
const CACHE_SECONDS = 29_030_400

export function createTrustlessGateway(components: GatewayComponents): RequestListener {
  return answering((request, response) => answer(components, request, response), components.onError)
}

async function answer(
  { store, blocks, budget, limiter }: GatewayComponents,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const asked = readAsked(request.method ?? '', request.url ?? '', request.headers)
  if (!asked.ok) return say(response, asked.status, asked.message, asked.status === 405 ? { Allow: 'GET, HEAD' } : {})
  const { cid, isHead } = asked
  const inline = inlineBlock(cid)
  if (inline !== undefined) {
    const wanted = wantedOf(response, asked.range, inline.length)
    if (wanted !== undefined)
      beginAnswer(response, asked, inline.length, wanted).end(inline.subarray(wanted.from, wanted.to))
    return
  }

  const admitted = await admit(limiter, readBlocks, request, response)
  if (admitted === undefined) return

  const placed = await placeBlock({ store, blocks }, cid)
  if (placed === undefined) return say(response, 404, `This peer does not have block ${cid}.`)
  if (isKnown(request, asked)) return void response.writeHead(304, headersOf(asked)).end()
  const wanted = wantedOf(response, asked.range, placed.sizeBytes)
  if (wanted === undefined) return
  if (isHead) return void beginAnswer(response, asked, placed.sizeBytes, wanted).end()
  const room = budget.take(admitted.who, placed.sizeBytes, () => response.destroy())
  if (!room.ok) return busy(response)
  admitted.atEnd(room.giveBack)
  if (response.destroyed) return room.giveBack()
  await sendPlaced(response, asked, placed, { wanted, store, atEnd: admitted.atEnd, waiting: room.waiting })
}

/** Everything that an answer takes, other than the bytes. */
interface Sending {
  readonly wanted: Wanted
  readonly store: GatewayComponents['store']
  readonly atEnd: Admitted['atEnd']
  readonly waiting: () => void
}

async function sendPlaced(
  response: ServerResponse,
  asked: AskedBlock,
  placed: PlacedBlock,
  { wanted, store, atEnd, waiting }: Sending
): Promise<void> {
  const part = { offset: wanted.from, length: wanted.to - wanted.from }
  const { chunks, release } = streamBlocks(store, [placed], { part })
  // Before it is read: nothing else may have the memory until the answer is out.
  atEnd(release)
  try {
    const { value: bytes } = await chunks.next()
    if (response.destroyed) return release()
    waiting()
    beginAnswer(response, asked, placed.sizeBytes, wanted).end(bytes as Uint8Array)
  } catch (error) {
    if (refusalInside(error) === undefined) throw error
    say(response, 404, `This peer's disk no longer has block ${asked.cid}: read it elsewhere.`)
  } finally {
    await chunks.return(undefined)
  }
}

function beginAnswer(response: ServerResponse, asked: AskedBlock, sizeBytes: number, wanted: Wanted): ServerResponse {
  return beginBytes(response, headersOf(asked), { range: asked.range, sizeBytes, wanted })
}

function headersOf({ cid }: AskedBlock) {
  return {
    'Content-Type': RAW_BLOCK_TYPE,
    'Content-Disposition': `attachment; filename="${cid}.bin"`,
    'Cache-Control': `public, max-age=${CACHE_SECONDS}, immutable`,
    'Accept-Ranges': 'bytes',
    ETag: tagOf(cid.toString()),
    'X-Ipfs-Path': `/ipfs/${cid}`
  }
}

function tagOf(cid: string): string {
  return `"${cid}.raw"`
}

/** Whether the asker says that it has the block already. */
function isKnown({ headers }: IncomingMessage, { cid }: AskedBlock): boolean {
  const tag = tagOf(cid.toString())
  return (headers['if-none-match'] ?? '').split(',').some(one => one.trim().replace(/^W\//, '') === tag)
}
