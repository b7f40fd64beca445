/** What all answers of a peer's web server have in common: who is let in, how little is said, and that it ends. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type ProtocolTerms, subnetOf, type TrafficLimiter } from '@holdfast/core'
import { type AskedRange, within } from './asked-range.ts'

/** For the largest answer: half of what a home line of 1 Mbit/s takes for a block. */
const ANSWER_MS_MAX = 30_000

/** For everybody's page, and for none as a page. */
const COMMON_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Length, Content-Range, X-Ipfs-Path',
  'Content-Security-Policy': "sandbox; default-src 'none'",
  'X-Content-Type-Options': 'nosniff'
} as const

/** @param onError - told of our own bugs; the asker gets status 500 */
export function answering(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  onError: (error: unknown) => void
): RequestListener {
  return (request, response) => {
    answer(request, response).catch((error: unknown) => {
      onError(error)
      if (response.headersSent) response.destroy()
      else say(response, 500, 'This peer failed to answer; its own log says why.')
    })
  }
}

/** Who asked, and is to have an answer. */
export interface Admitted {
  /** Neighbours count as one, as with connections. */
  readonly who: string
  /** Called once what was written is with the system, or the socket is gone. */
  atEnd(end: () => void): void
}

/**
 * Lets a request in when its turn comes.
 *
 * @returns undefined for who was told to come back, and for who has left
 */
export async function admit(
  limiter: TrafficLimiter,
  protocol: ProtocolTerms & { readonly cost: number },
  request: IncomingMessage,
  response: ServerResponse
): Promise<Admitted | undefined> {
  const late = setTimeout(() => response.destroy(), ANSWER_MS_MAX)
  const ends: (() => void)[] = [() => clearTimeout(late)]
  response.once('close', () => {
    for (const end of ends) end()
  })
  const who = whoOf(request)
  const allowance = limiter.open(who, protocol, () => response.destroy())
  if (allowance === undefined) {
    busy(response)
    return undefined
  }
  ends.push(allowance.close)
  // Who leaves meanwhile has given everything back; a signal to wake him costs everybody as much as the CID.
  if ((await allowance.pay(protocol.cost, 0)) !== undefined) {
    busy(response)
    return undefined
  }
  return response.destroyed ? undefined : { who, atEnd: end => void ends.push(end) }
}

export interface Wanted {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/** @returns the bytes that are asked for; undefined where there are none of them, which was said */
export function wantedOf(
  response: ServerResponse,
  range: AskedRange | undefined,
  sizeBytes: number
): Wanted | undefined {
  const wanted = range === undefined ? { from: 0, to: sizeBytes } : within(range, sizeBytes)
  if (wanted === undefined)
    say(response, 416, `There are ${sizeBytes} bytes.`, { 'Content-Range': `bytes */${sizeBytes}` })
  return wanted
}

/** @returns the response, for its bytes */
export function beginBytes(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  {
    range,
    sizeBytes,
    wanted: { from, to }
  }: { readonly range: AskedRange | undefined; readonly sizeBytes: number; readonly wanted: Wanted }
): ServerResponse {
  const all = { ...COMMON_HEADERS, 'Accept-Ranges': 'bytes', ...headers, 'Content-Length': to - from }
  if (range === undefined) return response.writeHead(200, all)
  return response.writeHead(206, { ...all, 'Content-Range': `bytes ${from}-${to - 1}/${sizeBytes}` })
}

export function busy(response: ServerResponse): void {
  say(response, 429, 'You ask more than your share, or too many ask at once: come back in a while.', {
    'Retry-After': 5
  })
}

export function say(
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

function whoOf({ socket }: IncomingMessage): string {
  const { remoteAddress = '' } = socket
  return `http ${subnetOf(remoteAddress) ?? remoteAddress}`
}
