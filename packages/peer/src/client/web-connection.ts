/**
 * A connection to a web server: one request after the other, each for bytes whose number the answer says.
 *
 * Node's own client takes half a millisecond more for a part of a leaf, and one and a half for a leaf under TLS: it makes a stream of
 * each answer, and an array of each record. Here the library parses the head, and what comes after it goes to its place at once.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { HttpAnswer, HttpRequest } from '@holdfast/core'
import { HTTPParser } from 'http-parser-js'
import type { WebAddress, WebDial } from './web-dial.ts'

const HEADERS_SIZE_BYTES_MAX = 16 * 1024
/** What the parser takes for: leave the rest to me. */
const HEAD_ALONE = 2

/** Of connections that ended: memory that is made anew for each brings the collector of garbage every few connections. */
const SPARE_BUFFERS_MAX = 8
/** Those that are used again are all of one size. */
const SPARE_SIZE_BYTES = 256 * 1024
const spare: Buffer[] = []

/** The answer that is awaited. */
interface Awaited {
  readonly wanted: HttpRequest
  readonly settle: (answer: HttpAnswer) => void
  /** Undefined until the head has come. */
  body: Body | undefined
}

interface Body {
  readonly bytes: Uint8Array
  /** Of whole blocks. */
  readonly hash: Hash | undefined
  filled: number
  /** Whether the server goes on listening after it. */
  readonly keeps: boolean
}

export interface WebConnectionTerms {
  /** Ends when it was not used for so long. */
  readonly idleMsMax: number
  /** Told when it can be used, and when it has ended. */
  readonly onChange: () => void
}

export class WebConnection {
  readonly #socket: Socket
  readonly #buffer: Buffer
  readonly #parser = new HTTPParser(HTTPParser.RESPONSE)
  readonly #host: string
  readonly #terms: WebConnectionTerms
  #awaited: Awaited | undefined
  #idle: NodeJS.Timeout | undefined

  constructor({ host, port }: WebAddress, dial: WebDial, terms: WebConnectionTerms) {
    this.#host = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#terms = terms
    const { readSizeBytes } = dial
    this.#buffer =
      (readSizeBytes === SPARE_SIZE_BYTES ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(readSizeBytes)
    this.#parser[HTTPParser.kOnHeadersComplete] = ({ statusCode, headers, shouldKeepAlive }) => {
      this.#begin(statusCode, headers, shouldKeepAlive)
      return HEAD_ALONE
    }
    const onread = { buffer: this.#buffer, callback: (sizeBytes: number) => this.#receive(sizeBytes) }
    this.#socket = dial.open({ host, port }, onread)
    this.#socket.on('error', ({ message }) => this.#fail(message))
    this.#socket.once('close', () => this.#ended())
  }

  /** Whether it can be asked. */
  get isFree(): boolean {
    return this.#awaited === undefined && !this.#socket.destroyed
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  /** Asks who {@link isFree}. A failure ends the connection. */
  async ask(wanted: HttpRequest): Promise<HttpAnswer> {
    const { target, accept, authorization, range } = wanted
    clearTimeout(this.#idle)
    this.#socket.ref()
    const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
    this.#awaited = { wanted, settle: resolve, body: undefined }
    this.#parser.maxHeaderSize = HEADERS_SIZE_BYTES_MAX
    const lines = [
      `GET ${target} HTTP/1.1`,
      `Host: ${this.#host}`,
      `Accept: ${accept}`,
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      ...(range === undefined ? [] : [`Range: bytes=${range.offset}-${range.offset + range.length - 1}`])
    ]
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    return await promise
  }

  close(): void {
    this.#fail('ended from here')
  }

  /** @returns that more may come */
  #receive(sizeBytes: number): boolean {
    // What was asked is still held back: nobody knows yet who this is, so nothing that he says is held against the one we mean.
    if (this.#socket.writableCorked > 0) {
      this.#fail('answers before it was asked')
      return true
    }
    let bytes = this.#buffer.subarray(0, sizeBytes)
    const awaited = this.#awaited
    if (awaited !== undefined && awaited.body === undefined) {
      const headBytes = this.#parser.execute(bytes)
      if (typeof headBytes !== 'number') this.#fail(`speaks no HTTP that we know (${headBytes.message})`)
      else bytes = bytes.subarray(headBytes)
      if (awaited.body === undefined) return true
    }
    this.#take(bytes)
    return true
  }

  #begin(status: number, headers: readonly string[], keeps: boolean): void {
    if (this.#awaited === undefined) return
    const { wanted } = this.#awaited
    const { range, allocate, onAnswer } = wanted
    const sizeBytes = lengthIn(headers)
    const fault = faultOf(status, sizeBytes, wanted)
    if (fault !== undefined) {
      this.#fail(fault)
      return
    }
    onAnswer()
    const hash = range === undefined ? createHash('sha256') : undefined
    this.#awaited.body = { bytes: allocate(sizeBytes), hash, filled: 0, keeps }
  }

  #take(bytes: Uint8Array): void {
    const awaited = this.#awaited
    if (awaited?.body === undefined) {
      if (bytes.length > 0) this.#fail('says what nobody asked for')
      return
    }
    const { wanted, body, settle } = awaited
    if (bytes.length > body.bytes.length - body.filled) {
      this.#fail('sends more than it said')
      return
    }
    body.bytes.set(bytes, body.filled)
    body.hash?.update(bytes)
    body.filled += bytes.length
    wanted.onBytes(body.bytes, body.filled)
    if (body.filled < body.bytes.length) return
    this.#awaited = undefined
    settle({ ok: true, bytes: body.bytes, sha256: body.hash?.digest() })
    if (body.keeps) this.#rest()
    else this.#socket.destroy()
  }

  #rest(): void {
    this.#idle = setTimeout(() => this.#socket.destroy(), this.#terms.idleMsMax).unref()
    this.#socket.unref()
    this.#terms.onChange()
  }

  #fail(reason: string): void {
    const awaited = this.#awaited
    this.#awaited = undefined
    this.#socket.destroy()
    awaited?.settle({ ok: false, reason, isSilent: false })
  }

  #ended(): void {
    clearTimeout(this.#idle)
    this.#fail('hung up in the middle of an answer')
    // Nothing is read into it any more.
    if (this.#buffer.length === SPARE_SIZE_BYTES && spare.length < SPARE_BUFFERS_MAX) spare.push(this.#buffer)
    this.#terms.onChange()
  }
}

/** @returns NaN where the head does not say how long the body is, or says it twice */
function lengthIn(headers: readonly string[]): number {
  const said: (string | undefined)[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    if (name === 'transfer-encoding') return Number.NaN
    if (name === 'content-length') said.push(headers[index + 1])
  }
  const [length = ''] = said
  return said.length === 1 && /^\d{1,15}$/.test(length) ? Number(length) : Number.NaN
}

/** Why an answer is not read, by its head. */
function faultOf(
  status: number,
  sizeBytes: number,
  { range, sizeBytesMax }: Pick<HttpRequest, 'range' | 'sizeBytesMax'>
): string | undefined {
  if (status !== (range === undefined ? 200 : 206)) return `answered with status ${status}`
  if (!(sizeBytes <= sizeBytesMax)) return 'does not say that it sends a block'
  return range !== undefined && sizeBytes !== range.length ? 'sends another part' : undefined
}
