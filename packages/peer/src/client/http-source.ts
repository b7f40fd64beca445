/** core's HTTP source on Node: kept connections, bounded answers, digests taken while bytes come. */
import { createHash } from 'node:crypto'
import { get, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { get as getSecurely, Agent as HttpsAgent } from 'node:https'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { type HttpAnswer, type HttpRequest, type HttpSource, isDialled } from '@holdfast/core'

/** Of one server; a reader of ranges has one request under way, and some readers. */
const SOCKETS_PER_HOST_MAX = 8
const SOCKETS_MAX = 64
/** Servers of other makes end what is idle after five. */
const IDLE_MS_MAX = 4_000

/** @param named - addresses that the network's description names: what is dialled depends on them */
export function createHttpSource(named: () => readonly string[]): HttpSource & Disposable {
  const terms = {
    keepAlive: true,
    noDelay: true,
    maxSockets: SOCKETS_PER_HOST_MAX,
    maxTotalSockets: SOCKETS_MAX,
    timeout: IDLE_MS_MAX
  }
  const agents = { http: new WideAgent(terms), https: new HttpsAgent(terms) }
  return {
    mayDial: address => isDialled(address, named()),
    request: wanted => requestOnce(wanted, agents),
    [Symbol.dispose]() {
      agents.http.destroy()
      agents.https.destroy()
    }
  }
}

/** A quarter of the largest block that leaves have by default. */
const READ_SIZE_BYTES = 256 * 1024

/** Of connections that ended: memory that is made anew for each brings the collector of garbage every few connections. */
const SPARE_BUFFERS_MAX = 8
const spare: Buffer[] = []

/**
 * Reads more at once than the 64 KiB that Node makes an array for each time: a leaf takes 0.5 ms less.
 *
 * The memory is used again for the next read. Between two reads Node does all that was put off, so whoever listens has copied
 * what he wants, as long as he never pauses; `receive`, which is all that listens, does not.
 */
class WideAgent extends HttpAgent {
  override createConnection(options: NetConnectOpts): Socket {
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(READ_SIZE_BYTES)
    const socket: Socket = connect({
      ...options,
      onread: {
        buffer,
        callback(sizeBytes, bytes) {
          socket.push(bytes.subarray(0, sizeBytes))
          return true
        }
      }
    })
    // Nothing is read into it any more.
    socket.once('close', () => {
      if (spare.length < SPARE_BUFFERS_MAX) spare.push(buffer)
    })
    return socket
  }
}

async function requestOnce(
  wanted: HttpRequest,
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent }
): Promise<HttpAnswer> {
  const { origin, target, range, timeoutMs, signal } = wanted
  signal?.throwIfAborted()
  const { protocol, hostname, port } = new URL(origin)
  const isSecure = protocol === 'https:'
  const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
  const asking = (isSecure ? getSecurely : get)({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isSecure ? 443 : 80) : port,
    path: target,
    agent: isSecure ? agents.https : agents.http,
    headers: {
      accept: 'application/vnd.ipld.raw',
      ...(range !== undefined && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` })
    }
  })
  const fail = (reason: string) => {
    asking.destroy()
    resolve({ ok: false, reason })
  }
  const late = setTimeout(() => fail(`gave no answer within ${timeoutMs} ms`), timeoutMs)
  const aborted = () => fail('the reader left')
  signal?.addEventListener('abort', aborted, { once: true })
  asking.once('error', ({ message }) => fail(message))
  asking.once('response', response => {
    late.refresh()
    receive(response, wanted, resolve, fail)
  })
  try {
    const answer = await promise
    signal?.throwIfAborted()
    return answer
  } finally {
    clearTimeout(late)
    signal?.removeEventListener('abort', aborted)
  }
}

function receive(
  response: IncomingMessage,
  wanted: HttpRequest,
  resolve: (answer: HttpAnswer) => void,
  fail: (reason: string) => void
): void {
  const sizeBytes = Number(response.headers['content-length'] ?? Number.NaN)
  const fault = faultOf(response.statusCode, sizeBytes, wanted)
  if (fault !== undefined) {
    fail(fault)
    return
  }
  const { range, allocate, onAnswer } = wanted
  onAnswer()
  const bytes = allocate(sizeBytes)
  const hash = createHash('sha256')
  let filled = 0
  response.on('data', (chunk: Buffer) => {
    // Node's parser reads no further than the length that the server said.
    bytes.set(chunk, filled)
    filled += chunk.length
    if (range === undefined) hash.update(chunk)
  })
  response.once('end', () => resolve({ ok: true, bytes, sha256: hash.digest() }))
  response.once('close', () => {
    if (!response.complete) fail('ended in the middle of a block')
  })
  response.once('error', ({ message }) => fail(message))
}

/** Why an answer is not read, by its headers. */
function faultOf(
  status: number | undefined,
  sizeBytes: number,
  { range, sizeBytesMax }: Pick<HttpRequest, 'range' | 'sizeBytesMax'>
): string | undefined {
  if (status !== (range === undefined ? 200 : 206)) return `answered with status ${status}`
  if (!(sizeBytes <= sizeBytesMax)) return 'does not say that it sends a block'
  return range !== undefined && sizeBytes !== range.length ? 'sends another part' : undefined
}
