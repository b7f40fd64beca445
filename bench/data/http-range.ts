/** The asking side of http-tasks.ts: how soon the first byte of a range is there that its reader can use. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { get as getSecurely, Agent as SecureAgent } from 'node:https'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { MIB } from '../harness.ts'
import type { Task } from './measured-process.ts'

/** Each contender asks from a process of its own, as our client does: who is one of several in a process is never cold. */
export const httpClient: Task = async () => {
  // One connection for all requests, as a browser keeps it.
  const kept = { maxSockets: 1, keepAlive: true }
  const agents = { plain: new Agent(kept), secure: new SecureAgent(kept) }
  let keptTls: Promise<TLSSocket> | undefined
  return {
    firstByte: (range: HttpRange) => firstByteByHttp(agents, range),

    /** A leaf over TLS alone. */
    async leaf({ port, identity, isOnNew }: { port: number; identity: Identity; isOnNew: boolean }) {
      const dial = tlsDialler(port, identity)
      if (isOnNew) return await leafByNewTls(dial)
      keptTls ??= dial()
      return await leafByTls(await keptTls)
    }
  }
}

interface Agents {
  readonly plain: Agent
  readonly secure: SecureAgent
}

interface Identity {
  readonly cert: string
  readonly key: string
}

interface HttpRange {
  readonly port: number
  /** Under TLS, whatever the server's certificate. */
  readonly isSecure: boolean
  readonly path: string
  readonly offset: number
  readonly length: number
  readonly isOnNew: boolean
}

/** @returns seconds until the first byte, of a leaf until it was hashed; reads to the end */
async function firstByteByHttp(
  { plain, secure }: Agents,
  { port, isSecure, path, offset, length, isOnNew }: HttpRange
): Promise<number> {
  const before = performance.now()
  const headers = { range: `bytes=${offset}-${offset + length - 1}` }
  const agent = isSecure ? secure : plain
  const request = { host: '127.0.0.1', port, path, headers, agent: isOnNew ? (false as const) : agent }
  const asking = isSecure ? getSecurely({ ...request, rejectUnauthorized: false }) : get(request)
  const [response] = await once(asking, 'response')
  const hash = path === '/leaf' ? createHash('sha256') : undefined
  let seconds: number | undefined
  for await (const chunk of response as IncomingMessage) {
    hash?.update(chunk as Buffer)
    if (hash === undefined) seconds ??= (performance.now() - before) / 1000
  }
  hash?.digest()
  return seconds ?? (performance.now() - before) / 1000
}

let secureContext: SecureContext | undefined

/** Opens connections with nothing but TLS, in which both sides show who they are, as libp2p asks for it. */
function tlsDialler(port: number, identity: Identity): () => Promise<TLSSocket> {
  secureContext ??= createSecureContext({ ...identity, minVersion: 'TLSv1.3' })
  return async () => {
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return socket.setNoDelay()
  }
}

/** What a leaf takes where nothing but TLS is between two memories. @returns seconds until a MiB has come, hashed as it comes */
async function leafByTls(socket: TLSSocket): Promise<number> {
  const before = performance.now()
  const hash = createHash('sha256')
  const { promise: whole, resolve } = Promise.withResolvers<void>()
  let missingBytes = MIB
  const receive = (bytes: Buffer) => {
    hash.update(bytes)
    missingBytes -= bytes.length
    if (missingBytes === 0) resolve()
  }
  socket.on('data', receive)
  socket.write('.')
  await whole
  socket.off('data', receive)
  hash.digest()
  return (performance.now() - before) / 1000
}

/** The same on a connection of its own. */
async function leafByNewTls(dial: () => Promise<TLSSocket>): Promise<number> {
  const before = performance.now()
  const socket = await dial()
  try {
    await leafByTls(socket)
    return (performance.now() - before) / 1000
  } finally {
    socket.destroy()
  }
}
