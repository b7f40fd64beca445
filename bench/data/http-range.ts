/** The asking side of http-tasks.ts: how soon the first byte of a range is there that its reader can use. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { get as getSecurely, Agent as SecureAgent } from 'node:https'

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
