/**
 * Public blocks over HTTP, for whoever speaks no libp2p: IPFS's trustless gateway, as far as it is about single blocks
 * (specs.ipfs.tech, Trustless Gateway, `format=raw`).
 *
 * Who asks checks what comes against the CID, so the line needs no encryption to be believed; without it whoever is on the way can
 * see what is read. Nothing is shown that a browser would run: a block is a download of one type, in a sandbox. What is
 * denied or private is in no index, and so not here.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { inlineBlock, readBlocks, refusalInside, subnetOf, type TrafficLimiter } from '@holdfast/core'
import { type PlaceComponents, placeBlock } from '../provider/place-block.ts'
import { type PlacedBlock, streamBlocks } from '../provider/stream-blocks.ts'
import type { TransferBudget } from '../provider/transfer-budget.ts'
import type { PieceStore } from '../storage/index.ts'
import { type AskedBlock, RAW_BLOCK_TYPE, readAsked, withinBlock } from './asked-block.ts'

export interface GatewayComponents extends PlaceComponents {
  readonly store: PlaceComponents['store'] & Pick<PieceStore, 'openBytes' | 'checksums' | 'reportWrongBlock'>
  /** Shared with the other ways in which strangers have bytes on the way. */
  readonly budget: TransferBudget
  readonly limiter: TrafficLimiter
  /** Told of our own bugs; the asker gets status 500. */
  readonly onError: (error: unknown) => void
}

/** For a block, which is the largest answer: half of what a home line of 1 Mbit/s takes for it. */
const ANSWER_MS_MAX = 30_000

/** An answer never changes: so long a proxy may keep it, in seconds. */
const CACHE_SECONDS = 29_030_400

/** For everybody's page, and for none as a page. */
const COMMON_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Length, Content-Range, X-Ipfs-Path',
  'Content-Security-Policy': "sandbox; default-src 'none'",
  'X-Content-Type-Options': 'nosniff'
} as const

export function createTrustlessGateway(components: GatewayComponents): RequestListener {
  return (request, response) => {
    answer(components, request, response).catch((error: unknown) => {
      components.onError(error)
      if (response.headersSent) response.destroy()
      else say(response, 500, 'This peer failed to answer; its own log says why.')
    })
  }
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
    const wanted = wantedOf(response, asked, inline.length)
    if (wanted !== undefined)
      beginAnswer(response, asked, inline.length, wanted).end(inline.subarray(wanted.from, wanted.to))
    return
  }

  const late = setTimeout(() => response.destroy(), ANSWER_MS_MAX)
  const ends: (() => void)[] = [() => clearTimeout(late)]
  // Once what was written is with the system, or the socket is gone.
  response.once('close', () => {
    for (const end of ends) end()
  })
  const who = whoOf(request)
  const allowance = limiter.open(who, readBlocks, () => response.destroy())
  if (allowance === undefined) return busy(response)
  ends.push(allowance.close)
  // Who leaves meanwhile has given everything back; a signal to wake him costs everybody as much as the CID.
  if ((await allowance.pay(readBlocks.cost, 0)) !== undefined) return busy(response)
  if (response.destroyed) return

  const placed = await placeBlock({ store, blocks }, cid)
  if (placed === undefined) return say(response, 404, `This peer does not have block ${cid}.`)
  if (isKnown(request, asked)) return void response.writeHead(304, headersOf(asked)).end()
  const wanted = wantedOf(response, asked, placed.sizeBytes)
  if (wanted === undefined) return
  if (isHead) return void beginAnswer(response, asked, placed.sizeBytes, wanted).end()
  const room = budget.take(who, placed.sizeBytes, () => response.destroy())
  if (!room.ok) return busy(response)
  ends.push(room.giveBack)
  if (response.destroyed) return room.giveBack()
  await sendPlaced(response, asked, placed, { wanted, store, ends, waiting: room.waiting })
}

interface Wanted {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/** @returns the bytes of a block that are asked for; undefined where it has none of them, which was said */
function wantedOf(response: ServerResponse, { range }: AskedBlock, sizeBytes: number): Wanted | undefined {
  const within = range === undefined ? { from: 0, to: sizeBytes } : withinBlock(range, sizeBytes)
  if (within === undefined)
    say(response, 416, `The block has ${sizeBytes} bytes.`, { 'Content-Range': `bytes */${sizeBytes}` })
  return within
}

/** Everything that an answer takes, other than the bytes. */
interface Sending {
  readonly wanted: Wanted
  readonly store: GatewayComponents['store']
  /** What is to be done once the answer is out. */
  readonly ends: (() => void)[]
  readonly waiting: () => void
}

async function sendPlaced(
  response: ServerResponse,
  asked: AskedBlock,
  placed: PlacedBlock,
  { wanted, store, ends, waiting }: Sending
): Promise<void> {
  const part = { offset: wanted.from, length: wanted.to - wanted.from }
  const { chunks, release } = streamBlocks(store, [placed], { part })
  // Before it is read: nothing else may have the memory until the answer is out.
  ends.push(release)
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

function beginAnswer(
  response: ServerResponse,
  asked: AskedBlock,
  sizeBytes: number,
  { from, to }: Wanted
): ServerResponse {
  const headers = { ...headersOf(asked), 'Content-Length': to - from }
  if (asked.range === undefined) return response.writeHead(200, headers)
  return response.writeHead(206, { ...headers, 'Content-Range': `bytes ${from}-${to - 1}/${sizeBytes}` })
}

function headersOf({ cid }: AskedBlock) {
  return {
    ...COMMON_HEADERS,
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

function busy(response: ServerResponse): void {
  say(response, 429, 'You ask more than your share, or too many ask at once: come back in a while.', {
    'Retry-After': 5
  })
}

function say(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Readonly<Record<string, string | number>> = {}
): void {
  if (response.destroyed) return
  const head = {
    ...COMMON_HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    ...headers
  }
  response.writeHead(status, head).end(`${message}\n`)
}

/** Neighbours count as one, as with connections. */
function whoOf({ socket }: IncomingMessage): string {
  const { remoteAddress = '' } = socket
  return `http ${subnetOf(remoteAddress) ?? remoteAddress}`
}
