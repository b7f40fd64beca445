/** The asking side of http-tasks.ts: how soon the first byte of a range is there that its reader can use. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { get as getSecurely, Agent as SecureAgent } from 'node:https'
import { connect, createSecureContext, type TLSSocket } from 'node:tls'
import { MIB } from '../harness.ts'

/** One connection for all requests, as a browser keeps it. */
export function keptConnection(isSecure: boolean) {
  const agent = new (isSecure ? SecureAgent : Agent)({ keepAlive: true, maxSockets: 1 })
  return { agent, [Symbol.dispose]: () => agent.destroy() }
}

export interface HttpRange {
  readonly port: number
  /** Under TLS, whatever the server's certificate. */
  readonly isSecure: boolean
  readonly path: string
  readonly offset: number
  readonly length: number
  /** False for a connection of its own. */
  readonly agent: Agent | false
}

/** @returns seconds until the first byte, of a leaf until it was hashed; reads to the end */
export async function firstByteByHttp({ port, isSecure, path, offset, length, agent }: HttpRange): Promise<number> {
  const before = performance.now()
  const headers = { range: `bytes=${offset}-${offset + length - 1}` }
  const request = { host: '127.0.0.1', port, path, headers, agent }
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

/** Opens connections with nothing but TLS, in which both sides show who they are, as libp2p asks for it. */
export function tlsDialler(port: number, identity: { cert: string; key: string }): () => Promise<TLSSocket> {
  const secureContext = createSecureContext({ ...identity, minVersion: 'TLSv1.3' })
  return async () => {
    const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return socket.setNoDelay()
  }
}

/** One connection for all of them. */
export async function keptTls(dial: () => Promise<TLSSocket>) {
  const socket = await dial()
  return { socket, [Symbol.dispose]: () => void socket.destroy() }
}

/** What a leaf takes where nothing but TLS is between two memories. @returns seconds until a MiB has come, hashed as it comes */
export async function leafByTls(socket: TLSSocket): Promise<number> {
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
export async function leafByNewTls(dial: () => Promise<TLSSocket>): Promise<number> {
  const before = performance.now()
  const socket = await dial()
  try {
    await leafByTls(socket)
    return (performance.now() - before) / 1000
  } finally {
    socket.destroy()
  }
}
