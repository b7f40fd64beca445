/**
 * Who may ask the local API: whoever holds the token, and no web page.
 *
 * A page in a browser on this machine can send requests to loopback, by its own script or by a name that it lets resolve
 * to 127.0.0.1. It can do neither with our token, nor with the Host and Origin that are asked for here; each check alone
 * would do, and all are made. Pure: takes the headers, answers why not.
 */
import { timingSafeEqual } from 'node:crypto'

/** Names that only this machine answers to. A rebound name of a stranger's is none of them. */
const LOOPBACK_NAMES = new Set(['127.0.0.1', '[::1]', 'localhost'])
/** What a browser says of a request that no foreign page made: our own page, or the address bar. */
const OWN_FETCH_SITES = new Set(['same-origin', 'none'])

export interface GuardedRequest {
  readonly method: string
  header(name: string): string | undefined
}

export interface Denial {
  readonly status: 401 | 403 | 415
  readonly code: 'FOREIGN_HOST' | 'FOREIGN_ORIGIN' | 'TOKEN_MISSING' | 'TOKEN_WRONG' | 'NOT_JSON'
  readonly message: string
}

/** @returns why a request is not served, or undefined when it may be */
export function denialOf({ method, header }: GuardedRequest, token: string): Denial | undefined {
  const host = header('host')
  if (host === undefined || !isLoopback(host)) {
    return {
      status: 403,
      code: 'FOREIGN_HOST',
      message: 'This API answers only to 127.0.0.1, [::1] and localhost: ask it by one of these names.'
    }
  }
  const origin = header('origin')
  const site = header('sec-fetch-site')
  if ((origin !== undefined && origin !== `http://${host}`) || (site !== undefined && !OWN_FETCH_SITES.has(site))) {
    return { status: 403, code: 'FOREIGN_ORIGIN', message: 'Another web page sent this request; it is not served.' }
  }
  const given = /^Bearer ([0-9a-f]+)$/.exec(header('authorization') ?? '')?.[1]
  if (given === undefined) {
    return {
      status: 401,
      code: 'TOKEN_MISSING',
      message: 'Send the token of the file `api-token` in the data directory: `Authorization: Bearer TOKEN`.'
    }
  }
  if (!sameText(given, token)) {
    return {
      status: 401,
      code: 'TOKEN_WRONG',
      message: 'This is not the token of this daemon: read `api-token` again.'
    }
  }
  if (method !== 'GET' && method !== 'DELETE' && !isJson(header('content-type'))) {
    return { status: 415, code: 'NOT_JSON', message: 'Send JSON, with the header `Content-Type: application/json`.' }
  }
  return undefined
}

function isLoopback(host: string): boolean {
  const [, name = '', port = '80'] = /^(\[[0-9a-f:]+\]|[^:]+)(?::(\d{1,5}))?$/i.exec(host) ?? []
  return LOOPBACK_NAMES.has(name.toLowerCase()) && Number(port) <= 65_535
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType ?? '')
}

/** Takes as long for a near miss as for any other text. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
